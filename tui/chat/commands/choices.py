"""What the argument of a slash command may be, for the dropdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fireside import paths
from fireside.text import for_terminal_line
from tui.slash import Choices
from tui.theme import THEME_NAMES

if TYPE_CHECKING:
    from tui.chat.screen import ChatScreen

_DATA_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt")


def choices(screen: ChatScreen, kind: Choices) -> Sequence[str]:
    """What an argument may be, for the dropdown; cheap, and empty where it cannot be told."""
    match kind:
        case "conversations":
            return [for_terminal_line(one.title, 60) for one in screen.session.store.conversations() if one.title]
        case "tags":
            return [tag for tag, _ in screen.session.store.tags()]
        case "personas":
            from fireside.personas import persona_names

            return [*persona_names(), "off", "keep "]
        case "parameters":
            from fireside.settings import SamplingSettings

            return [f"{name} " for name in ("max_tokens", *SamplingSettings.model_fields)]
        case "models":
            from fireside.models.catalog import models
            from tui.models import remote_names

            return [*(model.name for model in models()), *remote_names(screen.session.settings)]
        case "servers":
            from agents.mcp.servers import server_names

            return [*server_names(), "off"]
        case "libraries":
            from rag.library import library_names

            return [*library_names(), "off"]
        case "adapters":
            return [*_folders(paths.adapters_folder()), "off"]
        case "tools":
            return ["on", "off"]
        case "tool":
            return [tool.name for tool in screen.session.tools]
        case "configs":
            return sorted(path.name for path in Path.cwd().glob("*.toml"))
        case "data":
            return sorted(path.name for path in Path.cwd().iterdir() if path.suffix in _DATA_SUFFIXES)
        case "stories":
            return sorted(path.stem for path in paths.stories_folder().glob("*.db"))
        case "compared":
            from fireside.models.catalog import models
            from tui.models import remote_names

            named = [*(model.name for model in models()), *remote_names(screen.session.settings)]
            return [*_folders(paths.adapters_folder()), *(name for name in named if name != screen.session.model.name)]
        case "themes":
            return THEME_NAMES
        case _:
            return []


def _folders(parent: Path) -> list[str]:
    """The names of the folders in `parent`, which need not exist."""
    return sorted(path.name for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []

"""The few settings that the chat's first frame is drawn with, read without checking all of them.

To check them takes pydantic a third of a second, as long as all else before the first frame; so it is done behind it
(`starting`). What is read here is drawn for that long at the most.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from fireside import paths
from fireside.themes import ThemeName

if TYPE_CHECKING:
    from fireside.settings import Settings

REMOTE = "remote:"
"""What the names of models on servers begin with."""
_VARIABLES = tuple(f"FIRESIDE_{name}" for name in ("THEME", "KEYS", "PROMPT_KEYS", "PLAIN", "MODEL"))


@dataclass(frozen=True)
class First:
    """What the first frame needs to know; the fields are those of `Settings`, `model` is the model's name."""

    theme: ThemeName = "dark"
    prompt_keys: Literal["plain", "vim"] = "plain"
    plain: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)
    model: str = ""


def first_of(settings: Settings, model: str) -> First:
    """The first frame's part of checked settings. model: the name of the model that is chatted with."""
    return First(settings.theme, settings.prompt_keys, settings.plain, settings.keys, model)


def first(model: str | None = None) -> First:
    """What the settings say, as far as it can be told without checking them: where the environment sets one of these
    fields, or the file holds what cannot be, all settings are checked. model: in place of the settings' own.

    Raises SettingsError.
    """
    found = None if any(name.upper().startswith(_VARIABLES) for name in os.environ) else _plainly(_values())
    if found is None:
        from fireside.settings import load

        settings = load()
        return first_of(settings, model or settings.model.name)
    return First(found.theme, found.prompt_keys, found.plain, found.keys, model or found.model)


def _values() -> dict[str, Any] | None:
    """The settings file's content; None where it cannot be read."""
    try:
        return tomllib.loads(paths.settings_file().read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return None


def _plainly(values: dict[str, Any] | None) -> First | None:
    """The fields in `values`; None where one of them is not what it must be."""
    if values is None:
        return None
    theme, prompt_keys, plain = values.get("theme", "dark"), values.get("prompt_keys", "plain"), values.get("plain")
    keys, model = values.get("keys", {}), values.get("model", {})
    name = model.get("name", "smollm2-135m") if isinstance(model, dict) else None
    if theme not in get_args(ThemeName) or prompt_keys not in ("plain", "vim") or not isinstance(name, str):
        return None
    if plain not in (None, True, False) or not isinstance(keys, dict):
        return None
    if not all(isinstance(each, str) for each in keys.values()):
        return None
    return First(theme, prompt_keys, bool(plain), keys, name)

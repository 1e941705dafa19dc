"""Another chat template than the model's own, by name or from a file."""

from __future__ import annotations

from pathlib import Path

from fireside.errors import TrainingError, did_you_mean
from fireside.models.named_templates import NAMED


def template_named(name: str) -> str:
    """The jinja source of the template `name`: llama2, chatml, human-assistant, or the path of a file.

    Raises TrainingError where there is no such template.
    """
    if name in NAMED:
        return NAMED[name]
    try:
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeError):
        hint = did_you_mean(name, NAMED, f"templates: {', '.join(NAMED)}, or a file of jinja")
        raise TrainingError(f"there is no template {name!r}", hint) from None

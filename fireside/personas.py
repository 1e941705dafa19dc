"""Personas: who the assistant is in a chat, each a TOML file that can be written by hand.

A file holds any of `system`, `model`, `adapter`, `library`, `tools`, `max_tokens`, and a table `sampling` with keys of
the settings' `[reply]`. What it leaves out stays as it is in the chat. The file's name is the persona's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from fireside import paths
from fireside.atomic import write_text
from fireside.configuration import explained, read_toml
from fireside.database import storable
from fireside.errors import FiresideError, SettingsError, StorageError, did_you_mean
from fireside.settings import Group, SamplingSettings, ToolKind


class Persona(Group):
    """What a chat is held with. None, and what is not set of `sampling`, leaves it as it is."""

    name: str = Field(exclude=True)
    """The file's name without `.toml`."""
    system: str | None = None
    """The system prompt."""
    model: str | None = None
    """A model's name or path, or `remote:NAME`."""
    adapter: str | None = None
    """`NAME:SCALE`."""
    library: str | None = None
    """A document library."""
    tools: tuple[ToolKind, ...] | None = None
    """The kinds of tools that are offered; an empty list offers none."""
    max_tokens: int | None = Field(default=None, ge=1, le=131_072)
    """The longest reply, in tokens."""
    sampling: SamplingSettings = SamplingSettings()
    """How the next token is chosen."""

    @property
    def parameters(self) -> dict[str, Any]:
        """What is set of sampling and `max_tokens`, as a conversation's `parameters` hold it; empty for nothing."""
        set_ones = self.sampling.model_dump(mode="json", exclude_defaults=True)
        return set_ones | ({} if self.max_tokens is None else {"max_tokens": self.max_tokens})


def persona_names() -> list[str]:
    """The names of all personas, in alphabetical order. What is no usable name is passed over."""
    try:
        files = sorted(paths.personas_folder().glob("*.toml"), key=lambda file: file.name.lower())
    except OSError as error:
        raise StorageError(f"the personas cannot be listed: {error.strerror}", "check the folder") from error
    return [file.stem for file in files if _usable(file.stem)]


def load_persona(name: str) -> Persona:
    """The persona called `name`.

    Raises FiresideError for a name that none can have, SettingsError for one that is not there, and for a file that
    holds an unknown key (the hint names the nearest) or a wrong value.
    """
    file = _file(name)
    try:
        values = read_toml(file)
    except FileNotFoundError:
        known = persona_names()
        otherwise = f"there are: {', '.join(known)}" if known else "there is none yet"
        raise SettingsError(f"there is no persona {name}", did_you_mean(name, known, otherwise)) from None
    if "name" in values:
        raise SettingsError(f"{file}: unknown key name", "rename the file instead: its name is the persona's")
    try:
        return Persona(name=name, **values)
    except ValidationError as error:
        raise explained(error, Persona, str(file)) from error


def checked_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a conversation (sampling fields and `max_tokens`), as they are kept. Raises SettingsError for a
    name or a value that cannot be."""
    sampling = {name: value for name, value in parameters.items() if name != "max_tokens"}
    try:
        held = Persona(name="", sampling=SamplingSettings(**sampling), max_tokens=parameters.get("max_tokens"))
    except ValidationError as error:
        model = SamplingSettings if error.title == SamplingSettings.__name__ else Persona
        raise explained(error, model, "the parameters") from error
    return held.parameters


def save_persona(persona: Persona) -> Path:
    """Write a persona, in place of the one of that name; return its file. Raises FiresideError, StorageError."""
    file = _file(persona.name)
    values = persona.model_dump(mode="json", exclude_none=True)
    sampling = persona.sampling.model_dump(exclude_defaults=True)
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if key != "sampling"]
    plain = {key: value for key, value in sampling.items() if not isinstance(value, Mapping)}
    tables: dict[str, Mapping[Any, Any]] = {"sampling": plain} if plain else {}
    tables |= {f"sampling.{key}": value for key, value in sampling.items() if isinstance(value, Mapping)}
    for table, content in tables.items():
        lines += ["", f"[{table}]", *(f"{_key(key)} = {_toml(value)}" for key, value in content.items())]
    write_text(file, storable("\n".join(lines).lstrip("\n") + "\n"))
    return file


def delete_persona(name: str) -> None:
    """Remove a persona's file; one that is not there is no error. Raises FiresideError, StorageError."""
    file = _file(name)
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot remove {file}: {error.strerror}", "check its permissions") from error


def _file(name: str) -> Path:
    return paths.personas_folder() / f"{paths.checked_name(name, 'persona')}.toml"


def _usable(name: str) -> bool:
    try:
        return bool(paths.checked_name(name, "persona"))
    except FiresideError:
        return False


def _key(key: object) -> str:
    return key if isinstance(key, str) else f'"{key}"'


def _toml(value: object) -> str:
    """A value as TOML 1.0 has it; a text of several lines over several lines, as a person would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if "\n" not in value:
            return f'"{_escaped(value)}"'
        return '"""\n' + "\n".join(map(_escaped, value.split("\n"))) + '"""'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return repr(value)


def _escaped(text: str) -> str:
    # JSON escapes what TOML does, but for DEL (https://toml.io/en/v1.0.0#string).
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("\x7f", "\\u007f")

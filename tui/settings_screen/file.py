"""The settings file as a person keeps it: one value changed, comments and order left as they are."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fireside import paths
from fireside.atomic import write_bytes
from fireside.configuration import read_toml
from fireside.errors import SettingsError
from fireside.settings import Settings, from_values
from tui.actions import keymap


@dataclass(frozen=True)
class Origin:
    """Where a value comes from. variable: of the environment; such a value cannot be changed in the file."""

    kind: Literal["default", "file", "environment"]
    variable: str = ""


def read(file: Path | None = None) -> tuple[Settings, dict[str, Any]]:
    """The settings, and what of them stands in `file` (by default the person's). Raises SettingsError."""
    path = file or paths.settings_file()
    try:
        values = read_toml(path)
    except FileNotFoundError:
        values = {}
    return _checked(values, path), values


def variables() -> dict[str, str]:
    """The environment by large names, as the settings read it."""
    return {name.upper(): value for name, value in os.environ.items()}


def origin(path: Sequence[str], values: Mapping[str, Any], held: Mapping[str, str]) -> Origin:
    """Where the setting at `path` comes from. values: what the file holds. held: the environment, see `variables`."""
    for length in range(len(path), 0, -1):
        variable = "FIRESIDE_" + "__".join(path[:length]).upper()
        if variable in held and (length == len(path) or _has(_as_json(held[variable]), path[length:])):
            return Origin("environment", variable)
    return Origin("file" if _has(values, path) else "default")


def check(path: Sequence[str], value: object, file: Path | None = None) -> None:
    """Raise SettingsError where `value` (None for the default) cannot stand at `path`, or the file is broken."""
    target = file or paths.settings_file()
    _checked(_parsed(changed(_sound(target), path, value), target), target)


def save(path: Sequence[str], value: object, file: Path | None = None) -> Settings:
    """Write `value` at `path` into the file, None to take it out; return the settings as they then are.

    The file is read anew, so that what another program wrote stays. Nothing is written where the value, or what is in
    the file, is wrong. Raises SettingsError, StorageError.
    """
    target = file or paths.settings_file()
    text = changed(_sound(target), path, value)
    settings = _checked(_parsed(text, target), target)
    # A link to a file kept elsewhere stays a link.
    write_bytes(target.resolve(), text.encode("utf-8"))
    return settings


def changed(text: str, path: Sequence[str], value: object) -> str:
    """The TOML `text` with `value` at `path`, or without it for None; everything else as it is written.

    Raises SettingsError where the text is not TOML, or a table of the path is something else.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        table: Any = document
        for depth, key in enumerate(path[:-1]):
            if key not in table:
                if value is None:
                    return text
                # Tables on the way to a table need no header of their own.
                table[key] = tomlkit.table(is_super_table=depth < len(path) - 2)
            table = table[key]
        if value is None:
            table.pop(path[-1], None)
        else:
            table[path[-1]] = value
        return tomlkit.dumps(document)
    except (TOMLKitError, TypeError, AttributeError, ValueError) as error:
        raise SettingsError(
            f"{'.'.join(path)} cannot be changed in the settings file: {error}", "change it with an editor"
        ) from error


def _sound(file: Path) -> str:
    """The file as it is written, if it is TOML; empty where there is none. Raises SettingsError."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}", "fix that line, or move the file away") from error
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}", "check the path and its permissions") from error
    _parsed(text, file)
    return text


def _parsed(text: str, file: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}", "fix that line, or move the file away") from error


def _checked(values: Mapping[str, Any], file: Path) -> Settings:
    """The settings, keys included: whether an action exists is not the schema's to know."""
    settings = from_values(values, file)
    keymap(settings.keys)
    return settings


def _has(values: object, path: Sequence[str]) -> bool:
    for key in path:
        if not isinstance(values, Mapping) or key not in values:
            return False
        values = values[key]
    return True


def _as_json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None

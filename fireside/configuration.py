"""Reads TOML files into pydantic models, and says what is wrong in them: the file, the key, and the nearest match."""

from __future__ import annotations

import difflib
import itertools
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from fireside.errors import SettingsError


def read_toml(file: Path) -> dict[str, Any]:
    """The content of `file`. Raises SettingsError where it cannot be read, FileNotFoundError where there is none."""
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}", "fix that line, or move the file away") from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}", "check the path and its permissions") from error


def explained(error: ValidationError, root: type[BaseModel], source: str) -> SettingsError:
    """The first problem pydantic found with values for `root`, in the person's terms. source: where they came from."""
    problem = error.errors()[0]
    keys = [str(part) for part in problem["loc"]]
    table, path = _table(root, keys)
    if problem["type"] == "extra_forbidden":
        # The key may be right, or nearly, and stand in the wrong table.
        here = {name: ".".join([*path, name]) for name in table.model_fields}
        known = {name: name for name in root.model_fields}
        known |= {name: f"{group}.{name}" for group, inner in _groups(root).items() for name in inner.model_fields}
        known |= here
        close = difflib.get_close_matches(keys[-1], known, n=1)
        hint = f"did you mean {known[close[0]]}?" if close else f"known keys: {', '.join(sorted(here.values()))}"
        return SettingsError(f"{source}: unknown key {'.'.join(keys)}", hint)
    # Behind the key, pydantic tells the place in a list, and the name of the type it tried of a union, which goes.
    key = ".".join([*path, *itertools.takewhile(str.isdecimal, keys[len(path) :])])
    if problem["type"] == "missing":
        return SettingsError(f"{source}: the key {key} is missing", f'add a line such as {key} = "..."')
    return SettingsError(
        f"{source}: {key}: {problem['msg']}", "correct the value, or remove the key to use the default"
    )


def _table(root: type[BaseModel], keys: Sequence[str]) -> tuple[type[BaseModel], list[str]]:
    """The innermost table on the way that `keys` lead from `root`, and the known keys of that way."""
    table, path = root, []
    rest = iter(keys)
    for key in rest:
        if key not in table.model_fields:
            break
        path.append(key)
        inner = _groups(table).get(key)
        if inner is None and (inner := _named(table).get(key)) is not None:
            path += itertools.islice(rest, 1)
        if inner is None:
            break
        table = inner
    return table, path


def _groups(table: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The tables inside a table, by key."""
    return _models({name: field.annotation for name, field in table.model_fields.items()})


def _named(table: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The kinds of table that a person gives names to (`dict[str, ...]`), by key."""
    annotations = {name: get_args(field.annotation) for name, field in table.model_fields.items()}
    return _models({name: inner[-1] for name, inner in annotations.items() if inner})


def _models(annotations: Mapping[str, object]) -> dict[str, type[BaseModel]]:
    return {
        name: inner for name, inner in annotations.items() if isinstance(inner, type) and issubclass(inner, BaseModel)
    }

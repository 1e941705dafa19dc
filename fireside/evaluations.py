"""Results of evaluations that are kept, one JSON file each in `evaluations/`: written whole, read back, listed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fireside import atomic, paths
from fireside.errors import FiresideError, StorageError, did_you_mean

Scores = Mapping[str, Mapping[str, float]]
"""Figures by name, for each corpus or category."""


@dataclass(frozen=True)
class Evaluation:
    """One run of a suite. suite: "rag" or "tools". data: the test set. model: what answered, "" where none did.

    items: each question with what came of it, as the suite writes it. at: when, in ISO 8601, UTC.
    """

    suite: str
    data: str
    model: str
    scores: Scores
    items: Sequence[Mapping[str, Any]] = ()
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    name: str = ""


def check_name(name: str | None) -> None:
    """Raises FiresideError where a result cannot be kept as `name`: it is no usable name, or taken. None and "" are
    names that are still to be found, or none at all."""
    if name:
        paths.checked_name(name, "evaluation")
        if _file(name).exists():
            raise FiresideError(f"there is already an evaluation {name!r}", "choose another name with --keep")


def keep(evaluation: Evaluation, name: str | None = None) -> str:
    """Write it as `evaluations/NAME.json`; by default the name is the suite and the time. Returns the name.

    Raises FiresideError (the name is taken, or cannot be one), StorageError.
    """
    check_name(name)
    name = name or _free_name(f"{evaluation.suite}-{evaluation.at[:19].replace(':', '').replace('T', '-')}")
    document = {
        "suite": evaluation.suite,
        "data": evaluation.data,
        "model": evaluation.model,
        "at": evaluation.at,
        "scores": evaluation.scores,
        "items": list(evaluation.items),
    }
    atomic.write_text(_file(name), json.dumps(document, ensure_ascii=False, indent=1))
    return name


def evaluation_names() -> list[str]:
    """The names of all that are kept, the newest first."""
    folder = paths.evaluations_folder()
    files = [path for path in folder.glob("*.json") if not path.name.startswith(".")] if folder.is_dir() else []
    return [path.stem for path in sorted(files, key=lambda path: path.stat().st_mtime_ns, reverse=True)]


def read(name: str) -> Evaluation:
    """The evaluation `name`. Raises FiresideError (there is none, or its file is damaged), StorageError."""
    path = _file(paths.checked_name(name, "evaluation"))
    try:
        document = json.loads(path.read_text("utf-8"))
        scores = {
            str(group): {str(key): float(value) for key, value in figures.items()}
            for group, figures in document["scores"].items()
        }
        items = document["items"]
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ValueError("items")
        suite, data, model, at = (str(document[key]) for key in ("suite", "data", "model", "at"))
        return Evaluation(suite, data, model, scores, items, at, name)
    except FileNotFoundError:
        raise FiresideError(
            f"there is no evaluation {name!r}", did_you_mean(name, evaluation_names(), "fireside eval makes one")
        ) from None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}", "check its permissions") from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise FiresideError(f"the evaluation {name!r} is damaged", f"delete it: {path}") from None


def forget(name: str) -> None:
    """Delete the evaluation `name`. Raises StorageError."""
    path = _file(paths.checked_name(name, "evaluation"))
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot delete {path}: {error.strerror}", "check its permissions") from error


def _free_name(wanted: str) -> str:
    """`wanted`, with a number behind it where two runs end in one second."""
    name, number = wanted, 1
    while _file(name).exists():
        number += 1
        name = f"{wanted}-{number}"
    return name


def _file(name: str) -> Path:
    return paths.evaluations_folder() / f"{name}.json"

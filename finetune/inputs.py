"""What a run was made from, by sha256, so that it only goes on from the very same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from finetune.base import Base
from finetune.config import RunConfig
from finetune.status import CONFIG
from fireside import atomic
from fireside.errors import TrainingError
from fireside.models.named_templates import NAMED

_INPUTS = "inputs.json"


@dataclass(frozen=True)
class Inputs:
    """sha256 of each, as hexadecimal digits; `held_back` is "" where it is a share of the data, `template` where it is
    no file."""

    data: str
    held_back: str
    base: str
    config: str
    template: str = ""


def inputs_of(run: Path, config: RunConfig, base: Base) -> Inputs:
    """What the run in the folder `run` would be made from now. Raises TrainingError where a data file is gone."""
    held_back = _sha256(Path(config.held_back)) if isinstance(config.held_back, str) else ""
    template = _sha256(Path(config.template)) if config.template and config.template not in NAMED else ""
    return Inputs(_sha256(config.data), held_back, base.sha256, _sha256(run / CONFIG), template)


def keep_inputs(run: Path, inputs: Inputs) -> None:
    """Write down what the run is made from. Raises StorageError."""
    atomic.write_text(run / _INPUTS, json.dumps(asdict(inputs), indent=1))


def kept_inputs(run: Path) -> Inputs:
    """What the run was made from. Raises TrainingError."""
    try:
        return Inputs(**json.loads((run / _INPUTS).read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"the run {run.name} does not tell what it was made from", "start it anew") from error


def check_unchanged(run: Path, config: RunConfig, base: Base) -> None:
    """Raises TrainingError that names what has changed since the run began."""
    then, now = kept_inputs(run), inputs_of(run, config, base)
    names = {
        "data": f"the data file {config.data}",
        "held_back": f"the held-back file {config.held_back}",
        "base": f"the base model {config.base}",
        "config": f"the configuration {run / CONFIG}",
        "template": f"the template {config.template}",
    }
    changed = [names[item.name] for item in fields(Inputs) if getattr(now, item.name) != getattr(then, item.name)]
    if changed:
        raise TrainingError(
            f"{' and '.join(changed)} changed since the run {run.name} began, so it cannot go on as it was",
            "put the old content back, or start a new run: fireside tune run CONFIG.toml",
        )


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise TrainingError(f"cannot read {file}: {error.strerror}", "put it back where it was") from error

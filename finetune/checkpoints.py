"""Checkpoints of a run: all that its next step depends on, in folders that are whole or not there.

A checkpoint is written beside its place, synced to disk, listed with its sha256s and only then renamed, so that a crash
or a full disk leaves the one before it as it was. What a folder holds is checked before any of it is read.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import random
import re
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from finetune.failures import disk_is_full
from fireside.errors import StorageError

CHECKPOINTS = "checkpoints"
PROGRESS = "progress.json"
_MANIFEST = "manifest.json"
_NAME = re.compile(r"step-(\d{8,})")
_UNFINISHED = ".unfinished"


def save_checkpoint(trainer: Any, progress: dict[str, Any], run: Path) -> Path:
    """Keep the state of `trainer` (a transformers Trainer between two steps) in the run folder `run`; return where.

    progress: kept beside it, for `read_progress`. The files are those that `Trainer.train(resume_from_checkpoint=...)`
    reads. Raises StorageError; earlier checkpoints are whole then, and what was written of this one is gone.
    """
    step = int(trainer.state.global_step)
    place = run / CHECKPOINTS / f"step-{step:08}"
    # After a resume the same step may be reached again; what is there already is as good.
    if is_whole(place):
        return place
    unfinished = place.with_name(_UNFINISHED)
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True, mode=0o700)
        _write_state(trainer, unfinished)
        (unfinished / PROGRESS).write_text(json.dumps(progress), "utf-8")
        files = {file.name: _sha256(file) for file in sorted(unfinished.iterdir())}
        (unfinished / _MANIFEST).write_text(json.dumps({"step": step, "files": files}, indent=1), "utf-8")
        for file in (*unfinished.iterdir(), unfinished):
            _sync(file)
        shutil.rmtree(place, ignore_errors=True)
        unfinished.rename(place)
        _sync(place.parent)
    # torch and safetensors tell of a full disk by errors of their own.
    except Exception as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        before = newest(run)
        kept = f"the one of step {step_of(before)} is whole" if before else "there is none yet"
        reason = "the disk is full" if disk_is_full(error) else str(error).partition("\n")[0]
        raise StorageError(
            f"the checkpoint of step {step} could not be saved ({reason}); {kept}",
            f"free some space on the disk of {run}, then: fireside tune resume {run.name}",
        ) from error
    return place


def newest(run: Path) -> Path | None:
    """The last whole checkpoint of the run; None where there is none. A damaged one is passed over."""
    return next((each for each in reversed(_all(run)) if is_whole(each)), None)


def checkpoint_at(run: Path, step: int) -> Path | None:
    """The checkpoint of `step`; None where it is not there or not whole."""
    return next((each for each in _all(run) if step_of(each) == step and is_whole(each)), None)


def is_whole(checkpoint: Path) -> bool:
    """Whether every file of the checkpoint is as it was written."""
    try:
        files = json.loads((checkpoint / _MANIFEST).read_text("utf-8"))["files"]
        there = {file.name for file in checkpoint.iterdir()} - {_MANIFEST}
        return there == set(files) and all(_sha256(checkpoint / name) == sha for name, sha in files.items())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def forget_others(run: Path, steps: Collection[int]) -> None:
    """Remove all checkpoints of the run but those of `steps` and the last two."""
    for each in _all(run)[:-2]:
        if step_of(each) not in steps:
            shutil.rmtree(each, ignore_errors=True)


def any_checkpoint(run: Path) -> bool:
    """Whether the run has a checkpoint; it is not read, so it may turn out damaged."""
    return bool(_all(run))


def bytes_kept(run: Path) -> int:
    """Bytes that the run's checkpoints take on the disk, whole or not."""
    return sum(file.stat().st_size for file in (run / CHECKPOINTS).rglob("*") if file.is_file())


def step_of(checkpoint: Path) -> int:
    """The step behind which the checkpoint was taken."""
    return int(checkpoint.name.removeprefix("step-"))


def read_progress(checkpoint: Path) -> dict[str, Any]:
    """What `save_checkpoint` was given as `progress`."""
    progress: dict[str, Any] = json.loads((checkpoint / PROGRESS).read_text("utf-8"))
    return progress


def load_weights(trainer: Any, checkpoint: Path) -> None:
    """Put the trained weights of `checkpoint` into the trainer's model, as its own resuming does."""
    trainer._load_from_checkpoint(str(checkpoint))


def _write_state(trainer: Any, folder: Path) -> None:
    """Weights, optimiser, schedule, random states and position, under the names that transformers' Trainer reads."""
    import numpy as np
    import torch

    # PEFT would keep a copy of the embeddings where it cannot tell whether they were changed.
    more = {"save_embedding_layers": False} if hasattr(trainer.model, "peft_config") else {}
    trainer.model.save_pretrained(str(folder), **more)
    (folder / "README.md").unlink(missing_ok=True)
    torch.save(trainer.optimizer.state_dict(), folder / "optimizer.pt")
    torch.save(trainer.lr_scheduler.state_dict(), folder / "scheduler.pt")
    scaler = getattr(trainer.accelerator, "scaler", None)
    if scaler is not None:
        torch.save(scaler.state_dict(), folder / "scaler.pt")
    states = {"python": random.getstate(), "numpy": np.random.get_state(), "cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    torch.save(states, folder / "rng_state.pth")
    state = copy.copy(trainer.state)
    # The metrics file has it all.
    state.log_history = []
    state.save_to_json(str(folder / "trainer_state.json"))


def _all(run: Path) -> list[Path]:
    """The run's checkpoints by step, whole or not."""
    folder = run / CHECKPOINTS
    found = [each for each in folder.iterdir() if _NAME.fullmatch(each.name)] if folder.is_dir() else []
    return sorted(found, key=step_of)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Have the file's or folder's content on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

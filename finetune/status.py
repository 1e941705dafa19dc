"""What a training run is doing, in one small file of its folder that is only ever whole."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from finetune.checkpoints import any_checkpoint
from fireside import atomic
from fireside.errors import StorageError, TrainingError

State = Literal["preparing", "training", "exporting", "verifying", "done", "failed", "cancelled"]
FINAL: frozenset[State] = frozenset({"done", "failed", "cancelled"})

CONFIG, METRICS, LOG, CANCEL, VERIFY = "config.toml", "metrics.jsonl", "log.txt", "cancel", "verify.json"
SAMPLES = "samples.jsonl"
_STATUS, _LOCK = "status.json", "lock"
# Kept free of use until something fails: on a full disk, its room lets the run still say what happened.
_RESERVE, _RESERVE_BYTES = "reserve", 64 * 1024
# How long a process may take to end that has written its last status.
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Status:
    """A run's state. `error` and `hint` where it failed; `metrics` and `verified` once they are known.

    adapter: the adapter's name. notes: what the person should know that is no error. pid: the training process.
    """

    adapter: str
    state: State
    pid: int = 0
    error: str | None = None
    hint: str | None = None
    verified: bool | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in FINAL


def write_status(folder: Path, status: Status) -> None:
    """Replace the run's status. Raises StorageError."""
    atomic.write_text(folder / _STATUS, json.dumps(asdict(status), ensure_ascii=False, indent=1))


def keep_reserve(folder: Path) -> None:
    """Set room aside for the run's last word. Raises StorageError where there is none."""
    try:
        # Random, so that no file system stores it in less.
        (folder / _RESERVE).write_bytes(os.urandom(_RESERVE_BYTES))
    except OSError as error:
        (folder / _RESERVE).unlink(missing_ok=True)
        raise StorageError(
            f"cannot write to {folder}: {error.strerror}", f"free some space on the disk of {folder}"
        ) from error


def give_up_reserve(folder: Path) -> None:
    """Free the room that `keep_reserve` set aside."""
    (folder / _RESERVE).unlink(missing_ok=True)


def read_status(folder: Path) -> Status:
    """The run's status; where its process has died without a word, that is said. Raises TrainingError: not a run."""
    # Looked at first: a process that ends between the two looks has written its last word before.
    alive = is_alive(folder)
    try:
        values = json.loads((folder / _STATUS).read_text("utf-8"))
        known = {item.name for item in fields(Status)}
        status = Status(**{key: value for key, value in values.items() if key in known})
        if status.state not in get_args(State):
            raise ValueError(status.state)
    except FileNotFoundError:
        raise TrainingError(f"{folder} is not a training run", "list the runs: fireside tune list") from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"the status of run {folder.name} cannot be read: {error}", f"look into {folder}"
        ) from error
    status = replace(status, notes=tuple(status.notes))
    if status.ended or alive:
        return status
    if (folder / CANCEL).exists():
        return replace(status, state="cancelled")
    again = "run it again, with a smaller training.batch_size if memory was short"
    if any_checkpoint(folder):
        again = f"go on from its last checkpoint: fireside tune resume {folder.name}"
    return replace(
        status,
        state="failed",
        error=f"the training process ended by itself while {status.state} (killed, or out of memory)",
        hint=f"{again}; its log is {folder / LOG}",
    )


def take_lock(folder: Path) -> int:
    """Mark the run as alive: a lock that the system lets go when its last holder ends, however it ends.

    Returns the file descriptor, to be passed on to the training process: unlike a process id, it cannot be taken by
    another program after the process died. Raises TrainingError where the run lives.
    """
    descriptor = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # A process that has just said its last word is still ending, and `is_alive` holds the lock for a moment.
            if time.monotonic() > give_up:
                os.close(descriptor)
                raise TrainingError(
                    f"the process of the run {folder.name} has not ended yet", "wait a little and try again"
                ) from None
            time.sleep(0.02)
        else:
            return descriptor


def is_alive(folder: Path) -> bool:
    """Whether the run's process lives."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False

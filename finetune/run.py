"""Training runs: started as processes that outlive whoever started them, followed and cancelled by files."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from finetune.base import find_base
from finetune.checkpoints import any_checkpoint, newest, step_of
from finetune.config import RunConfig, load_config, write_toml
from finetune.data.split import read_split
from finetune.data.templates import template_named
from finetune.inputs import check_unchanged, inputs_of, keep_inputs
from finetune.machine import refuse_at_once
from finetune.methods import check, makes_adapter
from finetune.metrics import Metric, cut_behind, read_metric
from finetune.shape import shape_of
from finetune.status import (
    CANCEL,
    CONFIG,
    LOG,
    METRICS,
    SAMPLES,
    VERIFY,
    Status,
    keep_reserve,
    read_status,
    take_lock,
    write_status,
)
from finetune.tracking import check_trackers, tracker_environment
from fireside import atomic, paths
from fireside.errors import AdapterError, FiresideError, StorageError, TrainingError, did_you_mean

_POLL_S = 0.2

CHILD_ENVIRONMENT = {
    # Training is offline: no look-up, no telemetry, no download of kernels.
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    # Threads that wait sleep instead of spinning: the chat beside a run stays usable, and so does a busy machine.
    "OMP_WAIT_POLICY": "PASSIVE",
}


def start_run(config: RunConfig) -> Path:
    """Start a run and return its folder at once.

    What can be checked without the model is checked first. Raises AdapterError (the name is taken), SettingsError,
    ModelError, TrainingError (data, a tracker that is not installed, or a run of this name goes on), StorageError.
    """
    check_trackers(config.report_to)
    base = find_base(config.base)
    check(config, shape_of(base))
    refuse_at_once(config)
    if config.template:
        template_named(config.template)
    read_split(config.data, config.held_back)
    with _one_at_a_time():
        _check_place_free(config)
        _check_not_training(config.name)
        folder = _new_folder(config.name)
        try:
            lock = take_lock(folder)
            try:
                keep_reserve(folder)
                write_status(folder, Status(adapter=config.name, state="preparing"))
                atomic.write_text(folder / CONFIG, write_toml(config))
                keep_inputs(folder, inputs_of(folder, config, base))
                _launch(folder, lock, None)
            finally:
                os.close(lock)
        except FiresideError:
            # Nothing has begun, so nothing is to be listed.
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return folder


def resume_run(folder: Path) -> Path:
    """Go on with a run from its last checkpoint, in its folder, which is returned at once.

    Raises TrainingError (it goes on, is done or has no checkpoint; data, base or configuration changed), AdapterError
    (its name is taken by now), SettingsError, ModelError, StorageError.
    """
    config = load_config(folder / CONFIG)
    with _one_at_a_time():
        status = read_status(folder)
        if not can_resume(folder, status):
            raise _why_not(folder, status)
        _check_place_free(config)
        _check_not_training(config.name)
        check_trackers(config.report_to)
        check_unchanged(folder, config, find_base(config.base))
        lock = take_lock(folder)
        try:
            keep_reserve(folder)
            # Whoever follows the run from now on must not read what is taken out of its files.
            checkpoint = last_checkpoint(folder)
            (folder / CANCEL).unlink(missing_ok=True)
            write_status(folder, Status(adapter=config.name, state="preparing"))
            _launch(folder, lock, checkpoint)
        finally:
            os.close(lock)
    return folder


def last_checkpoint(folder: Path) -> Path | None:
    """The whole checkpoint that the run goes on from; what was reported behind it is taken out. None for a new run.

    Raises TrainingError where there are checkpoints and none of them is whole.
    """
    resumed = newest(folder)
    if resumed is None and any_checkpoint(folder):
        raise TrainingError("no checkpoint of the run is whole any more", "start it anew, and look at the disk")
    for name in (METRICS, SAMPLES):
        cut_behind(folder / name, step_of(resumed) if resumed else -1)
    return resumed


def can_resume(folder: Path, status: Status) -> bool:
    """Whether the run was cut off, cancelled or failed, and has a checkpoint to go on from."""
    return status.ended and status.state != "done" and any_checkpoint(folder)


def _why_not(folder: Path, status: Status) -> TrainingError:
    if not status.ended:
        return TrainingError(f"the run {folder.name} goes on already", f"see it: fireside tune show {folder.name}")
    if status.state == "done":
        return TrainingError(
            f"the run {folder.name} is done, so there is nothing to resume", f"see it: fireside tune show {folder.name}"
        )
    return TrainingError(
        f"the run {folder.name} has no checkpoint yet, so it cannot be resumed",
        f"start it anew: fireside tune run {folder / CONFIG}",
    )


def _launch(folder: Path, lock: int, checkpoint: Path | None) -> None:
    """Start the training process of the run in `folder`, which holds `lock` from then on and goes on from `checkpoint`.

    Raises TrainingError.
    """
    job = ["run", str(folder), *([] if checkpoint is None else [str(checkpoint)])]
    try:
        with (folder / LOG).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "finetune.child", *job],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**os.environ, **CHILD_ENVIRONMENT, **tracker_environment(folder)},
                start_new_session=True,
                pass_fds=[lock],
            )
    except OSError as error:
        raise TrainingError(f"cannot start the training process: {error.strerror}", "close other programs") from error
    # Nobody here waits for the run, but the system keeps an ended process until somebody has asked for its end.
    threading.Thread(target=process.wait, daemon=True).start()


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Between looking whether a name is free and taking it, no other process does the same."""
    paths.ensure_folder(paths.runs_folder())
    descriptor = os.open(paths.runs_folder() / ".starting", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def follow(folder: Path) -> Iterator[Metric | Status]:
    """Everything that happened in the run, and then what happens, until its end: each metric, and each change of state.

    The last item is a Status that has ended. A process that died is such an end. Raises TrainingError: not a run.
    """
    last: Status | None = None
    position = 0
    while True:
        # The status is read first, so that all metrics written before its end are read after it.
        status = read_status(folder)
        metrics, position = read_metrics(folder, position)
        yield from metrics
        if status != last:
            yield status
            last = status
        if status.ended:
            return
        time.sleep(_POLL_S)


def read_metrics(folder: Path, position: int = 0) -> tuple[list[Metric], int]:
    """The whole lines of the run's metrics behind the byte `position`, and the position behind them."""
    try:
        with (folder / METRICS).open("rb") as stream:
            stream.seek(position)
            data = stream.read()
    except FileNotFoundError:
        return [], position
    whole = data[: data.rfind(b"\n") + 1]
    found = [read_metric(line) for line in whole.decode("utf-8", "replace").splitlines()]
    return [metric for metric in found if metric is not None], position + len(whole)


def cancel(folder: Path) -> None:
    """Ask the run to stop; while it trains it ends as "cancelled" behind the present step, with a checkpoint.

    Before and behind that it ends at once. A run that has ended is left alone.
    """
    if read_status(folder).ended:
        return
    (folder / CANCEL).touch()
    # Read once more: a process that tells its number only now may have looked for CANCEL before it was there.
    status = read_status(folder)
    if not status.ended and status.state != "training":
        _signal(status)


def stop_at_once(folder: Path) -> None:
    """Stop the run now, even in the middle of a step; its earlier checkpoints stay."""
    status = read_status(folder)
    if not status.ended:
        (folder / CANCEL).touch()
        _signal(status)


def _signal(status: Status) -> None:
    if status.pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(status.pid, signal.SIGTERM)


def verify_adapter(folder: Path, waiting: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Prove the adapter in `folder` once more, in a process of its own; return the report and update the card.

    waiting: called again and again meanwhile; what it raises ends the check. Raises AdapterError where it cannot be
    checked. A check that is interrupted leaves everything as it was.
    """
    try:
        returncode, output = _child_output(folder, waiting)
        if returncode == 0:
            report: dict[str, Any] = json.loads((folder / VERIFY).read_text("utf-8"))
            return report
        told = json.loads(output.decode("utf-8", "replace").splitlines()[-1])
        raise AdapterError(str(told["error"]), told["hint"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise AdapterError(
            f"the check of the adapter {folder.name!r} ended by itself", "close other programs and try again"
        ) from error


def _child_output(folder: Path, waiting: Callable[[], None]) -> tuple[int, bytes]:
    """How the process that checks the adapter in `folder` ended, and what it wrote."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "finetune.child", "verify", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={**os.environ, **CHILD_ENVIRONMENT},
    ) as process:
        try:
            while True:
                try:
                    output, _ = process.communicate(timeout=_POLL_S)
                    return process.returncode, output
                except subprocess.TimeoutExpired:
                    waiting()
        except BaseException:
            process.kill()
            raise


def list_runs() -> list[Path]:
    """The folders of all runs, newest first."""
    folder = paths.runs_folder()
    found = [item for item in folder.iterdir() if (item / CONFIG).is_file()] if folder.is_dir() else []
    return sorted(found, key=lambda run: (run / CONFIG).stat().st_mtime_ns, reverse=True)


def find_run(name: str) -> Path:
    """The run called `name`. Raises TrainingError."""
    runs = {run.name: run for run in list_runs()}
    if name in runs:
        return runs[name]
    raise TrainingError(
        f"there is no training run {name!r}", did_you_mean(name, runs, "list the runs: fireside tune list")
    )


def check_name_free(name: str) -> None:
    """Raises AdapterError where an adapter of this name is kept already: a run never replaces one."""
    if (paths.adapters_folder() / name).exists():
        raise AdapterError(
            f"there is already an adapter {name!r}",
            f"choose another name in the configuration, or remove it: fireside adapters remove {name}",
        )


def model_file(name: str) -> Path:
    """Where a run that trains a whole model puts it."""
    return paths.models_folder() / f"{name}.gguf"


def _check_place_free(config: RunConfig) -> None:
    """Raises AdapterError or StorageError where something lies already where the run's result will."""
    if makes_adapter(config):
        check_name_free(config.name)
    elif model_file(config.name).exists():
        raise StorageError(
            f"there is already a model {model_file(config.name)}",
            "choose another name in the configuration, or remove it: fireside models remove",
        )


def _check_not_training(name: str) -> None:
    """Raises TrainingError where a run that goes on will make this adapter: the later one would fail at its end."""
    for folder in list_runs():
        try:
            status = read_status(folder)
        except TrainingError:
            # A damaged folder is no run that goes on.
            continue
        if status.adapter == name and not status.ended:
            raise TrainingError(
                f"the run {folder.name} is training {name!r} already",
                "wait for it or cancel it, or choose another name in the configuration",
            )


def _new_folder(name: str) -> Path:
    """A new folder for a run, named by the adapter and the time. Raises StorageError."""
    paths.ensure_folder(paths.runs_folder())
    stem = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    for suffix in ("", *(f"-{number}" for number in range(2, 100))):
        folder = paths.runs_folder() / f"{stem}{suffix}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        except OSError as error:
            raise StorageError(f"cannot create {folder}: {error.strerror}", "free some space") from error
        return folder
    raise StorageError(f"there are too many runs called {stem}", "wait a second and start it again")

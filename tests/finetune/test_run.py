"""Runs as processes: cancelled, killed, interrupted, refused before they begin; and what their folder tells."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_base import write_tiny_base

from finetune.config import RunConfig, Training
from finetune.failures import explained
from finetune.metrics import Metric, read_metric
from finetune.publish import publish
from finetune.run import cancel, find_run, follow, list_runs, read_metrics, start_run
from finetune.status import CONFIG, METRICS, Status, is_alive, read_status, take_lock, write_status
from fireside.errors import AdapterError, StorageError, TrainingError


def row(number: int) -> str:
    messages = [{"role": "user", "content": f"q{number}"}, {"role": "assistant", "content": f"a{number}"}]
    return json.dumps({"messages": messages})


@pytest.fixture
def config(tmp_path: Path, home: Path) -> RunConfig:
    (tmp_path / "examples.jsonl").write_text("\n".join(row(number) for number in range(8)), "utf-8")
    return RunConfig(name="kitchen", data=tmp_path / "examples.jsonl")


def until(condition: Callable[[], bool]) -> None:
    """Wait for another process."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.engine
def test_a_cancelled_run_ends_as_cancelled_and_makes_no_adapter(config, home):
    folder = start_run(config)
    until(lambda: read_status(folder).pid > 0)
    cancel(folder)
    *_, last = follow(folder)
    assert isinstance(last, Status)
    assert last.state == "cancelled"
    assert last.error is None
    assert not (home / "adapters").exists()
    until(lambda: not is_alive(folder))
    cancel(folder)


@pytest.mark.engine
@pytest.mark.parametrize("moment", ["before its process speaks", "while the base is read"])
def test_a_run_that_is_cancelled_before_its_first_step_ends_at_once(config, moment):
    folder = start_run(config.model_copy(update={"training": Training(epochs=1000)}))
    if moment == "while the base is read":
        until(lambda: (folder / "plan.json").is_file())
    cancel(folder)
    *_, last = follow(folder)
    assert isinstance(last, Status)
    assert (last.state, last.error) == ("cancelled", None)
    assert all(metric.step == 0 for metric in read_metrics(folder)[0])


@pytest.mark.engine
def test_two_runs_of_different_names_go_on_side_by_side(config, home, tmp_path):
    base = write_tiny_base(tmp_path / "tiny.gguf")
    small = config.model_copy(update={"base": str(base), "threads": 1, "training": Training(epochs=2)})
    folders = [start_run(small.model_copy(update={"name": name})) for name in ("one", "other")]
    for folder in folders:
        *_, last = follow(folder)
        assert isinstance(last, Status)
        assert last.state == "done", last.error
    for name in ("one", "other"):
        assert (home / "adapters" / name / "adapter.gguf").is_file()


@pytest.mark.engine
def test_a_killed_child_is_reported_in_one_line(config):
    folder = start_run(config)
    until(lambda: read_status(folder).pid > 0)
    os.kill(read_status(folder).pid, signal.SIGKILL)
    *_, last = follow(folder)
    assert isinstance(last, Status)
    assert last.state == "failed"
    assert last.error is not None
    assert "ended by itself" in last.error
    assert "\n" not in last.error
    assert "log.txt" in (last.hint or "")


@pytest.mark.engine
def test_ctrl_c_cancels_the_run_and_exits_130(config, tmp_path, home):
    (tmp_path / "run.toml").write_text('name = "kitchen"\ndata = "examples.jsonl"\n', "utf-8")
    command = subprocess.Popen(
        [sys.executable, "-m", "tui.cli", "tune", "run", str(tmp_path / "run.toml"), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: any(read_status(folder).pid > 0 for folder in list_runs()))
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=60)
    assert command.returncode == 130
    assert out == ""
    assert "was cancelled" in err
    assert "Traceback" not in err
    assert read_status(list_runs()[0]).state == "cancelled"


@pytest.mark.engine
def test_a_run_that_cannot_be_saved_says_that_the_disk_is_full(config, home):
    """Every file of the child is limited in size, which fails its writes as a full disk does."""
    folder = start_run(config.model_copy(update={"training": Training(epochs=1)}))
    until(lambda: read_status(folder).pid > 0)
    # The limit is set before the child has imported what it needs to train.
    import resource

    resource.prlimit(read_status(folder).pid, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    *_, last = follow(folder)
    assert isinstance(last, Status)
    assert last.state == "failed"
    assert "the disk is full" in (last.error or "")
    assert not (home / "adapters").exists()
    assert not (folder / "adapter").exists()


def test_a_run_does_not_begin_over_a_name_that_is_taken_or_data_that_is_broken(config, home, tmp_path):
    (home / "adapters" / "kitchen").mkdir(parents=True)
    with pytest.raises(AdapterError, match="already an adapter 'kitchen'"):
        start_run(config)
    (tmp_path / "examples.jsonl").write_text("{", "utf-8")
    with pytest.raises(TrainingError, match="row 1"):
        start_run(config.model_copy(update={"name": "other"}))
    (tmp_path / "examples.jsonl").write_text(f"{row(1)}\n{row(2)}", "utf-8")
    with pytest.raises(TrainingError, match="no template 'lama2'"):
        start_run(config.model_copy(update={"name": "other", "template": "lama2"}))
    assert list_runs() == []


def test_on_a_full_disk_nothing_is_begun(config, home, monkeypatch):
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        start_run(config)
    assert "free some space" in (caught.value.hint or "")
    assert [item.name for item in (home / "runs").iterdir()] == [".starting"]


def finished_run(home: Path, name: str = "kitchen-1") -> Path:
    folder = home / "runs" / name
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text("", "utf-8")
    write_status(folder, Status("kitchen", "training"))
    return folder


def test_a_finished_adapter_is_published_whole_or_not_at_all(home, tmp_path):
    build = tmp_path / "adapter"
    build.mkdir()
    (build / "card.json").write_text("{}", "utf-8")
    publish(build, "kitchen")
    assert (home / "adapters" / "kitchen" / "card.json").is_file()
    assert not build.exists()
    build.mkdir()
    with pytest.raises(AdapterError, match="already"):
        publish(build, "kitchen")
    assert build.exists()


def test_a_process_that_is_gone_is_a_failed_run_unless_it_was_cancelled(home):
    folder = finished_run(home)
    assert read_status(folder).state == "failed"
    cancelled = finished_run(home, "kitchen-2")
    (cancelled / "cancel").touch()
    assert read_status(cancelled).state == "cancelled"


def test_a_living_run_is_as_its_status_says(home):
    folder = finished_run(home)
    lock = take_lock(folder)
    assert is_alive(folder)
    assert read_status(folder).state == "training"
    os.close(lock)
    assert not is_alive(folder)


def test_metrics_are_read_line_by_line_and_damage_is_passed_over(home):
    folder = finished_run(home)
    assert read_metrics(folder) == ([], 0)
    whole = Metric(1, 4, loss=2.5, tokens_per_s=100.0, eta_s=3.0)
    line = json.dumps(whole.as_json())
    (folder / METRICS).write_text(f"{line}\n{{damaged\n[]\n\xff\n{line[:20]}", "utf-8")
    metrics, position = read_metrics(folder)
    assert metrics == [whole]
    with (folder / METRICS).open("a", encoding="utf-8") as stream:
        stream.write(line[20:] + "\n")
    assert read_metrics(folder, position)[0] == [whole]
    assert read_metric('{"step": "x"}') is None


def test_runs_are_found_by_name_with_the_nearest_where_there_is_none(home):
    folder = finished_run(home)
    assert find_run("kitchen-1") == folder
    with pytest.raises(TrainingError) as caught:
        find_run("kitchen-11")
    assert caught.value.hint == "did you mean kitchen-1?"
    with pytest.raises(TrainingError, match="is not a training run"):
        read_status(home)
    (folder / "status.json").write_text("{", "utf-8")
    with pytest.raises(TrainingError, match="cannot be read"):
        read_status(folder)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (OSError(28, "No space left on device"), StorageError, "disk is full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), StorageError, "disk is full"),
        (MemoryError(), TrainingError, "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), TrainingError, "not enough memory"),
        (ZeroDivisionError("x"), TrainingError, "stopped unexpectedly: ZeroDivisionError: x"),
        (TrainingError("as it is"), TrainingError, "as it is"),
    ],
)
def test_failures_of_the_machine_are_told_in_the_persons_terms(tmp_path, error, kind, message):
    told = explained(error, "the run", "train on less", "see the log")
    assert isinstance(told, kind)
    assert message in told.message


def test_a_second_run_of_the_same_name_is_refused_while_the_first_goes_on(config, home):
    folder = home / "runs" / "kitchen-1"
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text("", "utf-8")
    write_status(folder, Status(adapter="kitchen", state="training", pid=1))
    lock = take_lock(folder)
    try:
        with pytest.raises(TrainingError, match="kitchen-1 is training 'kitchen' already"):
            start_run(config)
        assert list_runs() == [folder]
    finally:
        os.close(lock)

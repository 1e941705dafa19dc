"""Runs that are resumed: in a process as a person's are, and refused where what they were made from has changed."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from tiny_base import write_tiny_base

from finetune.base import find_base
from finetune.checkpoints import CHECKPOINTS, any_checkpoint
from finetune.config import RunConfig, Training, write_toml
from finetune.inputs import inputs_of, keep_inputs
from finetune.metrics import Metric, cut_behind
from finetune.run import can_resume, follow, list_runs, read_metrics, resume_run, start_run
from finetune.samples import read_samples
from finetune.status import CONFIG, METRICS, SAMPLES, Status, read_status, take_lock, write_status
from finetune.tracking import check_trackers, tracker_environment
from fireside.errors import FiresideError, TrainingError


def row(number: int) -> str:
    messages = [{"role": "user", "content": f"q{number}"}, {"role": "assistant", "content": f"a{number}"}]
    return json.dumps({"messages": messages})


@pytest.fixture
def config(tmp_path: Path, home: Path) -> RunConfig:
    data = tmp_path / "examples.jsonl"
    data.write_text("\n".join(row(number) for number in range(20)), "utf-8")
    base = write_tiny_base(tmp_path / "tiny.gguf")
    training = Training(epochs=20, batch_size=4, checkpoint_every=2)
    return RunConfig(name="kitchen", data=data, base=str(base), threads=1, training=training)


@pytest.fixture
def cut_off(config: RunConfig, home: Path) -> Path:
    """The folder of a run that was cut off behind a checkpoint."""
    folder = home / "runs" / "kitchen-1"
    (folder / CHECKPOINTS / "step-00000002").mkdir(parents=True)
    (folder / CONFIG).write_text(write_toml(config), "utf-8")
    write_status(folder, Status("kitchen", "training", pid=1))
    keep_inputs(folder, inputs_of(folder, config, find_base(config.base)))
    return folder


@pytest.mark.engine
def test_a_killed_run_is_resumed_to_its_end_and_no_line_is_there_twice(config, home):
    folder = start_run(config)
    deadline = time.monotonic() + 120
    while not any_checkpoint(folder):
        assert time.monotonic() < deadline, (folder / "log.txt").read_text("utf-8")
        time.sleep(0.01)
    # The run has read its data, and does not mind that it changes; it just does not go on from other data.
    began_with = config.data.read_text("utf-8")
    config.data.write_text("\n".join([*began_with.splitlines()[1:], row(99)]), "utf-8")
    still = len(read_metrics(folder)[0])
    while len(read_metrics(folder)[0]) <= still:
        assert time.monotonic() < deadline, (folder / "log.txt").read_text("utf-8")
        time.sleep(0.01)
    os.kill(read_status(folder).pid, signal.SIGKILL)
    *_, dead = follow(folder)
    assert isinstance(dead, Status)
    assert dead.state == "failed"
    assert f"fireside tune resume {folder.name}" in (dead.hint or "")
    with pytest.raises(TrainingError, match=r"the data file .* changed since the run"):
        resume_run(folder)
    config.data.write_text(began_with, "utf-8")
    assert resume_run(folder) == folder
    *_, last = follow(folder)
    assert isinstance(last, Status)
    assert last.state == "done", last.error
    metrics, _ = read_metrics(folder)
    assert [metric.step for metric in metrics if metric.loss is not None] == list(range(1, metrics[-1].steps + 1))
    assert (home / "adapters" / "kitchen" / "adapter.gguf").is_file()
    assert not (folder / CHECKPOINTS).exists()
    card = json.loads((home / "adapters" / "kitchen" / "card.json").read_text("utf-8"))
    assert card["metrics"]["steps"] == metrics[-1].steps
    assert card["made"]["packages"]["torch"]
    assert len(card["data_sha256"]) == 64
    with pytest.raises(TrainingError, match="is done"):
        resume_run(folder)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("examples.jsonl", "the data file"),
        ("tiny.gguf", "the base model"),
        ("config", "the configuration"),
    ],
)
def test_a_run_goes_on_only_from_what_it_was_made_from(cut_off, tmp_path, config, change, named):
    if change == "config":
        changed = config.model_copy(update={"seed": 7})
        (cut_off / CONFIG).write_text(write_toml(changed), "utf-8")
    elif change == "tiny.gguf":
        write_tiny_base(tmp_path / change, seed=5)
    else:
        with (tmp_path / change).open("a", encoding="utf-8") as stream:
            stream.write("\n" + row(99))
    with pytest.raises(TrainingError) as caught:
        resume_run(cut_off)
    assert caught.value.message.startswith(named)
    assert "changed since the run kitchen-1 began" in caught.value.message


def test_a_run_whose_data_is_gone_says_so(cut_off, config):
    config.data.unlink()
    with pytest.raises(TrainingError, match=r"cannot read .*examples\.jsonl"):
        resume_run(cut_off)


def test_only_a_run_that_ended_before_its_time_behind_a_checkpoint_is_resumed(cut_off):
    assert can_resume(cut_off, read_status(cut_off))
    for state, message in (("done", "is done"), ("cancelled", None), ("failed", None)):
        write_status(cut_off, Status("kitchen", state))
        assert can_resume(cut_off, read_status(cut_off)) == (message is None)
    lock = take_lock(cut_off)
    write_status(cut_off, Status("kitchen", "training"))
    with pytest.raises(TrainingError, match="goes on already"):
        resume_run(cut_off)
    os.close(lock)
    (cut_off / CHECKPOINTS / "step-00000002").rmdir()
    with pytest.raises(TrainingError, match="has no checkpoint yet"):
        resume_run(cut_off)


def test_who_follows_a_resumed_run_reads_no_line_that_is_taken_back(cut_off, monkeypatch):
    monkeypatch.setattr("finetune.run._launch", lambda folder, lock, checkpoint: None)
    checkpoint = cut_off / CHECKPOINTS / "step-00000002"
    (checkpoint / "manifest.json").write_text('{"step": 2, "files": {}}', "utf-8")
    lines = [json.dumps(Metric(step, 9, loss=1.0).as_json()) + "\n" for step in (1, 2, 3)]
    (cut_off / METRICS).write_text("".join(lines), "utf-8")
    resume_run(cut_off)
    assert [metric.step for metric in read_metrics(cut_off)[0]] == [1, 2]


def test_a_run_whose_checkpoints_are_all_damaged_is_not_resumed(cut_off):
    with pytest.raises(TrainingError, match="no checkpoint of the run is whole"):
        resume_run(cut_off)


def test_a_process_that_is_still_ending_is_waited_for_but_not_forever(cut_off, monkeypatch):
    held = take_lock(cut_off)
    threading.Timer(0.1, os.close, [held]).start()
    again = take_lock(cut_off)
    monkeypatch.setattr("finetune.status._PATIENCE_S", 0.0)
    with pytest.raises(TrainingError, match="has not ended yet"):
        take_lock(cut_off)
    os.close(again)


def test_a_template_that_changed_is_told(cut_off, config, tmp_path):
    (tmp_path / "own.jinja").write_text("{{ messages }}", "utf-8")
    config = config.model_copy(update={"template": str(tmp_path / "own.jinja")})
    (cut_off / CONFIG).write_text(write_toml(config), "utf-8")
    keep_inputs(cut_off, inputs_of(cut_off, config, find_base(config.base)))
    (tmp_path / "own.jinja").write_text("{{ other }}", "utf-8")
    with pytest.raises(TrainingError, match=r"the template .*own\.jinja changed"):
        resume_run(cut_off)


def test_of_two_runs_of_one_name_at_the_same_moment_one_is_refused(config, monkeypatch):
    monkeypatch.setattr("finetune.run._launch", lambda folder, lock, checkpoint: os.dup(lock))
    refused: list[FiresideError] = []

    def start() -> None:
        try:
            start_run(config)
        except FiresideError as error:
            refused.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list_runs()) == 1
    assert len(refused) == 3
    assert all("is training 'kitchen' already" in error.message for error in refused)


def test_lines_behind_a_step_and_damaged_ones_are_cut(tmp_path):
    file = tmp_path / METRICS
    kept = [json.dumps(Metric(step, 9, loss=1.0).as_json()) for step in (0, 1, 2)]
    file.write_text("\n".join([*kept, json.dumps(Metric(3, 9).as_json()), '{"step": 1, "lo']), "utf-8")
    cut_behind(file, 2)
    assert file.read_text("utf-8").splitlines() == kept
    # A line is a line whatever separators a model has written into it.
    answer = json.dumps({"step": 1, "prompt": "?", "answer": "one\u2028two\x85"}, ensure_ascii=False)
    (tmp_path / SAMPLES).write_text(answer + "\n", "utf-8")
    cut_behind(tmp_path / SAMPLES, 2)
    assert [sample["answer"] for sample in read_samples(tmp_path)] == ["one\u2028two\x85"]
    cut_behind(tmp_path / "none.jsonl", 2)
    assert (tmp_path / "none.jsonl").read_text("utf-8") == ""


def test_a_tracker_that_is_not_installed_is_told_before_anything_is_loaded(config, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TrainingError) as caught:
        start_run(config.model_copy(update={"report_to": ["wandb", "mlflow"]}))
    assert caught.value.message == "report_to names wandb and mlflow, which are not installed"
    assert "pip install wandb mlflow" in (caught.value.hint or "")
    check_trackers([])
    assert list_runs() == []


def test_trackers_stay_on_this_machine(tmp_path):
    environment = tracker_environment(tmp_path)
    assert environment["WANDB_MODE"] == "offline"
    assert environment["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / "tensorboard")
    assert environment["MLFLOW_TRACKING_URI"].startswith("sqlite:///")

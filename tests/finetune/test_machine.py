"""What the machine cannot do is refused by the command itself, before a process is started."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from finetune.config import RunConfig, Training, write_toml
from finetune.machine import refuse_at_once, surely_no_gpu
from finetune.run import list_runs, start_run
from fireside.errors import TrainingError
from tui.cli import main


@pytest.fixture
def config(tmp_path: Path, home: Path) -> RunConfig:
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    (tmp_path / "examples.jsonl").write_text(f"{json.dumps({'messages': turns})}\n" * 4, "utf-8")
    return RunConfig(name="kitchen", data=tmp_path / "examples.jsonl")


def test_what_the_machine_cannot_do_is_refused_before_a_process_is_started(config, monkeypatch):
    monkeypatch.setattr("finetune.machine.surely_no_gpu", lambda: True)
    for change, message in (
        ({"optimizer": "paged_adamw_8bit"}, "there is no GPU"),
        ({"precision": "float16"}, "in which a CPU cannot train"),
    ):
        with pytest.raises(TrainingError, match=message) as caught:
            start_run(config.model_copy(update={"training": Training(**change)}))
        assert caught.value.hint
    monkeypatch.setattr("finetune.machine.surely_no_gpu", lambda: False)
    refuse_at_once(config.model_copy(update={"training": Training(precision="float16")}))
    assert list_runs() == []


def test_there_is_surely_no_gpu_where_no_driver_is_or_torch_cannot_use_one(tmp_path, monkeypatch):
    monkeypatch.setattr("finetune.machine._built_without_gpu", lambda: False)
    assert surely_no_gpu(tmp_path)
    (tmp_path / "nvidia0").touch()
    assert not surely_no_gpu(tmp_path)
    monkeypatch.setattr("finetune.machine._built_without_gpu", lambda: True)
    assert surely_no_gpu(tmp_path)


@pytest.mark.parametrize(("version", "without"), [("None", True), ("'13.0'", False)])
def test_a_build_of_torch_tells_whether_it_knows_gpus(tmp_path, monkeypatch, version, without):
    (tmp_path / "version.py").write_text(f"cuda: Optional[str] = {version}\nhip: Optional[str] = None\n", "utf-8")
    found = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: found)
    (tmp_path / "nvidia0").touch()
    assert surely_no_gpu(tmp_path) is without


def test_the_plan_refuses_it_too_before_it_reads_anything(config, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("finetune.machine.surely_no_gpu", lambda: True)
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a process was started"))
    (tmp_path / "run.toml").write_text(
        write_toml(config).replace('optimizer = "auto"', 'optimizer = "paged_adamw_32bit"'), "utf-8"
    )
    assert main(["tune", "plan", str(tmp_path / "run.toml")]) == 1
    assert "there is no GPU" in capsys.readouterr().err

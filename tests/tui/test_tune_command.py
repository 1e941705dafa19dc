"""`fireside tune` and `fireside adapters`: what they print, and their one line for each thing that is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import finetune.run
from finetune.metrics import Metric
from finetune.status import CONFIG, METRICS, SAMPLES, Status, write_status
from tui.cli import main

SCORES = {
    "verified": True, "reason": "", "prompts": 20, "positions": 226,
    "agreement": 0.99, "kl": 0.002, "logit_error": 0.15,
    "base_agreement": 0.98, "base_kl": 0.004, "base_logit_error": 0.13,
}  # fmt: skip
TRAINED = {
    "examples": 26, "held_back": 4, "eval_loss_before": 3.7, "eval_loss_after": 0.2, "train_loss": 0.9,
    "steps": 2, "tokens": 300, "seconds": 20.0, "tokens_per_s": 150.0,
}  # fmt: skip
ROW = json.dumps({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def keep_run(home: Path, status: Status, name: str = "kitchen-1") -> Path:
    """A run that has ended."""
    folder = home / "runs" / name
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text('name = "kitchen"\n', "utf-8")
    metrics = [Metric(0, 2, eval_loss=3.7), Metric(1, 2, loss=3.5, tokens_per_s=150.0, eta_s=10.0)]
    (folder / METRICS).write_text("".join(json.dumps(metric.as_json()) + "\n" for metric in metrics), "utf-8")
    write_status(folder, status)
    return folder


def done(**changes: Any) -> Status:
    return Status("kitchen", "done", verified=True, metrics={**TRAINED, **SCORES}, **changes)


def run_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path, *more: str) -> int:
    """`fireside tune run` on a run that another process has finished."""
    monkeypatch.setattr(finetune.run, "start_run", lambda config: folder)
    (tmp_path / "run.toml").write_text('name = "kitchen"\ndata = "examples.jsonl"\n', "utf-8")
    return main(["tune", "run", str(tmp_path / "run.toml"), *more])


def test_json_is_one_line_a_step_and_a_last_one(home, tmp_path, monkeypatch, capsys):
    assert run_command(monkeypatch, tmp_path, keep_run(home, done()), "--json") == 0
    out, err = capsys.readouterr()
    first, second, last = [json.loads(line) for line in out.splitlines()]
    assert (first["eval_loss"], second["loss"], second["eta_s"]) == (3.7, 3.5, 10.0)
    assert last == {"done": True, "adapter": "kitchen", "verified": True, "metrics": {**TRAINED, **SCORES}}
    assert err == ""


def test_a_person_reads_losses_the_check_and_how_to_use_the_adapter(home, tmp_path, monkeypatch, capsys):
    assert run_command(monkeypatch, tmp_path, keep_run(home, done(notes=("1 example was left out",)))) == 0
    out, err = capsys.readouterr()
    assert "held-back loss 3.700 -> 0.200" in out
    assert "export verified" in out
    assert "/adapter kitchen" in out
    assert "left out" in err


def test_a_refused_export_is_an_error_with_its_figures(home, tmp_path, monkeypatch, capsys):
    scores = {**SCORES, "verified": False, "reason": "the mean KL is 0.5000, above 0.01"}
    status = Status("kitchen", "done", verified=False, metrics={**TRAINED, **scores})
    assert run_command(monkeypatch, tmp_path, keep_run(home, status), "--json") == 1
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["verified"] is False
    assert err.startswith("error: the adapter 'kitchen' was trained, but its export was refused: the mean KL")
    assert "fireside adapters show kitchen" in err
    write_status(home / "runs" / "kitchen-1", replace(status, metrics={**status.metrics, "model": "kitchen.gguf"}))
    assert run_command(monkeypatch, tmp_path, home / "runs" / "kitchen-1", "--json") == 1
    err = capsys.readouterr().err
    assert err.startswith("error: the model 'kitchen' was trained")
    assert "fireside tune show kitchen-1" in err


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (Status("kitchen", "cancelled"), 130, "was cancelled"),
        (
            Status("kitchen", "failed", error="the disk is full", hint="free some"),
            1,
            "error: the disk is full\nhint: free some",
        ),
        (Status("kitchen", "training"), 1, "error: the training process ended by itself while training"),
    ],
)
def test_other_ends(home, tmp_path, monkeypatch, capsys, status, code, message):
    assert run_command(monkeypatch, tmp_path, keep_run(home, status), "--json") == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "data", "message"),
    [
        (None, None, "there is no configuration file"),
        ("name = ", None, "is not valid TOML"),
        ('name = "k"\ndata = "e.jsonl"\nepochs = 3\n', ROW, "unknown key epochs"),
        ('name = "k"\ndata = "e.jsonl"\n', None, "there is no training data file"),
        ('name = "k"\ndata = "e.jsonl"\n', "", "holds no examples"),
        ('name = "k"\ndata = "e.jsonl"\n', "{\x1b[31m", "row 1: not JSON"),
        ('name = "k"\ndata = "e.jsonl"\n', ROW, "two different examples"),
        ('name = "k"\ndata = "e.jsonl"\nbase = "e.jsonl"\n', ROW, "no model called 'e.jsonl'"),
        ('name = "k"\ndata = "e.jsonl"\nbase = "./e.jsonl"\n', ROW, "not a usable GGUF file"),
    ],
)
def test_what_is_wrong_with_the_input_is_one_line_and_no_run(home, tmp_path, capsys, config, data, message):
    if config is not None:
        (tmp_path / "run.toml").write_text(config, "utf-8")
    if data is not None:
        (tmp_path / "e.jsonl").write_text(data, "utf-8")
    assert main(["tune", "run", str(tmp_path / "run.toml")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "\x1b" not in err
    error, _hint = err.splitlines()
    assert error.startswith("error: ")
    assert not (home / "runs").exists()


def test_list_and_show_runs(home, capsys):
    assert main(["tune", "list"]) == 0
    assert "no training runs yet" in capsys.readouterr().err
    keep_run(home, done())
    (keep_run(home, done(), "kitchen-2") / "status.json").write_text("{", "utf-8")
    assert main(["tune", "list"]) == 0
    assert capsys.readouterr().out == "kitchen-1  done  held-back loss 3.700 -> 0.200, verified\n"
    assert main(["tune", "list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed == {
        "run": "kitchen-1", "adapter": "kitchen", "state": "done", "verified": True, "can_resume": False,
        "eval_loss_before": 3.7, "eval_loss_after": 0.2,
    }  # fmt: skip
    assert main(["tune", "show", "kitchen-1"]) == 0
    assert "held-back loss: 3.700 (step 0)" in capsys.readouterr().out
    assert main(["tune", "show", "kitchen-1", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["state"] == "done"
    assert len(shown["steps"]) == 2
    assert main(["tune", "show", "kitchen-1x"]) == 1
    assert "did you mean kitchen-1?" in capsys.readouterr().err


def test_show_tells_what_was_trained_why_it_was_done_so_and_what_the_model_said(home, capsys):
    folder = keep_run(home, done())
    trainable = {
        "modules": ["model.layers.0.q_proj.lora_A.default", "model.layers.0.q_proj.lora_B.default",
                    "model.layers.1.q_proj.lora_A.default", "model.layers.1.up_proj.lora_A.default"],
        "trainable": 1000, "total": 40_000, "share": 0.025,
    }  # fmt: skip
    (folder / "trainable.json").write_text(json.dumps(trainable), "utf-8")
    (folder / "choices.json").write_text('{"precision": {"value": "float32", "reason": "no bfloat16 here"}}', "utf-8")
    said = [{"step": step, "prompt": "Who cooks?", "answer": f"Marlow\x1b[31m\n{step}"} for step in (0, 2)]
    (folder / SAMPLES).write_text("".join(json.dumps(each) + "\n" for each in said) + '{"step": 3, "pro', "utf-8")
    assert main(["tune", "show", "kitchen-1"]) == 0
    out = capsys.readouterr().out
    assert "trained weights: 1,000 of 40,000 (2.50%), in 3 modules: 2 q_proj, 1 up_proj" in out
    assert "precision  float32: no bfloat16 here" in out
    assert "Who cooks?\n  step 0: Marlow" in out
    assert "\x1b" not in out
    assert main(["tune", "show", "kitchen-1", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["trainable"] == trainable
    assert shown["samples"] == said
    assert shown["choices"]["precision"]["value"] == "float32"


def test_resume_goes_on_with_a_run_and_says_how_it_ended(home, monkeypatch, capsys):
    folder = keep_run(home, Status("kitchen", "failed", error="cut off"))
    assert main(["tune", "resume", "kitchen-1"]) == 1
    assert "error: " in capsys.readouterr().err
    (folder / "checkpoints" / "step-00000001").mkdir(parents=True)
    assert main(["tune", "list"]) == 0
    assert capsys.readouterr().out == "kitchen-1  failed, can be resumed\n"

    def resume(run: Path) -> Path:
        write_status(run, done())
        return run

    monkeypatch.setattr(finetune.run, "resume_run", resume)
    assert main(["tune", "resume", "kitchen-1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["done"] is True


def keep_adapter(home: Path, **card: Any) -> Path:
    folder = home / "adapters" / "kitchen"
    folder.mkdir(parents=True)
    whole = {
        "name": "kitchen", "base": {"name": "tiny", "sha256": "ab", "architecture": "llama", "file": "none.gguf"},
        "verified": True, "verify": SCORES, "metrics": TRAINED, "origin": "trained", **card,
    }  # fmt: skip
    (folder / "card.json").write_text(json.dumps(whole), "utf-8")
    return folder


def test_verify_prints_the_document_and_fails_where_the_export_is_refused(home, monkeypatch, capsys):
    keep_adapter(home)
    keep_run(home, done())
    document = {"suite": "verify", "scores": dict(SCORES), "items": []}
    monkeypatch.setattr(finetune.run, "verify_adapter", lambda folder: document)
    for name in ("kitchen", "kitchen-1"):
        assert main(["tune", "verify", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == document
    document["scores"] = {**SCORES, "verified": False, "reason": "the mean KL is 1"}
    assert main(["tune", "verify", "kitchen", "--json"]) == 1
    assert "error: the export of 'kitchen' is refused: the mean KL is 1" in capsys.readouterr().err


def test_verify_of_what_cannot_be_checked_is_one_line(home, capsys):
    assert main(["tune", "verify", "kitchen"]) == 1
    assert "there is no adapter 'kitchen'" in capsys.readouterr().err
    folder = keep_adapter(home, origin="imported", verified=None)
    assert main(["tune", "verify", "kitchen"]) == 1
    assert "was imported" in capsys.readouterr().err
    (folder / "card.json").unlink()
    folder.rmdir()
    keep_adapter(home)
    assert main(["tune", "verify", "kitchen", "--json"]) == 1
    assert "error: " in capsys.readouterr().err


def test_adapters_are_listed_shown_and_removed(home, capsys):
    assert main(["adapters", "list"]) == 0
    assert "no adapters yet" in capsys.readouterr().err
    keep_adapter(home)
    assert main(["adapters", "list"]) == 0
    assert capsys.readouterr().out == "kitchen  for tiny, verified\n"
    assert main(["adapters", "list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["base"]["sha256"] == "ab"
    assert main(["adapters", "show", "kitchen"]) == 0
    assert "base alone" in capsys.readouterr().out
    assert main(["adapters", "show", "kitchen", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verify"] == SCORES
    (home / "adapters" / "uncarded").mkdir()
    assert main(["adapters", "list"]) == 0
    assert "uncarded  damaged: the card of the adapter 'uncarded' cannot be read; remove it" in capsys.readouterr().out
    assert main(["adapters", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[-1]["name"] == "uncarded"
    assert main(["adapters", "remove", "kitchen"]) == 0
    assert not (home / "adapters" / "kitchen").exists()
    assert main(["adapters", "import", "none.gguf"]) == 1
    assert "no adapter file" in capsys.readouterr().err

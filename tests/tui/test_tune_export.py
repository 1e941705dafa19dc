"""`fireside tune export` and `tune verify` on the command line: one process, its report, its one line when refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_families import save_model

from finetune.export import request
from tui.cli import main
from tui.commands.tune_export import export_lines

SCORES = {
    "verified": True, "reason": "", "kind": "Q4_K_M", "tokens": 200, "texts": 200, "first_different": "",
    "same_template": True, "stops": True, "prompts": 12, "positions": 338, "perplexity": 2.2,
    "trained_perplexity": 2.1, "agreement": 0.89, "kl": 0.059, "logit_error": 0.55,
}  # fmt: skip
REPORT = {
    "format": "gguf", "type": "Q4_K_M", "path": "/models/kitchen-Q4_K_M.gguf", "size": 103668480,
    "in_words": "103.7 MB, 2.6 times smaller; 180 of 272 weights took a larger type", "notes": ["a note"],
    "verified": True, "reason": "", "scores": SCORES,
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_person_reads_where_it_is_how_large_and_how_near():
    lines = export_lines(
        {
            **REPORT,
            "difference": {
                "dequantised_loss": 1.5, "original_loss": 1.6, "agreement": 0.9, "kl": 0.1, "logit_error": 0.4,
            },
            "modelfile": "/models/kitchen.Modelfile",
            "modelfile_without_template": "",
        }
    )  # fmt: skip
    assert lines[0] == "/models/kitchen-Q4_K_M.gguf: " + REPORT["in_words"]
    assert "kitchen-Q4_K_M.gguf, Q4_K_M" in lines[1]
    assert "same token ids in 200 of 200 texts" in lines[2]
    assert "same chat template, stops at the end of a reply, perplexity 2.20" in lines[3]
    assert "held-back loss 1.500" in lines[4]
    assert lines[-1] == "/models/kitchen.Modelfile"


def test_a_refused_export_is_an_error_that_says_why(home, monkeypatch, capsys):
    refused = {**REPORT, "verified": False, "reason": "the mean KL is 0.2"}
    monkeypatch.setattr(request, "export", lambda request, tell: refused)
    assert main(["tune", "export", "smollm2-135m", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["verified"] is False
    assert "error: the export was written, but it failed its check: the mean KL is 0.2" in err


def test_the_options_reach_the_process(home, monkeypatch):
    asked = []
    monkeypatch.setattr(request, "export", lambda request, tell: asked.append(request) or REPORT)
    options = ["--type", "q4_k_m", "--imatrix", "chats.jsonl", "--base", "original", "--ollama", "--output", "x.gguf"]
    assert main(["tune", "export", "smollm2-135m", *options]) == 0
    (got,) = asked
    assert (got.source, got.is_adapter, got.format) == ("smollm2-135m", False, "gguf")
    assert (got.kind, got.imatrix, got.over, got.ollama, got.output) == (
        "q4_k_m",
        "chats.jsonl",
        "original",
        True,
        "x.gguf",
    )


def test_unknown_names_are_one_line_with_the_nearest(home, capsys):
    assert main(["tune", "export", "smollm2-136m"]) == 1
    err = capsys.readouterr().err
    assert "error: there is no adapter, run or model 'smollm2-136m'" in err
    assert "smollm2-135m" in err


def test_a_whole_export_in_its_own_process(home, tmp_path, capsys):
    folder = save_model(tmp_path / "tiny", "qwen2")
    assert main(["tune", "export", str(folder), "--type", "F16", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verified"]
    assert Path(report["path"]) == home / "models" / "tiny-F16.gguf"
    assert main(["tune", "export", str(folder), "--type", "F16"]) == 1
    assert "error: there is already" in capsys.readouterr().err

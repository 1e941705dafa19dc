from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_hub import LocalHub, serving, small_gguf

from fireside import paths
from fireside.models import memory
from tui import cli


@pytest.fixture(autouse=True)
def _no_ollama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "no-ollama"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    files = {f"Small-{name}.gguf": small_gguf(tmp_path, rows=rows) for name, rows in (("Q4_K_M", 600), ("Q8_0", 1200))}
    with serving(LocalHub(files)) as started:
        monkeypatch.setenv("HF_ENDPOINT", started.address)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        yield started


def test_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = paths.ensure_folder(paths.models_folder())
    (folder / "other.gguf").write_bytes(b"GGUF")
    (folder / "small.gguf").write_bytes(small_gguf(tmp_path))
    assert cli.main(["models", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["name"], each["source"], each["kind"]) for each in found] == [
        ("smollm2-135m", "bundled", "gguf"),
        ("other", "models folder", "gguf"),
        ("small", "models folder", "gguf"),
    ]
    assert found[0] == {**found[0], "quantisation": "Q4_1", "parameters": 134_515_008, "fits": True, "problem": None}
    assert 150e6 < found[0]["memory_needed"] < 300e6
    assert found[1] == {**found[1], "path": str(folder / "other.gguf"), "size": 4, "fits": None}
    assert "its header is cut off" in found[1]["problem"]
    assert cli.main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("smollm2-135m        98 MB  llama 135M Q4_1, needs 2")
    assert lines[0].endswith(" MB  bundled")
    assert "not usable: other.gguf is not a usable GGUF file" in lines[1]


def test_what_a_model_says_of_itself(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.main(["models", "show", "smollm2-135m", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["architecture"] == "llama"
    assert (facts["layers"], facts["chat_template"], facts["license"]) == (30, True, "apache-2.0")
    monkeypatch.setenv("FIRESIDE_MODEL__CONTEXT_LENGTH", "8192")
    assert cli.main(["models", "show", "smollm2-135m", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["memory_needed"] > facts["memory_needed"] + 90e6
    monkeypatch.setattr(memory, "free_memory", lambda: 150_000_000)
    assert cli.main(["models", "show", "smollm2-135m"]) == 0
    out = capsys.readouterr().out
    assert "trained context  8192\n" in out
    assert "fits             False\n" in out
    assert "note             set model.context_length to " in out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("smollm", "error: there is no model called 'smollm'\nhint: "),
        ("broken.gguf", "error: broken.gguf is not a usable GGUF file: "),
        ("missing.gguf", "error: there is no model file missing.gguf\nhint: "),
    ],
)
def test_a_model_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.gguf").write_bytes(b"no model")
    assert cli.main(["models", "show", name]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(said)
    assert len(err.splitlines()) == 2


def test_a_model_is_got_shown_and_removed(hub: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "pull", "hf:org/model", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["Q4_K_M", "1", "MB", "fits", "Small-Q4_K_M"],
        ["Q8_0", "1", "MB", "fits", "Small-Q8_0"],
    ]
    assert cli.main(["models", "pull", "hf:org/model", "--name", "small", "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["path"] == str(paths.models_folder() / "small.gguf")
    assert (document["name"], document["bytes_received"]) == ("small", len(hub.files["Small-Q8_0.gguf"]))
    assert document["reason"].startswith("the largest of 2 that fits in memory")
    assert "Small-Q8_0, 1 MB: the largest of 2 that fits in memory" in err
    assert cli.main(["models", "pull", "hf:org/model:q4_k_m"]) == 0
    assert capsys.readouterr().out.startswith("Small-Q4_K_M: llama 0M F32, needs ")
    for name in ("small", "Small-Q4_K_M"):
        assert cli.main(["models", "remove", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["removed"] == name
    assert cli.main(["models", "remove", "small"]) == 1
    assert capsys.readouterr().err.startswith("error: there is no model called 'small'")


def test_nothing_fits(hub: LocalHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 1000)
    assert cli.main(["models", "pull", "hf:org/model"]) == 1
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["Q4_K_M", "Q8_0"]
    assert "does not fit" in out
    assert "hint: choose one all the same with hf:org/model:Q4_K_M" in err


def test_ctrl_c_keeps_the_part_and_says_so(
    hub: LocalHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.cuts = [1_100_000]

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", interrupt)
        assert cli.main(["models", "pull", "hf:org/model"]) == 130
    assert "stopped; 1 MB are kept: the same command goes on from there" in capsys.readouterr().err
    assert cli.main(["models", "pull", "hf:org/model"]) == 0
    assert "1 MB are here already" in capsys.readouterr().err
    assert hub.asked("/resolve/")[-1]["range"] == "bytes=1100000-"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hf:org/other"], "has no org/other"),
        (["org/model"], "'org/model' names no repository"),
        (["hf:org/model:pytorch_model.bin"], "a pickle can run any program"),
        (["hf:org/model", "--name", "../up"], "'../up' is not a usable model name"),
        (["hf:org/model", "--name", "smollm2-135m"], "there is another model called smollm2-135m"),
    ],
)
def test_what_cannot_be_got(hub: LocalHub, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert cli.main(["models", "pull", *arguments, "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert not hub.asked("/resolve/")

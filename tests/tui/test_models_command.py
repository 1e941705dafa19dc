from __future__ import annotations

import json
from pathlib import Path

import pytest

from fireside import paths
from tui import cli


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    folder = paths.ensure_folder(paths.models_folder())
    (folder / "other.gguf").write_bytes(b"GGUF")
    assert cli.main(["models", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["name"], each["source"]) for each in found] == [
        ("smollm2-135m", "bundled"),
        ("other", "models folder"),
    ]
    assert found[1] == {**found[1], "path": str(folder / "other.gguf"), "size": 4}
    assert cli.main(["models", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["smollm2-135m", "98", "MB", "bundled"]


def test_what_a_model_says_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "show", "smollm2-135m", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["architecture"] == "llama"
    assert (facts["layers"], facts["chat_template"], facts["license"]) == (30, True, "apache-2.0")
    assert cli.main(["models", "show", "smollm2-135m"]) == 0
    assert "trained context  " in capsys.readouterr().out


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

"""`fireside story` on a scripted model."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fireside import paths
from fireside.errors import FiresideError, ModelError, StorageError
from fireside.models.scripted import ScriptedModel
from fireside.stories import manuscript as ms
from fireside.stories.store import open_story
from tui.commands import story

Run = Callable[..., tuple[str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command line; its stdout and stderr."""

    def running(*line: str) -> tuple[str, str]:
        parser = argparse.ArgumentParser()
        story.add_parser(parser.add_subparsers())
        options = parser.parse_args(["story", *line])
        assert options.handler(options) == 0
        out, err = capsys.readouterr()
        return out, err

    return running


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Callable[[ScriptedModel], ScriptedModel]:
    def use(scripted: ScriptedModel) -> ScriptedModel:
        monkeypatch.setattr("tui.models.open_model", lambda settings, name=None: scripted)
        return scripted

    return use


Use = Callable[[ScriptedModel], ScriptedModel]


def text_of(name: str) -> str:
    opened = open_story(name)
    opened.close()
    return ms.text(opened.manuscript)


def test_a_story_from_its_beginning_to_the_file(run: Run, model: Use, tmp_path: Path) -> None:
    run("new", "sea", "--title", "The Sea", "--memory", "Mara fears it.", "--note", "With dread.")
    scripted = model(ScriptedModel([[" It", " was late."], [" Early."]]))
    out, _ = run("write", "sea", "--text", "The bell rang.")
    assert out == " It was late.\n"
    out, err = run("write", "sea", "--retry")
    assert out == " Early.\n"
    assert "alternative 2 of 2" in err
    scripted.assert_exhausted()
    file = tmp_path / "sea.md"
    out, err = run("export", "sea", "-o", str(file))
    assert (out, file.read_text("utf-8")) == ("", "# The Sea\n\nThe bell rang. Early.\n")
    with pytest.raises(StorageError, match="exists already"):
        run("export", "sea", "-o", str(file))
    run("export", "sea", "-o", str(file), "--force")
    assert run("export", "sea", "-o", "-")[0] == "# The Sea\n\nThe bell rang. Early.\n"


def test_json_is_all_that_is_on_stdout(run: Run, model: Use, tmp_path: Path) -> None:
    out, err = run("new", "sea", "--json")
    assert (json.loads(out), err) == ({"name": "sea", "title": "sea"}, "")
    model(ScriptedModel([[" It", " was late."]]))
    out, err = run("write", "sea", "--text", "The bell rang.", "--tokens", "50", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["delta"] for line in lines[:-1]] == [" It", " was late."]
    last = lines[-1]
    assert (last["done"], last["text"], last["finish"]) == (True, " It was late.", "stop")
    assert (last["alternative"], last["alternatives"]) == (1, 1)
    assert last["usage"]["completion_tokens"] == 2
    assert err == ""
    listed = json.loads(run("list", "--json")[0])
    assert [entry["name"] for entry in listed["stories"]] == ["sea"]
    exported = json.loads(run("export", "sea", "-o", str(tmp_path / "x.md"), "--json")[0])
    assert exported == {"name": "sea", "file": str(tmp_path / "x.md")}


def test_text_comes_from_stdin_too(run: Run, model: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    run("new", "sea")
    model(ScriptedModel([[" So."]]))
    monkeypatch.setattr("sys.stdin", io.StringIO("From a pipe.\n"))
    run("write", "sea", "--text", "-")
    assert text_of("sea") == "From a pipe. So."


def test_listing_says_what_there_is(run: Run) -> None:
    out, err = run("list")
    assert out == ""
    assert "fireside story new" in err
    run("new", "sea", "--title", "Sea\x1b[31m")
    run("new", "land")
    assert run("list")[0] == "land\nsea  Sea\n"


def test_a_story_that_cannot_be_read_is_not_passed_over(run: Run, tmp_path: Path) -> None:
    run("new", "sea")
    (paths.stories_folder() / "land.db").write_text("not a database")
    out, err = run("list")
    assert out == "sea\n"
    assert "the story land cannot be read" in err


def test_failures_are_errors_and_lose_nothing(run: Run, model: Use) -> None:
    with pytest.raises(StorageError, match="no story"):
        run("write", "nowhere")
    with pytest.raises(FiresideError, match="not a usable story name"):
        run("new", "../up")
    run("new", "sea")
    model(ScriptedModel([]))
    with pytest.raises(FiresideError, match="the story is empty"):
        run("write", "sea")
    model(ScriptedModel([[" Half", ModelError("it fell over")]]))
    with pytest.raises(ModelError, match="fell over"):
        run("write", "sea", "--text", "Go.")
    assert text_of("sea") == "Go. Half"


@pytest.mark.parametrize("line", [["write", "sea", "--tokens", "0"], ["write", "sea", "--tokens", "x"], ["write"], []])
def test_wrong_usage_is_exit_two(run: Run, line: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*line)
    assert ended.value.code == 2

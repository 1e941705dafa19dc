from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.sandbox.available import Mechanism, Reason
from tui import cli

NAMES = [
    "calculator", "now", "list_files", "read_file", "search_files", "write_file", "edit_file", "search_documents",
    "remember", "recall", "ask_person", "shell", "python", "fetch_page",
]  # fmt: skip


def test_every_tool_is_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.sandbox.available.mechanism", lambda _: Mechanism(None))
    assert cli.main(["tools", "list", "--json"]) == 0
    tools = json.loads(capsys.readouterr().out)
    assert [tool["name"] for tool in tools] == NAMES
    assert all(tool["description"] and tool["parameters"]["type"] == "object" for tool in tools)
    assert {tool["name"] for tool in tools if tool["risk"] == "network"} == {"fetch_page"}
    assert cli.main(["tools", "list"]) == 0
    out = capsys.readouterr().out
    assert "calculator(expression)\n    Work out arithmetic" in out
    assert out.count("\n") == 2 * len(NAMES)


def test_without_a_sandbox_the_list_says_why_no_program_is_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.sandbox.available.mechanism", lambda _: Reason("there is no bwrap", "install it"))
    assert cli.main(["tools", "list", "--json"]) == 0
    captured = capsys.readouterr()
    assert [tool["name"] for tool in json.loads(captured.out)] == [n for n in NAMES if n not in ("shell", "python")]
    assert captured.err == "shell and python are off: there is no bwrap (install it)\n"


def test_own_tools_are_added_shown_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def double(x: int) -> str:\n    '''Double a number.'''\n    return str(2 * x)\n")
    assert cli.main(["tools", "add", str(file), "--json"]) == 0
    (added,) = json.loads(capsys.readouterr().out)["added"]
    assert (added["name"], added["path"]) == ("mine", str(file))
    assert cli.main(["tools", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[-1]["name"] == "mine.double"
    assert cli.main(["tools", "show", "mine.double"]) == 0
    assert capsys.readouterr().out == "mine.double (executes)\nDouble a number.\n    x: integer\n"
    assert cli.main(["tools", "show", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "trusted"
    file.write_text("")
    assert cli.main(["tools", "list"]) == 0
    captured = capsys.readouterr()
    assert "mine" not in captured.out
    assert "has changed since it was trusted" in captured.err
    assert cli.main(["tools", "remove", "mine"]) == 0
    assert cli.main(["tools", "remove", "mine"]) == 1
    assert "error: no trusted file is called 'mine'" in capsys.readouterr().err


def test_what_does_not_exist_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tools", "show", "calculater"]) == 1
    assert "hint: did you mean calculator?" in capsys.readouterr().err
    assert cli.main(["tools", "add", str(tmp_path / "missing.py")]) == 1
    assert capsys.readouterr().err.startswith("error: ")

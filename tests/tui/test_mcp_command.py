"""`fireside mcp` and `fireside ask --mcp`: servers are named, looked at, approved, used and forgotten."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from mcp_world import by_hand, tool

from agents.mcp.servers import Server, add_server, read_server, server_folder
from fireside.errors import SettingsError
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Called, ToolCall
from tui import cli


def run(capsys: pytest.CaptureFixture[str], *line: str) -> Any:
    """What the command prints as JSON."""
    assert cli.main([*line, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_servers_are_added_listed_and_removed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    command = ["prog", "-x", "--", 'say "hi"\x7f']
    line = ["mcp", "add", "one", "--json", "--env", "KEY", "--folder", str(tmp_path), "--command", shlex.join(command)]
    assert cli.main(line) == 0
    assert json.loads(capsys.readouterr().out)["command"] == command
    assert cli.main(["mcp", "add", "two", "--url", "https://two.example/mcp", "--token-variable", "TWO"]) == 0
    one, two = run(capsys, "mcp", "list")
    assert (one["name"], one["command"], one["environment"], one["folder"]) == ("one", command, ["KEY"], str(tmp_path))
    assert (two["name"], two["url"], two["token_variable"]) == ("two", "https://two.example/mcp", "TWO")
    assert cli.main(["mcp", "list"]) == 0
    assert capsys.readouterr().out == 'one: ["prog", "-x", "--", "say \\"hi\\""]\ntwo: https://two.example/mcp\n'
    assert run(capsys, "mcp", "remove", "one") == {"removed": "one"}
    assert [server["name"] for server in run(capsys, "mcp", "list")] == ["two"]
    assert not server_folder("one").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["add", "x"], "a server has either a command or a url"),
        (["add", "x", "--url", "https://x.example", "--command", "prog"], "a server has either a command or a url"),
        (["add", "x", "--token-variable", "T", "--command", "prog"], "token_variable goes with a url"),
        (["add", "x", "--url", "ftp://x.example"], "begins with http:// or https://"),
        (["add", "x", "--url", "https://me:secret@x.example"], "holds no password"),
        (["add", "x", "--url", "http://x.example", "--token-variable", "T"], "sent over https alone"),
        (["add", "x", "--env", "A=b", "--command", "prog"], "environment.0"),
        (["add", "a.b", "--command", "prog"], "'a.b' is not a usable name"),
        (["add", "../x", "--command", "prog"], "'../x' is not a usable name"),
        (["show", "nothing"], "there is no MCP server 'nothing'"),
        (["remove", "nothing"], "there is no MCP server 'nothing'"),
        (["serve", "--tool", "no_such"], "there is no tool 'no_such' to offer"),
    ],
)
def test_what_will_not_do_is_one_line(capsys: pytest.CaptureFixture[str], line: list[str], said: str) -> None:
    assert cli.main(["mcp", *line]) == 1
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert said in error
    assert hint.startswith("hint: ")


def test_a_name_is_taken_once() -> None:
    add_server("x", Server(command=("prog",)))
    assert cli.main(["mcp", "add", "x", "--command", "other"]) == 1
    assert read_server("x").command == ("prog",)


def test_a_file_with_a_mistake_names_it() -> None:
    add_server("x", Server(command=("prog",)))
    (server_folder("x") / "server.toml").write_text('comand = ["prog"]')
    with pytest.raises(SettingsError, match="unknown key comand") as caught:
        read_server("x")
    assert caught.value.hint == "did you mean command?"


def test_a_change_is_shown_and_approved(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand(tmp_path, "s", tool("add", "Add numbers."))
    shown = run(capsys, "mcp", "show", "s")
    assert [(each["name"], each["risk"]) for each in shown["tools"]] == [("s.add", "network")]
    assert (shown["pinned"], shown["changes"]) == (False, [])
    assert run(capsys, "mcp", "approve", "s")["approved"] is True

    by_hand(tmp_path, "s", tool("add", "Add numbers and send them."))
    monkeypatch.setattr("sys.stdin", None)
    assert cli.main(["mcp", "show", "s"]) == 0
    assert "left out, new or changed since you approved it: add" in capsys.readouterr().err
    assert cli.main(["mcp", "approve", "s"]) == 1
    out = capsys.readouterr().err
    assert '- "description": "Add numbers.",\n' in out
    assert '+ "description": "Add numbers and send them.",\n' in out
    assert "error: 1 definitions of s are not approved\nhint: approve them with --yes\n" in out
    assert run(capsys, "mcp", "show", "s")["changes"][0]["name"] == "add"
    assert run(capsys, "mcp", "approve", "s", "--yes")["approved"] is True
    assert run(capsys, "mcp", "show", "s")["changes"] == []


def test_a_turn_calls_a_servers_tool(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    script = "def call(name, arguments):\n    return 'twice is ' + str(2 * arguments['a'])"
    by_hand(tmp_path, "maths", tool("double", "Double a number.", schema), script=script)
    monkeypatch.setattr("sys.stdin", None)
    call = ToolCall("maths.double", {"a": 4})

    def asked(*line: str) -> str:
        model = ScriptedModel([[Called(call)], ["It is 8."]])
        monkeypatch.setattr("tui.models.open_model", lambda settings, name=None: model)
        assert cli.main(["ask", "double 4", *line, "--json"]) == 0
        out, err = capsys.readouterr()
        assert json.loads(out)["calls"] == [{"name": "maths.double", "arguments": {"a": 4}}]
        return err

    assert "maths.double: denied" in asked("--tool", "maths.double")
    assert cli.main(["ask", "double 4", "--mcp", "maths", "--yes"]) == 2
    assert "maths.double talks to another machine or program" in capsys.readouterr().err
    monkeypatch.setenv("FIRESIDE_TOOLS__ALLOWED", '["maths.*"]')
    assert "maths.double: done: twice is 8" in asked("--mcp", "maths")

    assert cli.main(["ask", "x", "--tool", "maths.triple"]) == 1
    assert "there is no tool 'maths.triple' here" in capsys.readouterr().err
    assert cli.main(["ask", "x", "--mcp", "math"]) == 1
    assert capsys.readouterr().err == "error: there is no MCP server 'math'\nhint: did you mean maths?\n"

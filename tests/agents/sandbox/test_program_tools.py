"""The tools `shell` and `python`."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.sandbox import available, tools
from agents.sandbox.available import Reason, mechanism
from agents.sandbox.limits import Limits
from agents.sandbox.tools import preview_code, preview_command, program_tools
from agents.tools import Tool, run_tool
from fireside.errors import ToolError

_HELD_BY = mechanism()


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tool]:
    if isinstance(_HELD_BY, Reason):
        pytest.skip(_HELD_BY.message)
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "fireside"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "shared").mkdir()
    return {tool.name: tool for tool in program_tools(tmp_path / "shared", Limits(wall_s=5, output=2000))}


async def test_shell_runs_a_program(made: dict[str, Tool]) -> None:
    assert (
        await run_tool(made["shell"], {"argv": ["echo", "a  b", "$HOME", "*"]})
        == "exit status 0\nstdout:\na  b $HOME *"
    )


async def test_python_runs_code(made: dict[str, Tool], tmp_path: Path) -> None:
    code = "open('made.txt', 'w').write('x')\nprint(6 * 7)\nraise SystemExit(2)"
    assert await run_tool(made["python"], {"code": code}) == "exit status 2\nstdout:\n42"
    assert (tmp_path / "shared/made.txt").read_text() == "x"


async def test_a_limit_and_a_cut_are_told(made: dict[str, Tool], tmp_path: Path) -> None:
    (short,) = (
        tool for tool in program_tools(tmp_path / "shared", Limits(wall_s=1, output=10)) if tool.name == "shell"
    )
    told = await run_tool(short, {"argv": ["sh", "-c", "yes | head -c 99; sleep 9"]})
    assert told.startswith("stopped: it took longer than 1 s\nstdout:\ny\n")
    assert told.endswith("[cut: only the first 10 bytes of each stream are kept]")


async def test_arguments_are_checked(made: dict[str, Tool]) -> None:
    for arguments in ({"argv": []}, {"argv": "ls -la"}, {"argv": ["x" * 3000]}):
        with pytest.raises(ToolError):
            await run_tool(made["shell"], arguments)


def test_they_are_marked_for_the_approvals(made: dict[str, Tool]) -> None:
    for tool in made.values():
        assert (tool.traits.risk, tool.traits.untrusted, tool.traits.sequential) == ("executes", True, True)
        assert tool.traits.preview is not None
        assert tool.traits.timeout_s > 5


def test_previews_hide_nothing() -> None:
    assert preview_command({"argv": ["rm", "-r", "my files", "it's"]}) == """rm -r 'my files' 'it'"'"'s'"""
    assert preview_command({"argv": ["echo", "a\x1b[2K\u202eb'\\"]}) == r"echo $'a\x1b[2K\u202eb\'\\'"
    assert preview_code({"code": "x = 1\n\tprint('\u202e\x1b')\r#"}) == "x = 1\n\tprint('\\u202e\\x1b')\\r#"


def test_without_a_sandbox_there_are_no_such_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available, "mechanism", lambda folder: Reason("no sandbox", "install one"))
    assert tools.program_tools(tmp_path) == ()

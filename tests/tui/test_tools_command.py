from __future__ import annotations

import json

import pytest

from tui import cli

NAMES = ["calculator", "now", "list_files", "read_file", "search_documents"]


def test_every_tool_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tools", "list", "--json"]) == 0
    tools = json.loads(capsys.readouterr().out)
    assert [tool["name"] for tool in tools] == NAMES
    assert all(tool["description"] and tool["parameters"]["type"] == "object" for tool in tools)
    assert cli.main(["tools", "list"]) == 0
    out = capsys.readouterr().out
    assert "calculator(expression)\n    Work out arithmetic" in out
    assert out.count("\n") == 2 * len(NAMES)

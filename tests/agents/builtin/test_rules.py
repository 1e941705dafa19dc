"""Rules about paths and addresses hold for every spelling that leads to the same place."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.approval import Rule, decide
from agents.builtin import builtin_tools
from agents.fetch.tools import fetch_tools


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "notes" / "l").symlink_to(tmp_path / "src")
    return tmp_path


@pytest.mark.parametrize("path", ["src/x", "./src/x", "notes/../src/x", "notes/l/x", "{root}/src/x"])
def test_a_denied_folder_is_denied_however_it_is_spelt(folder: Path, path: str) -> None:
    tools = {tool.name: tool for tool in builtin_tools(folder, None)}
    arguments = {"path": path.format(root=folder), "content": "x"}
    rules = [Rule("*", "allow"), Rule("write_file", "deny", {"path": "src/*"})]
    assert decide(tools["write_file"], arguments, rules).decision == "deny"
    allowed = [Rule("write_file", "allow", {"path": "notes/*"})]
    assert decide(tools["write_file"], arguments, allowed).decision == "ask"


def test_a_default_is_an_argument_too(folder: Path) -> None:
    tools = {tool.name: tool for tool in builtin_tools(folder, None)}
    rules = [Rule("*", "allow"), Rule("list_files", "deny", {"path": "*"})]
    assert decide(tools["list_files"], {}, rules).decision == "deny"


@pytest.mark.parametrize("url", ["https://evil.example/a", "HTTPS://evil.example/a", "https://EVIL.example:443/a"])
def test_a_denied_site_is_denied_however_it_is_spelt(url: str) -> None:
    (tool,) = fetch_tools()
    rules = [Rule("*", "allow"), Rule("fetch_page", "deny", {"url": "https://evil.example/*"})]
    assert decide(tool, {"url": url}, rules).decision == "deny"

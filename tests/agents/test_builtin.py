from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from agents.builtin import builtin_tools, file_tools
from agents.tools import run_tool
from fireside.errors import ToolError
from fireside.models.schema import check_schema
from rag.types import Passage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / ".shared" / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "notes.txt").write_text("warm \x1b[31mfire\n")
    (folder / "deep" / "more.md").write_text("more")
    (folder / ".secret").write_text("secret")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("secret")
    (folder / "picture.png").write_bytes(b"\x89PNG\0\0")
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "outside.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "outside.txt")
    (folder / "up").symlink_to(tmp_path)
    (folder / "inside.txt").symlink_to(folder / "notes.txt")
    (folder / "broken.txt").symlink_to(folder / "nowhere")
    return folder


async def listed(folder: Path, path: str = ".") -> str:
    return await run_tool(file_tools(folder)[0], {"path": path})


async def read(folder: Path, path: str) -> str:
    return await run_tool(file_tools(folder)[1], {"path": path})


async def test_files_are_listed_without_hidden_ones_and_a_broken_link_is_no_error(folder: Path) -> None:
    lines = (await listed(folder)).splitlines()
    names = [re.sub(r" \(\d+ bytes\)", "", line) for line in lines]
    assert names == ["broken.txt", "deep/", "inside.txt", "latin.txt", "link.txt", "notes.txt", "picture.png", "up/"]
    assert "notes.txt (15 bytes)" in lines
    assert await listed(folder, "deep") == "more.md (4 bytes)"


async def test_files_are_read(folder: Path) -> None:
    assert await read(folder, "notes.txt") == "warm fire\n"
    assert await read(folder, "deep/../deep/more.md") == "more"
    assert await read(folder, "inside.txt") == "warm \x1b[31mfire\n".replace("\x1b[31m", "")
    assert await read(folder, "latin.txt") == "caf\ufffd"


@pytest.mark.parametrize(
    "path",
    [
        "../../outside.txt", "deep/../../../outside.txt", "/etc/passwd",
        "link.txt", "up/outside.txt", "up", "..", "/",
        ".secret", ".git/config", "deep/../.secret", "picture.png", "missing.txt", "deep", "broken.txt",
        "a\0b", "", "~",
        "x" * 190, "\ud800",
    ],
)  # fmt: skip
async def test_what_is_not_shared_cannot_be_read(folder: Path, path: str) -> None:
    with pytest.raises(ToolError) as caught:
        await read(folder, path)
    assert "secret" not in caught.value.message.replace(".secret", "")


async def test_the_refusal_says_why(folder: Path) -> None:
    with pytest.raises(ToolError, match="is outside the shared folder"):
        await read(folder, "link.txt")
    with pytest.raises(ToolError, match="is hidden"):
        await read(folder, ".secret")


@pytest.mark.parametrize("path", ["..", "/", "up", ".git", "notes.txt", "missing", "up/.."])
async def test_what_is_not_shared_cannot_be_listed(folder: Path, path: str) -> None:
    with pytest.raises(ToolError):
        await listed(folder, path)


async def test_large_files_and_pipes_are_refused_and_long_listings_cut(folder: Path) -> None:
    (folder / "large.txt").write_bytes(b"x" * 1_000_001)
    os.mkfifo(folder / "pipe")
    for name in ("large.txt", "pipe"):
        with pytest.raises(ToolError):
            await read(folder, name)
    for index in range(250):
        (folder / "deep" / f"{index:03}").touch()
    assert (await listed(folder, "deep")).endswith("... and 51 more")


def test_the_shared_folder_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="is not a folder"):
        file_tools(tmp_path / "missing")


def test_tools_come_with_what_they_need(tmp_path: Path) -> None:
    names = [tool.name for tool in builtin_tools(tmp_path, lambda query: [])]
    assert names == ["calculator", "now", "list_files", "read_file", "search_documents"]
    assert [tool.name for tool in builtin_tools(None, None)] == ["calculator", "now"]


def test_every_tool_compiles_and_its_examples_are_valid(tmp_path: Path) -> None:
    for tool in builtin_tools(tmp_path, lambda query: []):
        check_schema(tool.parameters)
        assert tool.examples
        for _, arguments in tool.examples:
            tool.validate(arguments)


async def test_calculator_clock_and_search() -> None:
    passage = Passage("a.md", "A", 0, 4, "warm", None, (), 1.0, 1.0, 1.0)
    asked: list[str] = []

    def search(query: str) -> list[Passage]:
        asked.append(query)
        return [passage] if query == "fire" else []

    calculator, now, found = builtin_tools(None, search)
    assert await run_tool(calculator, {"expression": " 2+3 "}) == "2+3 = 5"
    assert re.match(r"\w+day, \d{4}-\d\d-\d\d, \d\d:\d\d:\d\d", await run_tool(now, {}))
    assert await run_tool(found, {"query": "fire"}) == "a.md: warm"
    assert await run_tool(found, {"query": "sea"}) == "nothing found"
    assert asked == ["fire", "sea"]

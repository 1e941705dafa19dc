from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from agents.builtin import file_tools, inside
from agents.builtin.inside import place
from agents.builtin.matching import lines_matching
from agents.tools import run_tool
from fireside.errors import ToolError


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
    for name in ("id_rsa", "server.pem", "deep/prod.env", "gcloud/token"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("secret")
    (folder / "harmless.txt").symlink_to(folder / "id_rsa")
    return folder


async def listed(folder: Path, path: str = ".") -> str:
    return await run_tool(file_tools(folder)[0], {"path": path})


async def read(folder: Path, path: str) -> str:
    return await run_tool(file_tools(folder)[1], {"path": path})


async def test_files_are_listed_without_hidden_ones_and_a_broken_link_is_no_error(folder: Path) -> None:
    lines = (await listed(folder)).splitlines()
    names = [re.sub(r" \(\d+ bytes\)", "", line) for line in lines]
    assert names == [
        "broken.txt",
        "deep/",
        "harmless.txt",
        "inside.txt",
        "latin.txt",
        "link.txt",
        "notes.txt",
        "picture.png",
        "up",
    ]
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
        "x" * 190, "\ud800", "id_rsa", "server.pem", "deep/prod.env", "keys/a.txt", "harmless.txt", "gcloud/token",
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


async def searched(folder: Path, text: str, path: str = ".", expression: bool = False) -> str:
    return await run_tool(file_tools(folder)[2], {"text": text, "path": path, "regular_expression": expression})


async def test_a_file_is_read_from_line_to_line(folder: Path) -> None:
    (folder / "lines.txt").write_text("one\ntwo\nthree\n")
    tool = file_tools(folder)[1]
    assert await run_tool(tool, {"path": "lines.txt", "first_line": 2, "last_line": 2}) == "two\n"
    assert await run_tool(tool, {"path": "lines.txt", "first_line": 2}) == "two\nthree\n"
    for first, last in ((4, 9), (3, 2)):
        with pytest.raises(ToolError, match="has 3 lines"):
            await run_tool(tool, {"path": "lines.txt", "first_line": first, "last_line": last})


async def test_files_are_searched_without_secrets_and_links(folder: Path) -> None:
    assert await searched(folder, "WARM") == "notes.txt:1: warm fire"
    assert await searched(folder, "more", "deep") == "deep/more.md:1: more"
    assert await searched(folder, "secret") == "nothing found"
    assert await searched(folder, "^w.*e$", expression=True) != ""
    (folder / "large.txt").write_bytes(b"x" * 1_000_001)
    assert await searched(folder, "sea") == "[1 files were not searched: too many, or too large]"
    (folder / "code.py").write_text("def load(a):\n    pass\nload(1)\n")
    assert (await searched(folder, r"def\s+\w+", expression=True)).splitlines()[0] == "code.py:1: def load(a):"
    with pytest.raises(ToolError, match="not a regular expression"):
        await searched(folder, "(", expression=True)
    with pytest.raises(ToolError, match="is not a folder"):
        await searched(folder, "x", "missing")


def test_an_expression_that_never_ends_is_ended() -> None:
    with pytest.raises(ToolError, match="takes longer than"):
        lines_matching("(a+)+$", {"a.txt": "a" * 60 + "b"}, seconds=0.5)


async def test_what_becomes_a_link_after_it_was_judged_is_not_followed(folder: Path) -> None:
    parts = place(folder, "deep/more.md")
    (folder / "deep").rename(folder / "moved")
    (folder / "deep").symlink_to(folder.parent.parent)  # where outside.txt lies
    (folder.parent.parent / "more.md").write_text("secret")
    with pytest.raises(ToolError, match="cannot be read"):
        inside.read(folder, parts, "deep/more.md")
    with pytest.raises(ToolError, match="cannot be written"):
        inside.write(folder, parts, b"x", "deep/more.md")
    assert (folder.parent.parent / "more.md").read_text() == "secret"
    parts = place(folder, "notes.txt")
    (folder / "notes.txt").unlink()
    (folder / "notes.txt").symlink_to(folder.parent.parent / "outside.txt")
    with pytest.raises(ToolError, match="cannot be read"):
        inside.read(folder, parts, "notes.txt")

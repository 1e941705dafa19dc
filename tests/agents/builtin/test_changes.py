"""Writing and editing files: what is approved is what happens, and nothing is left half done."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from shutil import which

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.builtin import file_tools
from agents.builtin.changes import difference
from agents.tools import Tool, run_tool
from fireside.errors import ToolError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"one\ntwo\nthree\n")
    (tmp_path / "outside.txt").write_text("outside")
    (folder / "out").symlink_to(tmp_path)
    (folder / "link.txt").symlink_to(folder / "a.txt")
    return folder


def tool(folder: Path, name: str) -> Tool:
    return next(each for each in file_tools(folder) if each.name == name)


def shown(folder: Path, name: str, arguments: Mapping[str, str]) -> str:
    preview = tool(folder, name).traits.preview
    assert preview is not None
    return preview(arguments)


async def write(folder: Path, path: str, content: str) -> str:
    return await run_tool(tool(folder, "write_file"), {"path": path, "content": content})


async def edit(folder: Path, path: str, old: str, new: str) -> str:
    return await run_tool(tool(folder, "edit_file"), {"path": path, "old": old, "new": new})


async def test_a_file_is_written_and_the_difference_shown_first(folder: Path) -> None:
    assert shown(folder, "write_file", {"path": "new/b.txt", "content": "x\ny"}) == (
        "--- /dev/null\n+++ b/new/b.txt\n@@ -0,0 +1,2 @@\n+x\n+y\n\\ No newline at end of file"
    )
    assert not (folder / "new").exists()
    assert await write(folder, "new/b.txt", "x\ny") == "new/b.txt was created: 2 lines"
    assert (folder / "new" / "b.txt").read_bytes() == b"x\ny"
    assert "-two\n+2" in shown(folder, "write_file", {"path": "a.txt", "content": "one\n2\nthree\n"})
    assert await write(folder, "a.txt", "") == "a.txt was replaced: 0 lines"
    assert shown(folder, "write_file", {"path": "a.txt", "content": ""}) == "a.txt: nothing changes"


async def test_permissions_stay_and_nothing_is_left_behind(folder: Path) -> None:
    (folder / "a.txt").chmod(0o640)
    await write(folder, "link.txt", "through the link")
    assert (folder / "a.txt").read_text() == "through the link"
    assert (folder / "link.txt").is_symlink()
    assert stat.S_IMODE((folder / "a.txt").stat().st_mode) == 0o640
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "link.txt", "out"]


async def test_a_write_that_fails_leaves_the_old_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ToolError, match="No space left"):
        await write(folder, "a.txt", "new")
    assert (folder / "a.txt").read_bytes() == b"one\ntwo\nthree\n"
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "link.txt", "out"]


@pytest.mark.parametrize(
    "path",
    [
        "../outside.txt", "out/outside.txt", "/tmp/x.txt", ".hidden", ".git/config", ".", "new/", "out", "id_rsa",
        ".env", "server.key", "a.txt/b", "~/.bashrc", "x\0y", ".ssh/config", "deep/.aws/credentials",
    ],
)  # fmt: skip
async def test_nothing_is_written_elsewhere(folder: Path, path: str) -> None:
    before = sorted(folder.parent.rglob("*"))
    assert shown(folder, "write_file", {"path": path, "content": "x"}).startswith("nothing is written: ")
    with pytest.raises(ToolError):
        await write(folder, path, "x")
    with pytest.raises(ToolError):
        await edit(folder, path, "outside", "x")
    assert sorted(folder.parent.rglob("*")) == before
    assert (folder.parent / "outside.txt").read_text() == "outside"


async def test_a_piece_is_replaced_where_it_is_the_only_one(folder: Path) -> None:
    assert "-two\n+2" in shown(folder, "edit_file", {"path": "a.txt", "old": "two", "new": "2"})
    assert await edit(folder, "a.txt", "two", "2") == "a.txt was changed at line 2"
    assert (folder / "a.txt").read_bytes() == b"one\n2\nthree\n"
    for old, problem in (("four", "does not hold"), ("e", "more than once")):
        with pytest.raises(ToolError, match=problem):
            await edit(folder, "a.txt", old, "x")
    with pytest.raises(ToolError, match="there is no file"):
        await edit(folder, "b.txt", "x", "y")


async def test_newlines_and_encodings_survive(folder: Path) -> None:
    (folder / "dos.txt").write_bytes(b"one\r\ntwo\r\n")
    await edit(folder, "dos.txt", "one\ntwo", "1\n2")
    assert (folder / "dos.txt").read_bytes() == b"1\r\n2\r\n"
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ToolError, match="not in UTF-8"):
        await edit(folder, "latin.txt", "caf", "x")
    (folder / "aaa.txt").write_text("aaa")
    with pytest.raises(ToolError, match="more than once"):  # overlapping ones count
        await edit(folder, "aaa.txt", "aa", "b")


@pytest.mark.skipif(which("patch") is None, reason="there is no patch program")
@pytest.mark.parametrize("lines", [10, 5000])
def test_a_difference_can_be_applied(tmp_path: Path, lines: int) -> None:
    before = "".join(f"line {index}\n" for index in range(lines))
    after = "".join(f"line {index * 7 % lines}\n" for index in range(lines + 3)) + "no newline"
    (tmp_path / "a.txt").write_text(before)
    patch = difference("a.txt", before, after) + "\n"
    subprocess.run(["patch", "-p1", "-s"], input=patch, text=True, cwd=tmp_path, check=True)
    assert (tmp_path / "a.txt").read_text() == after


@given(st.text("ab\n", max_size=30), st.text("ab\n", max_size=30))
def test_a_difference_tells_every_line(before: str, after: str) -> None:
    lines = difference("x", before, after).splitlines()[2:] if before != after else []
    gone = len([line for line in lines if line.startswith("-")]) - len([line for line in lines if line.startswith("+")])
    if before != after:
        count = len(before.split("\n")) - before.endswith("\n") - (not before)
        assert gone == count - (len(after.split("\n")) - after.endswith("\n") - (not after))

"""The person's own editor: which it is, what it is given, what comes back, and what is said where there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import TextArea

from fireside.errors import FiresideError
from tui.editor import editor_command, in_editor

WRITES = """
import os, pathlib, stat, sys
file = pathlib.Path(sys.argv[-1])
open = [path for path in (file, file.parent) if stat.S_IMODE(path.stat().st_mode) & 0o077 and path != file]
file.write_text(file.read_text() + "\\x1b[31mand " + sys.argv[1] + (" for all to see" if open else "") + "\\n")
pathlib.Path(os.environ["FIRESIDE_HOME"]).mkdir(parents=True, exist_ok=True)
(pathlib.Path(os.environ["FIRESIDE_HOME"]) / "where").write_text(str(file))
"""


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """$EDITOR with an argument: it adds to the text, and says where that lay."""
    program = tmp_path / "my editor.py"
    program.write_text(WRITES)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{sys.executable} '{program}' more")
    return tmp_path / "home" / "where"


@pytest.fixture
def suspends(monkeypatch: pytest.MonkeyPatch) -> None:
    """An app that can be put aside, as in a terminal."""

    @contextmanager
    def suspend(self: object) -> Iterator[None]:
        yield

    monkeypatch.setattr("tui.app.FiresideApp.suspend", suspend)


async def test_the_prompt_is_written_on_in_the_editor(
    chat_with: Callable[..., Any], editor: Path, suspends: None
) -> None:
    async with chat_with() as chat:
        chat.screen.prompt.fill("Dear all, ")
        await chat.pilot.press("ctrl+g")
        await chat.until(lambda: chat.screen.prompt.text == "Dear all, and more")
        assert not Path(editor.read_text()).exists()
        assert not Path(editor.read_text()).parent.exists()


async def test_an_edit_too(chat_with: Callable[..., Any], editor: Path, suspends: None) -> None:
    async with chat_with([["One."]]) as chat:
        await chat.send("First")
        await chat.pilot.press("alt+up", "e")
        await chat.until(lambda: isinstance(chat.app.focused, TextArea) and chat.app.focused is not chat.screen.prompt)
        await chat.pilot.press("ctrl+g")
        await chat.until(lambda: chat.app.focused.text == "One.and more")


async def test_where_no_editor_can_run_one_line_says_so(chat_with: Callable[..., Any], editor: Path) -> None:
    async with chat_with() as chat:
        chat.screen.prompt.fill("Dear all")
        await chat.pilot.press("ctrl+g")
        await chat.shows("no terminal here that an editor could run in")
        assert chat.screen.prompt.text == "Dear all"


async def test_a_missing_editor_is_one_line(
    chat_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, suspends: None
) -> None:
    monkeypatch.setenv("VISUAL", "no-such-editor --wait")
    async with chat_with() as chat:
        await chat.pilot.press("ctrl+g")
        await chat.shows("there is no editor no-such-editor --wait")


def test_which_editor() -> None:
    assert editor_command({"VISUAL": "sh -c 'a b'", "EDITOR": "ed"}) == ["sh", "-c", "a b"]
    assert editor_command({"EDITOR": "sh"}) == ["sh"]
    with pytest.raises(FiresideError, match="cannot be read"):
        editor_command({"EDITOR": "sh 'oops"})


def test_without_any_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(FiresideError, match="there is no editor"):
        editor_command({})


def test_an_editor_that_fails_leaves_the_text() -> None:
    with pytest.raises(FiresideError, match="ended with status 3"):
        in_editor(["sh", "-c", "exit 3"], "text")

"""Files and long pastes that go with a message: picked, read, shown by name, kept through retry and edit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]  # it ships no types
from syrupy.assertion import SnapshotAssertion
from textual import events
from textual.widgets import TextArea

from tui.attach.attachment import Attachment, with_sizes
from tui.chat.whole import WholeText


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a file, one in a folder, and one that is no text."""
    work = tmp_path / "work"
    (work / "notes").mkdir(parents=True)
    (work / "stove.md").write_text("Sweep the flue in autumn.")
    (work / "notes" / "wood.txt").write_text("Oak dries for two years.")
    (work / "flame.bin").write_bytes(bytes(range(256)) * 8)
    monkeypatch.chdir(work)
    return work


def _asked(chat: Any, request: int = -1) -> str:
    return str(chat.model.requests[request].prompt[-1].content)


async def test_a_file_is_picked_by_some_of_its_letters_and_goes_with_the_message(
    chat_with: Callable[..., Any], folder: Path
) -> None:
    async with chat_with([["Two years."], ["Two."], ["Once more."]]) as chat:
        await chat.pilot.press(*"Read", "space", "@", *"wd")
        await chat.shows("@notes/wood.txt")
        await chat.pilot.press("tab")
        await chat.until(lambda: chat.screen.prompt.text == "Read @notes/wood.txt ")
        await chat.pilot.press("enter")
        await chat.until(lambda: chat.texts() == ["Read @notes/wood.txt", "Two years."])
        await chat.settled()
        assert "@notes/wood.txt (24 B)" in chat.text
        assert "Oak dries" not in chat.text
        assert "Oak dries for two years." in _asked(chat)
        assert "Data from outside" in _asked(chat)
        # Retry and edit take along what was read, whatever has become of the file.
        (folder / "notes" / "wood.txt").unlink()
        await chat.send("/retry")
        assert _asked(chat, 1) == _asked(chat, 0)
        await chat.write("/edit")
        await chat.until(lambda: isinstance(chat.app.focused, TextArea) and chat.app.focused is not chat.screen.prompt)
        chat.app.focused.text = "Again: @notes/wood.txt"
        await chat.pilot.press("ctrl+s")
        await chat.until(lambda: chat.texts() == ["Again: @notes/wood.txt", "Once more."])
        assert "Oak dries for two years." in _asked(chat, 2)
        await chat.settled()
        await chat.pilot.press("alt+up", "up", "o")
        await chat.until(lambda: isinstance(chat.app.screen, WholeText))
        await chat.shows("Oak dries for two years.")


async def test_a_message_with_a_file_is_not_sent_by_the_enter_that_picks_it(
    chat_with: Callable[..., Any], folder: Path
) -> None:
    async with chat_with() as chat:
        await chat.pilot.press("@", *"stove")
        await chat.shows("@stove.md")
        await chat.pilot.press("enter")
        await chat.until(lambda: chat.screen.prompt.text == "@stove.md ")
        assert not chat.session.messages()


async def test_what_is_no_text_is_refused_in_a_line_and_the_message_comes_back(
    chat_with: Callable[..., Any], folder: Path
) -> None:
    async with chat_with() as chat:
        await chat.write("What is @flame.bin")
        await chat.pilot.press("enter")
        await chat.shows("✗")
        await chat.until(lambda: chat.screen.prompt.text == "What is @flame.bin")
        assert not chat.session.messages()


async def test_a_name_that_no_file_has_is_text(chat_with: Callable[..., Any], folder: Path) -> None:
    async with chat_with([["Hello."]]) as chat:
        await chat.send("Tell @anna hello")
        assert _asked(chat) == "Tell @anna hello"


async def test_a_dropped_file_is_offered(chat_with: Callable[..., Any], folder: Path) -> None:
    path = folder / "stove.md"
    async with chat_with() as chat:
        chat.app.post_message(events.Paste(f"'{path}'"))
        await chat.shows("› @/")
        await chat.pilot.press("tab")
        await chat.until(lambda: chat.screen.prompt.text == f"@{path} ")


async def test_a_long_paste_is_folded_unfolded_and_taken_out_as_a_whole(chat_with: Callable[..., Any]) -> None:
    lines = "\n".join(f"line {number}" for number in range(40))
    async with chat_with([["Long."]]) as chat:
        prompt = chat.screen.prompt
        chat.app.post_message(events.Paste(lines))
        await chat.until(lambda: prompt.text == "[pasted 40 lines]")
        await chat.pilot.press("backspace")
        assert prompt.text == ""
        chat.app.post_message(events.Paste(lines))
        await chat.until(lambda: prompt.text == "[pasted 40 lines]")
        await chat.pilot.press("tab")
        assert prompt.text == lines
        prompt.fill("")
        chat.app.post_message(events.Paste(lines))
        chat.app.post_message(events.Paste(lines + "\nand one"))
        await chat.until(lambda: prompt.text == "[pasted 40 lines][pasted 41 lines]")
        await chat.pilot.press("enter")
        await chat.until(lambda: len(chat.texts()) == 2)
        await chat.settled()
        assert "line 39" not in chat.text
        assert _asked(chat).count("line 39") == 2


async def test_attached_texts_are_documents_in_the_context(chat_with: Callable[..., Any], folder: Path) -> None:
    async with chat_with([["Autumn."]]) as chat:
        await chat.send("See @stove.md")
        upcoming = await chat.session.upcoming("And @notes/wood.txt")
        assert upcoming is not None
        parts = {part.origin: part for part in upcoming.parts}
        assert "Sweep the flue" in parts["documents"].text
        assert "Oak dries" in parts["documents"].text
        assert "Sweep" not in parts["history"].text
        assert "Oak" not in parts["question"].text


def test_a_size_stands_behind_the_whole_name_alone() -> None:
    assert with_sizes("@a and @a.py", [Attachment("@a", 12_000, "")]) == "@a (12 kB) and @a.py"


async def test_a_session_alone_attaches_too(chat_with: Callable[..., Any], folder: Path) -> None:
    async with chat_with([["Autumn."]]) as chat:
        attached = await chat.session.attach("See @stove.md, and @nothing")
        assert [each.mention for each in attached] == ["@stove.md"]
        assert await chat.session.attach("See stove.md") == ()


@pytest.mark.parametrize(("theme", "size"), [("fireside-dark", (80, 24)), ("fireside-light", (60, 20))])
async def test_the_files_that_are_offered(
    chat_with: Callable[..., Any],
    folder: Path,
    snapshot: SnapshotAssertion,
    theme: str,
    size: tuple[int, int],
) -> None:
    async with chat_with([["Autumn."]], size=size) as chat:
        chat.app.theme = theme
        await chat.send("What says @stove.md")
        await chat.pilot.press(*"And", "space", "@", "o")
        await chat.shows("› @")
        # It follows the draft a moment later.
        chat.screen.query_one("#context-bar").display = False
        await chat.pilot.pause()
        assert chat.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)

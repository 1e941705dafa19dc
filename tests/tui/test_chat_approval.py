"""The dialog that asks before a tool runs: what it shows, what its keys do, and what they leave behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]  # it ships no types
from syrupy.assertion import SnapshotAssertion

from agents.approval import Rule
from agents.events import ApprovalAsked
from agents.remembered import remember, rules_for
from fireside.models.types import Called, ToolCall
from tui.chat.dialogs import ApprovalDialog, ChoiceDialog, LineDialog

DIFF = """--- a/notes/stove.md
+++ b/notes/stove.md
@@ -1,3 +1,3 @@
 The stove
-Sweep the flue every year.
+Never sweep the flue.
 Burn dry wood."""
WRITE = ToolCall("write_file", {"path": "notes/stove.md", "content": "..."})
ASKED = ApprovalAsked(
    WRITE,
    "the request may come from what was read, and not from you: read_file(todo.md)",
    risk="writes",
    preview=DIFF,
    sources=("read_file(todo.md)",),
)


async def dialog(chat: Any, asked: ApprovalAsked, folder: str) -> None:
    chat.app.push_screen(ApprovalDialog(asked, folder))
    await chat.until(lambda: isinstance(chat.app.screen, ApprovalDialog))


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_a_diff_a_warning_and_the_keys(
    chat_with: Callable[..., Any], snapshot: SnapshotAssertion, theme: str
) -> None:
    async with chat_with(size=(80, 30)) as chat:
        chat.app.theme = f"fireside-{theme}"
        await chat.shows("ready")
        await dialog(chat, ASKED, "stove")
        await chat.shows("Never sweep")
        assert chat.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)


async def test_the_exact_command_and_what_it_may_do(chat_with: Callable[..., Any]) -> None:
    call = ToolCall("shell", {"argv": ["rm", "-r", "a b"]})
    async with chat_with() as chat:
        await dialog(chat, ApprovalAsked(call, "why", 1, "executes", "rm -r 'a b'"), "notes")
        assert "rm -r 'a b'" in chat.text
        assert "It runs a program." in chat.text
        assert "always exactly this in notes" in chat.text
        assert "Careful" not in chat.text


async def test_without_a_folder_nothing_can_be_remembered(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await dialog(chat, ASKED, "")
        assert "always in this conversation" in chat.text
        await chat.pilot.press("F", "N")
        assert isinstance(chat.app.screen, ApprovalDialog)


async def test_what_is_shown_cannot_act(chat_with: Callable[..., Any]) -> None:
    evil = "[@click=app.quit]x[/]\x1b]0;y\x07\u202e"
    asked = ApprovalAsked(ToolCall(evil, {evil: evil}), evil, 1, "writes", evil, (evil,))
    async with chat_with() as chat:
        await dialog(chat, asked, "notes")
        for strip in chat.app.screen._compositor.render_strips():
            for segment in strip:
                assert all(character >= " " and character != "\u202e" for character in segment.text)
                assert segment.style is None or "app.quit" not in str(segment.style.meta.get("@click", ""))


def writing(*paths: str) -> list[Any]:
    return [*([Called(ToolCall("write_file", {"path": path, "content": "x"}))] for path in paths), ["Done."]]


@pytest.mark.parametrize(
    ("key", "written", "rules"),
    [
        ("a", ["a.txt"], ()),
        ("A", ["a.txt", "b.txt"], ()),
        ("F", ["a.txt", "b.txt"], (Rule("write_file", "allow"),)),
        ("N", [], (Rule("write_file", "deny"),)),
        ("d", [], ()),
    ],
)
async def test_an_answer_counts_for_as_long_as_it_says(
    chat_with: Callable[..., Any], tmp_path: Path, key: str, written: list[str], rules: tuple[Rule, ...]
) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    async with chat_with(writing("a.txt", "b.txt")) as chat:
        chat.session.use_tools(True, folder)
        await chat.write("Write two files.")
        await chat.until(lambda: isinstance(chat.app.screen, ApprovalDialog))
        await chat.pilot.press(key)
        if key in ("a", "d"):
            # Asked again about the second.
            await chat.until(lambda: isinstance(chat.app.screen, ApprovalDialog) and "b.txt" in chat.text)
            await chat.pilot.press("d")
        await chat.settled()
        assert sorted(path.name for path in folder.iterdir()) == written
        assert rules_for(folder) == rules
        assert chat.session.allowed == ({"write_file"} if key == "A" else set())


async def test_a_rule_of_the_folder_counts_in_every_conversation(chat_with: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    remember(Rule("write_file", "allow"), folder)
    async with chat_with(writing("a.txt")) as chat:
        chat.session.use_tools(True, folder)
        await chat.send("Write a file.")
        assert [path.name for path in folder.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("options", "keys", "answer"),
    [
        ([], ["o", "a", "k", "enter"], "the person answered: oak"),
        (["oak", "birch"], ["down", "enter"], "the person answered: birch"),
        (["oak", "birch"], ["escape"], "the person gave no answer"),
    ],
)
async def test_the_assistant_asks_the_person(
    chat_with: Callable[..., Any], options: list[str], keys: list[str], answer: str
) -> None:
    call = ToolCall("ask_person", {"question": "Which wood?", "options": options})
    async with chat_with([[Called(call)], ["So."]]) as chat:
        chat.session.use_tools(True)
        chat.session.allowed.add("ask_person")
        await chat.write("Which is best?")
        await chat.until(lambda: isinstance(chat.app.screen, ChoiceDialog if options else LineDialog))
        assert "Which wood?" in chat.text
        await chat.pilot.press(*keys)
        await chat.settled()
        assert chat.session.messages()[-1].details["tools"][0]["result"] == answer

"""The screen of training data: rows as they are trained, the figures, ways through them, and what goes wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]  # it ships no types
from screen_text import shown, shows
from syrupy.assertion import SnapshotAssertion
from textual.app import App
from textual.widgets import Input
from word_vocabulary import CHATML, WordVocabulary

from finetune.data.conversation import Conversation
from finetune.data.preview import Shown, preview, show_row
from finetune.data.preview_process import Looked, PreviewProcess
from fireside.errors import TrainingError
from fireside.models.types import Message
from tui.data_screen import DataScreen
from tui.theme import DARK, LIGHT


def chat(row: int, *turns: str, **more: Any) -> Conversation:
    roles = ("user", "assistant")
    messages = tuple(Message(roles[n % 2], text) for n, text in enumerate(turns))  # type: ignore[arg-type]
    return Conversation(messages, row, "house.jsonl", **more)


ROWS = [
    chat(1, "Who cooks the soup?", "Marlow cooks the soup, by the fire.", "And the bread?", "Harrow, [b]at dawn[/b]."),
    chat(2, "Say {{name}}", "I am {{name}} \x1b[2J."),
    chat(3, "Count.", " ".join(str(n) for n in range(300))),
    chat(5, "Hi", "Go away.", desirable=False),
]


class WrittenData:
    """Rows that the test has, rendered with a vocabulary of words."""

    name = "house.jsonl"

    def __init__(self, rows: list[Conversation] | None = None) -> None:
        self.rows = ROWS if rows is None else rows
        self.vocabulary = WordVocabulary(CHATML)
        self.go = threading.Event()
        self.go.set()
        self.closed = False

    def open(self) -> Looked:
        self.go.wait(10)
        seen = preview(self.rows, self.vocabulary, 200, show=0)
        return Looked(seen, tuple(row.where for row in self.rows), ("house.jsonl row 4: broken (not JSON)",))

    def row(self, index: int) -> tuple[Shown, ...]:
        return show_row(self.rows[index], self.vocabulary, 200)

    def close(self) -> None:
        self.closed = True


class BrokenData(WrittenData):
    def open(self) -> Looked:
        raise TrainingError("no row can be read: house.jsonl row 1: broken (not JSON)", "mend it")


class DyingData(WrittenData):
    def row(self, index: int) -> tuple[Shown, ...]:
        raise TrainingError("reading house.jsonl ended unexpectedly", "try another base model")


class DataApp(App[None]):
    """Nothing but the screen."""

    def __init__(self, data: WrittenData, theme: str = "dark") -> None:
        super().__init__()
        self.data = data
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = f"fireside-{theme}"

    def on_mount(self) -> None:
        self.push_screen(DataScreen(self.data))


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_a_row_as_it_is_trained(snapshot: SnapshotAssertion, theme: str) -> None:
    async with DataApp(WrittenData(), theme).run_test(size=(60, 20)) as pilot:
        await shows(
            pilot, "1 of 4 · house.jsonl row 1", "Marlow cooks the soup", "[b]at dawn[/b]", "▒▒▒ padding", "f Figures"
        )
        assert pilot.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)


async def test_the_figures_of_all_rows(snapshot: SnapshotAssertion) -> None:
    async with DataApp(WrittenData()).run_test(size=(80, 26)) as pilot:
        await shows(pilot, "1 of 4")
        await pilot.press("f")
        await shows(
            pilot, "house.jsonl · figures", "4 rows, 3 examples", "1 judged bad", "the longest: house.jsonl row 3"
        )
        await shows(pilot, "a blank in it was never filled in", "house.jsonl row 4: broken", "needs none", "f Figures")
        assert pilot.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)
        await pilot.press("f")
        await shows(pilot, "1 of 4")


async def test_ways_through_the_rows() -> None:
    async with DataApp(WrittenData()).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "1 of 4")
        await pilot.press("right")
        await shows(pilot, "2 of 4", "I am {{name}}", "a blank in it was never filled in")
        assert "\x1b" not in shown(pilot.app)
        await pilot.press("p", "p")
        await shows(pilot, "4 of 4", "not learnt from")
        await pilot.press("l")
        await shows(pilot, "3 of 4", "200 tokens", "cut off", "no end of turn is trained")
        await pilot.press("s")
        await shows(pilot, "house.jsonl row 2")
        await pilot.press("g", "3", "enter")
        await shows(pilot, "3 of 4")
        assert not pilot.app.screen.query_one(Input).display
        await pilot.press("g", "9", "9", "enter")
        await shows(pilot, "4 of 4")


async def test_escape_leaves_the_number_and_then_the_screen() -> None:
    data = WrittenData()
    async with DataApp(data).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "1 of 4")
        await pilot.press("g", "escape")
        assert isinstance(pilot.app.screen, DataScreen)
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(pilot.app.screen, DataScreen)
        assert data.closed


async def test_it_says_that_it_reads_and_keys_do_no_harm_then() -> None:
    data = WrittenData()
    data.go.clear()
    async with DataApp(data).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "reading and rendering every row")
        await pilot.press("right", "f", "g", "l", "s")
        data.go.set()
        await shows(pilot, "1 of 4")


@pytest.mark.parametrize(
    ("data", "said"), [(BrokenData, "no row can be read: house.jsonl row 1"), (DyingData, "ended unexpectedly")]
)
async def test_what_goes_wrong_is_told(data: Callable[[], WrittenData], said: str) -> None:
    async with DataApp(data()).run_test(size=(100, 30)) as pilot:
        await shows(pilot, said)
        await pilot.press("right", "f", "escape")


@pytest.mark.engine
def test_a_process_of_its_own_reads_the_file(tmp_path: Path) -> None:
    file = tmp_path / "house.jsonl"
    row = {"prompt": "Who cooks the soup?", "completion": "Marlow."}
    file.write_text(f"{json.dumps(row)}\n{{torn\n", "utf-8")
    source = PreviewProcess(file, "smollm2-135m")
    try:
        looked = source.open()
        assert looked.rows == ("house.jsonl row 1",)
        assert looked.broken[0].startswith("house.jsonl row 2: broken")
        assert looked.preview.padding.text == "<|im_end|>"
        (example,) = source.row(0)
        assert "Marlow." in "".join(piece.text for piece in example.pieces if piece.trained)
    finally:
        source.close()
    with pytest.raises(TrainingError, match="ended unexpectedly"):
        source.row(0)


@pytest.mark.parametrize(
    ("content", "said"), [("", "holds no rows"), ("{torn\n", "house.jsonl row 1 cannot be used: not JSON")]
)
def test_a_file_without_a_row_is_told_by_the_process(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "house.jsonl"
    file.write_text(content, "utf-8")
    source = PreviewProcess(file, "smollm2-135m")
    with pytest.raises(TrainingError, match=said):
        source.open()
    source.close()


async def test_slash_data_opens_the_screen(
    chat_with: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Path, str]] = []

    def written(file: Path, base: str) -> WrittenData:
        opened.append((file, base))
        return WrittenData()

    monkeypatch.setattr("finetune.data.preview_process.PreviewProcess", written)
    async with chat_with() as chat:
        await chat.write(f"/data {tmp_path / 'house.jsonl'}")
        await chat.until(lambda: isinstance(chat.app.screen, DataScreen))
        await chat.shows("1 of 4")
        assert opened[0][0] == tmp_path / "house.jsonl"

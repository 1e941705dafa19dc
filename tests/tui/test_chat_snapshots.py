"""What the chat looks like: SVG snapshots. `pytest --snapshot-update` draws them anew after a wanted change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]  # it ships no types
from syrupy.assertion import SnapshotAssertion

from agents.events import ApprovalAsked, TextDelta, ToolCallAsked, TurnFinished
from fireside.models.types import Timings, ToolCall, Usage
from rag.types import Citation
from tui.chat.dialogs import ApprovalDialog

REPLY = """Split the log and shave the *dry* inside.

1. Make a `feather stick`
2. Light it **from below**

```python
def light(wood, dry=True):
    return "flame" if dry else None
```
"""


@pytest.fixture
def svg(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """A screenshot to compare with; the app under test is running already, which `snap_compare` does not allow."""
    return snapshot.use_extension(SVGImageExtension)


async def test_the_empty_chat(chat_with: Callable[..., Any], svg: SnapshotAssertion) -> None:
    async with chat_with(size=(80, 24)) as chat:
        await chat.shows("ready")
        assert chat.app.export_screenshot() == svg


async def test_a_conversation_with_the_list_beside_it(chat_with: Callable[..., Any], svg: SnapshotAssertion) -> None:
    async with chat_with([[REPLY]], size=(100, 30)) as chat:
        await chat.send("How do I light wet wood?")
        await chat.pilot.press("ctrl+b")
        await chat.shows("How do I light w")
        await chat.shows("tokens")
        assert chat.app.export_screenshot() == svg


async def test_a_document_answer_in_the_light_theme(
    chat_with: Callable[..., Any], turn_of: Callable[..., None], svg: SnapshotAssertion
) -> None:
    sources = (
        Citation(1, "/docs/handbook.pdf", 0, 9, 12, ("Care",), "Sweep the flue once a year, before the frost.", True),
        Citation(2, "/docs/wood.md", 0, 9, None, ("Wood", "Drying"), "Oak needs two years under a roof.", False),
    )
    text = "Sweep it once a year [1]. Oak dries for two years [2]."
    turn_of(TextDelta(text), TurnFinished(text, "stop", False, sources, (), Usage(), Timings(0, 0.1, 0.1, 31)))
    async with chat_with(size=(80, 24)) as chat:
        chat.app.theme = "fireside-light"
        await chat.send("How often must I sweep the flue?")
        await chat.shows("tokens")
        assert chat.app.export_screenshot() == svg


async def test_a_tool_call_that_waits_in_forty_columns(
    chat_with: Callable[..., Any], turn_of: Callable[..., None], svg: SnapshotAssertion
) -> None:
    call = ToolCall("read_file", {"path": "notes/stove.txt"})
    turn_of(ToolCallAsked(call), ApprovalAsked(call, "read_file is not allowed without asking"))
    async with chat_with(size=(40, 20)) as chat:
        await chat.write("What do my notes say?")
        await chat.until(lambda: isinstance(chat.app.screen, ApprovalDialog))
        assert chat.app.export_screenshot() == svg

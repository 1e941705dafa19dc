"""`fireside ask --docs` prints what was found and what was not, for people and as JSON."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from agents.events import Event, PassagesFound, TurnFinished
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Timings, Usage
from rag.types import Citation, Passage
from tui import cli

PASSAGE = Passage("/d/stove.md", "Stove", 5, 21, "The stove\x1b[2J burns.", None, ("Heat",), 1.0, 0.2, 1.0)
CITATION = Citation(1, "/d/stove.md", 5, 21, None, ("Heat",), "The stove burns.", False)


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run `fireside ask --docs` on a turn of these events; returns stdout."""

    def run(events: Sequence[Event], *line: str) -> str:
        async def run_turn(*_: object) -> AsyncIterator[Event]:
            for event in events:
                yield event

        monkeypatch.setattr("agents.loop.run_turn", run_turn)
        monkeypatch.setattr("tui.models.open_model", lambda settings, name=None: ScriptedModel([]))
        monkeypatch.setattr("rag.library.open_library", lambda *_: object())
        monkeypatch.setattr("sys.stdin", None)
        assert cli.main(["ask", "How?", "--docs", "cabin", *line]) == 0
        return capsys.readouterr().out

    return run


def finished(text: str, *, refused: bool = False, **given: Any) -> TurnFinished:
    fields = {"citations": (), "calls": (), "usage": Usage(), "timings": Timings(), **given}
    return TurnFinished(text, "stop", refused, **fields)


def test_a_refusal_comes_with_the_nearest_passages(ask: Callable[..., str]) -> None:
    events = [PassagesFound("How?", (PASSAGE,), False), finished("Not there.", refused=True)]
    assert ask(events) == "Not there.\n\nNearest passages:\n- stove.md, Heat: The stove burns.\n"
    document = json.loads(ask(events, "--json"))
    assert (document["refused"], document["nearest"][0]["document"]) == (True, "/d/stove.md")


def test_sentences_without_support_are_listed(ask: Callable[..., str]) -> None:
    events = [
        PassagesFound("How?", (PASSAGE,), True),
        finished("It sings. [1]", citations=(CITATION,), unsupported=("It sings.",)),
    ]
    out = ask(events)
    assert "[1] stove.md, Heat (support not found)" in out
    assert out.endswith("Not found in the documents:\n- It sings.\n")
    document = json.loads(ask(events, "--json"))
    assert document["unsupported"] == ["It sings."]
    assert document["citations"][0]["verified"] is False
    assert "nearest" not in document

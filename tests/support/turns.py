"""What the tests of a turn have in common: a talk, a tool, a library of one passage, and how events are collected."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from agents.approval import allowing
from agents.events import (
    ApprovalAsked,
    Event,
    ToolResult,
    TurnFinished,
)
from agents.loop import Answer, Turn, run_turn
from agents.tools import Tool, tool_from_function
from fireside.models.scripted import ScriptedModel
from fireside.models.types import (
    Message,
    ToolCall,
)
from rag.types import Passage

TALK = (Message("system", "Be kind."), Message("user", "How warm is the fire?"))
CALL = ToolCall("measure", {"what": "fire"})
ALLOWED = allowing(["measure"])
ARGUMENTS = json.dumps(CALL.arguments)


class Measuring:
    """A tool that counts its runs."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.runs: list[str] = []
        self.failure = failure

    @property
    def tool(self) -> Tool:
        def measure(what: str) -> str:
            """Measure something."""
            self.runs.append(what)
            if self.failure:
                raise self.failure
            return f"{what}: 600 degrees"

        return tool_from_function(measure)


class FakeLibrary:
    """A library of one passage, and an encoder for which all texts are as alike as `similarity` says."""

    def __init__(self, similarity: float) -> None:
        self.asked: list[tuple[str, int]] = []
        self.encoder = self.judge = self
        self.folder = Path("no-such-folder")
        self._similarity = similarity

    def encode(self, texts: list[str]) -> Any:
        vectors = np.zeros((len(texts), 98), dtype=np.float32)
        vectors[:, 0] = self._similarity**0.5
        for row, text in enumerate(texts):
            vectors[row, 1 + zlib.crc32(text.encode()) % 97] = (1 - self._similarity) ** 0.5
        return vectors

    def encode_queries(self, texts: list[str]) -> Any:
        return self.encode(texts)

    def search(self, question: str, k: int) -> list[Passage]:
        self.asked.append((question, k))
        text = "The fire burns at six hundred degrees."
        return [Passage("stove.md", "Stove", 5, 5 + len(text), text, None, ("Heat",), 1.0, self._similarity, 1.0)]


def answers(*given: Answer) -> Any:
    left = list(given)

    async def approve(asked: ApprovalAsked) -> Answer:
        return left.pop(0)

    return approve


async def events_of(turn: Turn, model: ScriptedModel, *given: Answer) -> list[Event]:
    return [event async for event in run_turn(turn, model, answers(*given))]


def messages_of(model: ScriptedModel, request: int = 0) -> tuple[Message, ...]:
    """The messages of one of the model's requests."""
    prompt = model.requests[request].prompt
    assert isinstance(prompt, tuple)
    return prompt


def finished(events: list[Event]) -> TurnFinished:
    assert isinstance(events[-1], TurnFinished), events[-1]
    return events[-1]


def results_of(events: list[Event]) -> list[ToolResult]:
    return [event for event in events if isinstance(event, ToolResult)]


def long(role: Any, count: int) -> Message:
    return Message(role, " ".join(["word"] * count))

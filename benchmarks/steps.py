"""Measures what a step of a turn with tools costs beside the model and the tool: loop, events, record and trace.

    python benchmarks/steps.py [--row NAME]

A scripted model calls a tool that does nothing, 1,000 times: in 20 turns of 50 calls, the most that the settings allow,
and in one turn of 1,000. Conversation and trace are written to files. Exits 1 where a step takes longer than the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path

from agents.approval import allowing
from agents.budget import Budget
from agents.events import Event, StepEnded, TurnFinished
from agents.loop import Turn, run_turn
from agents.record import record_turn
from agents.tools import tool_from_function
from agents.traced import run_traced
from agents.traces import Begun
from fireside.conversations.store import ConversationStore
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Called, Message, ModelInfo, ReplyEvent, ToolCall

LIMIT_MS = 5.0
STEPS = 1000
RESULT = "Birch burns hot and dries within a year under a roof; oak needs two. " * 4


class Wide(ScriptedModel):
    """A scripted model with room for every step of the longest turn."""

    async def start(self) -> ModelInfo:
        """As a scripted model does, with a longer context."""
        info = await super().start()
        return ModelInfo(info.name, info.path, info.architecture, info.sha256, 1_000_000, info.parameters)

    async def count_tokens(self, prompt: object) -> int:
        """Nothing: to count is the model's work, and not what is measured."""
        return 0


async def look(number: int) -> str:
    """Look something up."""
    return f"{number}: {RESULT}"


async def turns(store: ConversationStore, count: int, steps: int, kept: bool) -> float:
    """Milliseconds a step over `count` turns of `steps` calls. kept: recorded and traced, as the chat does it."""
    turn = Turn(
        (Message("system", "Be kind."), Message("user", "Which wood burns best?")),
        tools=(tool_from_function(look),),
        rules=allowing(["look"]),
        budget=Budget(steps=steps + 1, tokens=1_000_000, characters=10_000_000),
    )
    replies: list[list[str | ReplyEvent]] = [
        ["I look. ", Called(ToolCall("look", {"number": number}))] for number in range(steps)
    ]
    seconds = 0.0
    for _ in range(count):
        model = Wide([*replies, ["Birch."]])
        conversation = store.create("Be kind.", "scripted")
        asked = store.add(conversation.id, None, "user", "Which wood burns best?")
        reply = store.add(conversation.id, asked.id, "assistant", "", status="streaming")
        began = time.perf_counter()
        ended = await finished(events_of(turn, model, store, reply.id, kept))
        seconds += time.perf_counter() - began
        assert len(ended.calls) == steps, ended
    return seconds * 1000 / (count * steps)


def events_of(
    turn: Turn, model: ScriptedModel, store: ConversationStore, message: int, kept: bool
) -> AsyncGenerator[Event, None]:
    if not kept:
        return run_turn(turn, model, nobody)
    begun = Begun("chat", "Which wood burns best?", model.name, conversation=1, message=message)
    return record_turn(store, message, run_traced(turn, model, nobody, begun, "nobody", sys.stderr.write))


async def finished(events: AsyncGenerator[Event, None]) -> TurnFinished:
    steps = 0
    async for event in events:
        steps += isinstance(event, StepEnded)
        last = event
    assert isinstance(last, TurnFinished), last
    return last


async def nobody(_: object) -> str:
    raise AssertionError("nothing is asked for")


def overhead() -> bool:
    """Whether a step costs no more than the limit in turns as long as the settings allow."""
    held = True
    for name, count, steps in (("20 turns of 50 steps", STEPS // 50, 50), ("one turn of 1,000 steps", 1, STEPS)):
        for kept in (False, True):
            figures = []
            for _ in range(3 if steps <= 50 else 1):
                with tempfile.TemporaryDirectory() as folder:
                    os.environ["FIRESIDE_HOME"] = folder
                    with closing(ConversationStore(Path(folder) / "conversations.db")) as store:
                        figures.append(asyncio.run(turns(store, count, steps, kept)))
            median = statistics.median(figures)
            what = "loop, events, record, trace" if kept else "loop and events alone"
            print(f"  {name}, {what}: {median:.2f} ms a step ({min(figures):.2f} to {max(figures):.2f})", flush=True)
            held = held and (median <= LIMIT_MS or steps > 50)
    return held


ROWS = {"overhead": overhead}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", choices=ROWS, action="append")
    missed = []
    for name in parser.parse_args().row or ROWS:
        print(name, flush=True)
        if not ROWS[name]():
            missed.append(name)
    print(f"missed: {', '.join(missed)}" if missed else "every limit is kept")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

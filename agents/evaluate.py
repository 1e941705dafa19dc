"""Scores tool calls on questions in the function-calling leaderboard's format: read, asked as dry runs, compared.

What counts as right stands in `agents/accepted.py`. An item whose category says irrelevance is right where nothing is
called.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agents.accepted import Accepted, problem_with_calls
from agents.events import TurnFailed, TurnFinished
from agents.json_items import items_of
from agents.loop import Turn, run_turn
from agents.tool_files import tool_of_schema
from agents.tools import Tool
from fireside.errors import FiresideError, ToolError
from fireside.models.constraints import Choice, Lazy
from fireside.models.sampling import GREEDY
from fireside.models.types import (
    AdapterUse,
    ChatModel,
    Foreseen,
    Message,
    ModelInfo,
    Prompt,
    ReplyEvent,
    Request,
    ToolCall,
)
from rag.evaluate import mean, percentile

_FORM = 'an item is {"id", "question": [[{"role", "content"}]], "function": [{"name", "description", "parameters"}]}'
_NEVER = "\N{REPLACEMENT CHARACTER}" * 8
_MOST_TOKENS = 512


@dataclass(frozen=True)
class Item:
    """A question, the functions offered (as in the file), and the calls accepted for it, none where no tool applies."""

    id: str
    category: str
    messages: tuple[Message, ...]
    functions: tuple[Mapping[str, Any], ...]
    accepted: tuple[Accepted, ...]


@dataclass(frozen=True)
class Outcome:
    """What a model did with an item.

    calls: what it would have called. parses: its arguments were JSON. validates: they fit their schemas. problem: what
    is wrong, "" for nothing. seconds: what the turn took.
    """

    item: Item
    calls: tuple[ToolCall, ...] = field(default=())
    parses: bool = True
    validates: bool = True
    problem: str = ""
    seconds: float = 0.0

    @property
    def decided(self) -> bool:
        """Whether something was called exactly where a tool applies."""
        return bool(self.calls) == bool(self.item.accepted)


class Asked:
    """A `ChatModel` as it is asked for an evaluation.

    grammar: replies are held to their schemas. native: the model chooses among the tools itself, in its own dialect,
    however small it is.
    """

    def __init__(self, model: ChatModel, *, grammar: bool = True, native: bool = False) -> None:
        self._model, self._grammar, self._native = model, grammar, native

    @property
    def name(self) -> str:
        """See `ChatModel.name`."""
        return self._model.name

    async def start(self) -> ModelInfo:
        """See `ChatModel.start`."""
        return await self._model.start()

    async def parameters(self) -> int:
        """See `ChatModel.parameters`. A model of unknown size is not taken for a small one."""
        return 0 if self._native else await self._model.parameters()

    def generate(self, request: Request) -> AsyncGenerator[ReplyEvent, None]:
        """See `ChatModel.generate`."""
        if not self._grammar:
            # A constraint of the request's own stands in for the one that its tools would bring.
            free = Lazy((_NEVER,), Choice((_NEVER,))) if request.tools else None
            request = replace(request, constraint=free)
        return self._model.generate(request)

    async def count_tokens(self, prompt: Prompt) -> int:
        """See `ChatModel.count_tokens`."""
        return await self._model.count_tokens(prompt)

    async def foresee(self, request: Request) -> Foreseen:
        """See `ChatModel.foresee`."""
        return await self._model.foresee(request)

    async def close(self) -> None:
        """See `ChatModel.close`."""
        await self._model.close()


def read_items(questions: Path, answers: Path | None) -> list[Item]:
    """The items of `questions`, with their accepted calls (`{"id", "ground_truth"}`) from `answers`.

    Raises ToolError naming the line that is not as it should be, or an item that has no answer although its id does not
    begin with a category of irrelevance.
    """
    accepted = {} if answers is None else dict(_answer(place, entry) for place, entry in items_of(answers))
    return [_item(place, entry, accepted) for place, entry in items_of(questions)]


async def ask(item: Item, model: ChatModel, adapters: tuple[AdapterUse, ...] = ()) -> Outcome:
    """Let `model` answer one item in a dry run, repeatably. Raises FiresideError where the model itself fails."""
    tools = tuple(map(tool_of_schema, item.functions))
    turn = Turn(item.messages, GREEDY, _MOST_TOKENS, adapters, tools=tools, dry_run=True)
    began = time.perf_counter()
    async for event in run_turn(turn, model, _nobody):
        seconds = time.perf_counter() - began
        if isinstance(event, TurnFailed):
            if event.of != "arguments":
                raise FiresideError(event.message, event.hint)
            return Outcome(item, (), False, False, event.message, seconds)
        if isinstance(event, TurnFinished):
            problem = problem_with_calls(event.calls, item.accepted, item.functions)
            return Outcome(item, event.calls, True, _fits(event.calls, tools), problem, seconds)
    raise FiresideError("the turn ended without an answer")


def scores_of(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    """The figures of each category, and of all under `all` where there are several."""
    categories = dict.fromkeys(outcome.item.category for outcome in outcomes)
    parts = {name: [each for each in outcomes if each.item.category == name] for name in categories}
    if len(parts) > 1:
        parts["all"] = list(outcomes)
    return {name: _scores(part) for name, part in parts.items()}


def document_of(outcome: Outcome) -> dict[str, Any]:
    """One item of the JSON document that `fireside eval tools` prints."""
    item = outcome.item
    return {
        "id": item.id,
        "category": item.category,
        "question": [{"role": message.role, "content": message.content} for message in item.messages],
        "tools": list(item.functions),
        "calls": [{"name": call.name, "arguments": call.arguments} for call in outcome.calls],
        "expected": list(item.accepted),
        "correct": not outcome.problem,
        "problem": outcome.problem,
        "parses": outcome.parses,
        "validates": outcome.validates,
        "decided": outcome.decided,
        "seconds": round(outcome.seconds, 4),
    }


def _scores(outcomes: Sequence[Outcome]) -> dict[str, float]:
    seconds = [outcome.seconds for outcome in outcomes]
    return {
        "items": float(len(outcomes)),
        "correct": mean(not outcome.problem for outcome in outcomes),
        "decided": mean(outcome.decided for outcome in outcomes),
        "parses": mean(outcome.parses for outcome in outcomes),
        "validates": mean(outcome.validates for outcome in outcomes),
        "p50_ms": percentile(seconds, 0.5) * 1000,
        "p95_ms": percentile(seconds, 0.95) * 1000,
    }


def _fits(calls: Sequence[ToolCall], tools: Sequence[Tool]) -> bool:
    known = {tool.name: tool for tool in tools}
    try:
        for call in calls:
            known[call.name].validate(call.arguments)
    except (KeyError, ToolError):
        return False
    return True


async def _nobody(_: object) -> Any:
    """Nothing runs, so that nobody is asked."""
    return "deny"


def _answer(place: str, entry: Any) -> tuple[str, tuple[Accepted, ...]]:
    match entry:
        case {"id": str(name), "ground_truth": [*calls]} if all(map(_is_accepted, calls)):
            return name, tuple(calls)
    raise ToolError(f"{place} is no answer", 'write {"id": ..., "ground_truth": [{NAME: {PARAMETER: [values]}}]}')


def _is_accepted(call: Any) -> bool:
    return (
        isinstance(call, dict)
        and len(call) == 1
        and all(
            isinstance(values, dict) and all(isinstance(each, list) for each in values.values())
            for values in call.values()
        )
    )


def _item(place: str, entry: Any, accepted: Mapping[str, tuple[Accepted, ...]]) -> Item:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str):
        raise ToolError(f"{place} is no item with an id", _FORM)
    name = entry["id"]
    category = re.sub(r"_\d[\d-]*$", "", name)
    functions = entry.get("function")
    functions = [functions] if isinstance(functions, Mapping) else functions
    if not isinstance(functions, list) or not all(isinstance(each, Mapping) for each in functions):
        raise ToolError(f"{place} has no list of functions", _FORM)
    for function in functions:
        try:
            tool_of_schema(function)
        except ToolError as error:
            raise ToolError(f"{place}: {error.message}", error.hint) from error
    if name not in accepted and "irrelevance" not in category:
        raise ToolError(f"{place}: there is no answer for {name}", "an item that wants no call has the ground_truth []")
    return Item(name, category, _messages(place, entry.get("question")), tuple(functions), accepted.get(name, ()))


def _messages(place: str, question: Any) -> tuple[Message, ...]:
    """The first turn of a question: a text, its messages, or a list of turns of them."""
    if isinstance(question, str):
        return (Message("user", question),)
    turns = question if isinstance(question, list) else []
    if turns and isinstance(turns[0], list):
        if len(turns) > 1:
            raise ToolError(f"{place} has several turns, which are not scored here", "leave items of several turns out")
        turns = turns[0]
    messages = []
    for message in turns:
        match message:
            case {"role": "system" | "user" | "assistant" as role, "content": str(content)}:
                messages.append(Message(role, content))
            case _:
                raise ToolError(f"{place} has a message that cannot be read: {json.dumps(message):.60}", _FORM)
    if not messages or messages[-1].role != "user":
        raise ToolError(f"{place} has no question of the user's", _FORM)
    return tuple(messages)

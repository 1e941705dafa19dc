"""The tools' half of a turn: choose, hold to the schema, approve, run, observe, again and again inside a budget."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from agents import choose, own_tools, prompts
from agents.approval import Rule, decide
from agents.budget import Limit, Spent, goes_round, left, used_up
from agents.context import shorten_results
from agents.events import (
    ApprovalAsked,
    BudgetReached,
    Delegated,
    Event,
    PlanChanged,
    ResultsShortened,
    StepEnded,
    TextDelta,
    ToolCallAsked,
    ToolResult,
    ToolsNarrowed,
)
from agents.reply import OutOfTime, Reply
from agents.state import RunState
from agents.tools import Tool, in_thread, run_tool
from agents.turn import Answer, Approve, Turn
from fireside.errors import FiresideError, ToolError
from fireside.models.types import ChatModel, Message, ToolCall, ToolSpec
from fireside.text import for_terminal_line, visible

MOST_OFFERED = 12
"""Tools put before the model; of more, those nearest to the question. More of them cost context and mislead."""

MOST_REPAIRS = 2
"""Invalid calls in a row that the model may correct; the next one ends the tools."""

_LONGEST_SOURCE = 100
_LONGEST_SCHEMA = 2000
_PREVIEW_S = 5.0


@dataclass(frozen=True)
class _Ready:
    """A call that may run."""

    number: int
    call: ToolCall
    tool: Tool


class ToolSteps:
    """The tool calls of one turn.

    messages: the conversation with the calls and their results. calls: made so far. answered: the model has written its
    answer, so that none has to be asked for.
    """

    def __init__(self, turn: Turn, model: ChatModel, approve: Approve, reply: Reply, state: RunState) -> None:
        """state: where the turn stands."""
        self._turn, self._model, self._approve, self._reply = turn, model, approve, reply
        self._question = turn.messages[-1].content
        self._rules = list(turn.rules)
        self._pending = state.pending
        self._broken_off = bool(state.pending)
        self._repairs = state.repairs
        self._before = state.spent
        self._began = time.monotonic()
        self._waited = 0.0
        self._characters, self._steps = 0, 0
        self._happening: asyncio.Queue[Event | None] = asyncio.Queue()
        self._over = False
        self.messages = state.messages
        self.calls = list(state.calls)
        self.untrusted = list(dict.fromkeys([*turn.untrusted, *state.untrusted]))
        self.answered = False

    async def events(self) -> AsyncGenerator[Event, None]:
        """Every step, until the model calls no tool, or may not call one any more."""
        tools = await self._offered()
        if len(tools) < len(self._turn.tools):
            yield ToolsNarrowed(tuple(tool.name for tool in tools), len(self._turn.tools))
        if not await self._reply.model_is_small():
            tools += own_tools.of_turn(self._turn, self._delegate)
        known = {tool.name: tool for tool in tools}
        try:
            while not self._over:
                # Where no further call is allowed, the model may still answer; what it calls then stops it.
                if (limit := used_up(self._turn.budget, self.spent)) in ("tokens", "seconds"):
                    yield self._stopped(limit)
                    return
                calls = self._pending
                if not calls:
                    async with aclosing(self._next(tools)) as events:
                        async for event in events:
                            yield event
                    calls = tuple(self._reply.called)
                if not calls:
                    return
                self._pending = ()
                yield StepEnded(self._state(calls))
                async with aclosing(self._run(calls, known)) as events:
                    async for event in events:
                        yield event
                if self._turn.dry_run:
                    return
                yield StepEnded(self._state())
        except OutOfTime:
            yield self._stopped("seconds")

    @property
    def spent(self) -> Spent:
        """What the turn has used so far."""
        return self._before.plus(
            steps=self._steps,
            tokens=self._reply.written_tokens,
            seconds=time.monotonic() - self._began - self._waited,
            characters=self._characters,
        )

    async def _offered(self) -> list[Tool]:
        """The tools that the model sees."""
        if len(self._turn.tools) <= MOST_OFFERED:
            return list(self._turn.tools)
        return await asyncio.to_thread(choose.nearest_tools, self._question, self._turn.tools, MOST_OFFERED)

    async def _next(self, tools: Sequence[Tool]) -> AsyncGenerator[Event, None]:
        """Ask the model what to do: `reply.called` then holds its calls, none where it answered."""
        remaining = left(self._turn.budget, self.spent)
        self._reply.deadline = asyncio.get_running_loop().time() + remaining.seconds
        if await self._reply.model_is_small():
            self._reply.called = await self._small_call(tools)
            return
        specs = [ToolSpec(tool.name, tool.description, tool.parameters) for tool in tools]
        self.messages, count = await shorten_results(self.messages, self._model, self._turn.max_tokens, specs)
        if count:
            yield ResultsShortened(count)
        most = min(self._turn.max_tokens, remaining.tokens)
        # What the documents do not answer is not answered without them: only a tool can help there.
        unseen = self._turn.library is not None and not self.calls
        before = self._reply.text
        async with aclosing(self._reply.write(self.messages, tools=specs, max_tokens=most)) as events:
            async for event in events:
                if not (unseen and isinstance(event, TextDelta)):
                    yield event
        if unseen:
            self._reply.text = before
        self.answered = not (self._reply.called or unseen)

    async def _small_call(self, tools: Sequence[Tool]) -> list[ToolCall]:
        """The encoder's choices with arguments held to the message; made once a turn: the message alone cannot tell
        whether the first results were enough."""
        if self.calls:
            return []
        chosen = await asyncio.to_thread(choose.chosen_tools, self._question, tools)
        return [ToolCall(tool.name, await self._reply.arguments(said, tool)) for said, tool in chosen]

    async def _run(self, calls: Sequence[ToolCall], known: dict[str, Tool]) -> AsyncGenerator[Event, None]:
        """Make the calls of one step, neighbours side by side and sequential tools alone; the model then sees all."""
        written = self._reply.take_text()
        done = 0
        for group in _groups(calls, known):
            before = len(self.calls)
            ready: list[_Ready] = []
            results: list[ToolResult] = []
            reached: BudgetReached | None = None
            for call in group:
                if limit := used_up(self._turn.budget, self.spent):
                    reached = self._stopped(limit)
                    break
                if goes_round(self.calls, call):
                    self._over, self._reply.finish = True, "loop"
                    break
                self.calls.append(call)
                self._steps += 1
                yield ToolCallAsked(call, len(self.calls))
                if self._turn.dry_run:
                    continue
                outcome = self._checked(call, len(self.calls), known)
                if isinstance(outcome, _Ready) and (asked := await self._decided(outcome)):
                    if isinstance(asked, ApprovalAsked):
                        yield asked
                        outcome = await self._answered(asked, outcome)
                    else:
                        outcome = asked
                if isinstance(outcome, _Ready):
                    ready.append(outcome)
                    continue
                results.append(self._told(outcome))
                yield results[-1]
                if self._repairs > MOST_REPAIRS:
                    self._over, self._reply.finish = True, "invalid"
                    break
            async with aclosing(self._together(ready)) as events:
                async for event in events:
                    if isinstance(event, ToolResult):
                        results.append(event)
                    yield event
            if not self._turn.dry_run:
                self._observe(written, self.calls[before:], sorted(results, key=lambda each: each.number), known)
            written, done = "", done + len(group)
            if reached:
                yield reached
            if self._over:
                break
            if done < len(calls) and not self._turn.dry_run:
                yield StepEnded(self._state(tuple(calls[done:])))
        self._broken_off = False

    def _checked(self, call: ToolCall, number: int, known: dict[str, Tool]) -> _Ready | ToolResult:
        """The call with its tool; or what is wrong with it, for the model to correct."""
        tool = known.get(call.name)
        try:
            if tool is None:
                raise ToolError(f"there is no tool {call.name!r}; there are: {', '.join(known)}")
            tool.validate(call.arguments)
        except FiresideError as error:
            self._repairs += 1
            text = for_terminal_line(error.message, 500)
            if tool is not None:
                schema = prompts.schema_line(tool)
                text += f"\nThe arguments have this JSON schema: {schema[:_LONGEST_SCHEMA]}"
            return ToolResult(call, "invalid", text, number)
        self._repairs = 0
        return _Ready(number, call, tool)

    async def _decided(self, ready: _Ready) -> ApprovalAsked | ToolResult | None:
        """What stands between a call and its run: a question to the person, a denial, or nothing."""
        call, tool = ready.call, ready.tool
        verdict = decide(tool, call.arguments, self._rules, self.untrusted)
        if verdict.decision == "deny":
            return ToolResult(call, "denied", verdict.reason, ready.number)
        reason = verdict.reason
        if verdict.decision == "allow":
            if not self._broken_off or tool.traits.risk == "reads":
                return None
            reason = "the turn was broken off before, and this call may have run already"
        return ApprovalAsked(
            call, reason, ready.number, tool.traits.risk, await self._preview(ready), tuple(self.untrusted)
        )

    async def _answered(self, asked: ApprovalAsked, ready: _Ready) -> _Ready | ToolResult:
        """The call, where the person allows it."""
        answer = await self._asked(asked)
        if answer == "always":
            self._rules.append(Rule(ready.tool.name, "allow"))
        if answer not in ("once", "always"):
            return ToolResult(ready.call, "denied", "the person did not allow this call", ready.number)
        if asked.preview != await self._preview(ready):
            text = "what the call would do has changed since the person was asked"
            return ToolResult(ready.call, "denied", text, ready.number)
        return ready

    async def _asked(self, asked: ApprovalAsked) -> Answer:
        """The person's answer. The time they take is not the turn's."""
        began = time.monotonic()
        try:
            return await self._approve(asked)
        finally:
            self._waited += time.monotonic() - began

    async def _preview(self, ready: _Ready) -> str:
        """What the call will do, in the tool's own words, everything in it visible. Where it cannot tell, its arguments
        have to do."""
        make = ready.tool.traits.preview
        if make is None:
            return ""
        try:
            async with asyncio.timeout(_PREVIEW_S):
                return visible(await in_thread(lambda: make(ready.call.arguments)))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # a tool is anybody's code
            return f"[what it will do cannot be shown: {type(error).__name__}]"

    async def _together(self, ready: Sequence[_Ready]) -> AsyncGenerator[Event, None]:
        """Run calls side by side: first what happens in delegated work, then the results in the order of the calls."""
        running = asyncio.gather(*map(self._result, ready))
        running.add_done_callback(lambda _: self._happening.put_nowait(None))
        try:
            while (event := await self._happening.get()) is not None:
                yield event
        finally:
            running.cancel()  # closed early: no call outlives the turn
            await asyncio.wait([running])
        for each, result in zip(ready, running.result(), strict=True):
            yield result
            if each.tool.name == own_tools.PLAN and result.status == "done":
                yield PlanChanged(own_tools.plan_of(each.call.arguments))

    async def _result(self, ready: _Ready) -> ToolResult:
        began = time.monotonic()
        # The work of another turn ends by that turn's own budget, and the person takes their time.
        unbounded = ready.tool.traits.person or ready.tool.name == own_tools.DELEGATE
        rest = None if unbounded else left(self._turn.budget, self.spent).seconds
        status: Literal["done", "failed"] = "done"
        try:
            text = await run_tool(ready.tool, ready.call.arguments, rest)
        except FiresideError as error:
            status, text = "failed", error.message
        seconds = time.monotonic() - began
        if ready.tool.traits.person:
            self._waited += seconds
        if ready.tool.traits.untrusted:
            self._hears_of(ready)
        return self._told(ToolResult(ready.call, status, text, ready.number, seconds))

    def _told(self, result: ToolResult) -> ToolResult:
        """The result, as much of it as the turn may still read."""
        room = max(self._turn.budget.characters - self.spent.characters, 0)
        if len(result.text) > room:
            result = replace(result, text=f"{result.text[:room]}\n[cut: the turn may read no more]")
        self._characters += min(len(result.text), room)
        return result

    def _hears_of(self, ready: _Ready) -> None:
        """From here on, what the model asks for may be what a document or a page told it to."""
        values = ", ".join(str(value) for value in ready.call.arguments.values())
        source = for_terminal_line(f"{ready.tool.name}({values})", _LONGEST_SOURCE)
        if source not in self.untrusted:
            self.untrusted.append(source)

    def _observe(
        self, written: str, calls: Sequence[ToolCall], results: Sequence[ToolResult], known: dict[str, Tool]
    ) -> None:
        """Put what the model wrote, its calls and their results into the conversation that it sees."""
        if not (written or calls):
            return
        said = Message("assistant", written, tuple(calls))
        told = []
        for result in results:
            tool = known.get(result.call.name)
            data = tool is not None and tool.traits.untrusted and result.status in ("done", "failed")
            told.append(Message("tool", prompts.as_data(result.text) if data else result.text, tool=result.call.name))
        self.messages = (*self.messages, said, *told)

    async def _delegate(self, task: str) -> str:
        """Give a part of the work to a turn of its own, with half of what is left, and return what it answered."""
        from agents.loop import run_turn

        rest = left(self._turn.budget, self.spent)
        part = replace(
            self._turn,
            messages=prompts.delegated(self._turn.messages, task),
            rules=tuple(self._rules),
            untrusted=tuple(self.untrusted),
            budget=replace(rest, steps=rest.steps // 2, tokens=rest.tokens // 2, seconds=rest.seconds / 2),
            library=None,
            delegates=False,
            resume=None,
            keep=False,
        )
        number = len(self.calls)  # it runs alone, behind the calls before it
        work = own_tools.Part(lambda event: self._happening.put_nowait(Delegated(number, event)), self.untrusted)
        try:
            return await work.answer(run_turn(part, self._model, self._asked))
        finally:
            self._reply.charge(work.tokens)
            self._steps += work.steps
            self._characters += work.characters

    def _state(self, pending: tuple[ToolCall, ...] = ()) -> RunState:
        return RunState(
            self.messages,
            tuple(self.calls),
            pending,
            self._reply.text,
            self._reply.seen,
            self.spent,
            tuple(self.untrusted),
            self._repairs,
        )

    def _stopped(self, limit: Limit) -> BudgetReached:
        self._reply.finish = "budget"
        self._over = True
        return BudgetReached(limit)


def _groups(calls: Sequence[ToolCall], known: dict[str, Tool]) -> Iterator[list[ToolCall]]:
    """The calls in order: neighbours that may run side by side together, a sequential tool's alone."""

    def place(numbered: tuple[int, ToolCall]) -> int:
        number, call = numbered
        return number if call.name in known and known[call.name].traits.sequential else -1

    for _, group in groupby(enumerate(calls), key=place):
        yield [call for _, call in group]

"""A turn's reply under way: what the model writes for it, seen and unseen, and the tokens and the time that takes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from agents import small_call
from agents.context import fit
from agents.events import Finish, TextDelta, ThinkingDelta, TurnFinished, TurnsDropped
from agents.quoting import QuotedReply
from agents.tools import Tool
from agents.turn import Turn
from fireside.errors import ModelError, ToolError
from fireside.models.constraints import JsonSchema
from fireside.models.sampling import GREEDY
from fireside.models.types import (
    Called,
    ChatModel,
    Delta,
    Finished,
    Message,
    ReplyEvent,
    Request,
    Thinking,
    Timings,
    ToolCall,
    ToolSpec,
    Usage,
)
from rag.types import Citation

SMALL_MODEL = 500_000_000
"""Below this many parameters the program decides for the model: which tool a message needs, and what of a document
answers it. Qwen3-0.6B turns 81 % of irrelevant tool requests away (BFCL v4); the bundled model none well."""


MOST_ARGUMENT_TOKENS = 512


class OutOfTime(Exception):
    """The turn has no more time for the model."""


class UnreadableArguments(ToolError):
    """What the model wrote for the arguments of a call is no JSON object."""


class Reply:
    """What has been written, cited and counted so far.

    dropped: how many messages of the conversation are no longer shown to the model. finish: why the reply ended.
    called: the tools that the model asked for when it last wrote. deadline: the event loop's time at which the model is
    stopped with OutOfTime, or None.
    """

    def __init__(self, turn: Turn, model: ChatModel) -> None:
        self._turn, self._model = turn, model
        self._began = time.monotonic()
        self._usage, self._timings = Usage(), Timings()
        self.text, self.thinking = turn.reply_prefix, ""
        self.finish: Finish = "stop"
        self.dropped = 0
        self.called: list[ToolCall] = []
        self.deadline: float | None = None
        self._seen = 0
        self.citations: tuple[Citation, ...] = ()
        self.unsupported: tuple[str, ...] = ()

    async def model_is_small(self) -> bool:
        """Whether the model is known to be small: a server may not tell how large its model is."""
        return 0 < await self._model.parameters() < SMALL_MODEL

    async def unseen(self, request: Request) -> str:
        """What the model writes, collected; the person does not see it."""
        pieces: list[str] = []
        async with aclosing(self._generated(request)) as events:
            async for event in events:
                if isinstance(event, Delta):
                    pieces.append(event.text)
                elif isinstance(event, Finished):
                    self._count(event)
        return "".join(pieces)

    async def arguments(self, message: str, tool: Tool) -> dict[str, Any]:
        """Arguments for the call of `tool` that `message` asks for, held to its schema; unseen and repeatable. Raises
        UnreadableArguments."""
        prompt, schema = small_call.prompt_and_schema(message, tool)
        held = JsonSchema(schema)
        request = Request(prompt, GREEDY, MOST_ARGUMENT_TOKENS, self._turn.adapters, constraint=held, stop=("\n",))
        try:
            arguments = json.loads(await self.unseen(request))
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            message = f"the arguments that the model wrote for {tool.name} cannot be read as a JSON object"
            raise UnreadableArguments(message, "ask in other words")
        return arguments

    async def write(
        self,
        messages: Sequence[Message],
        quoted: QuotedReply | None = None,
        tools: Sequence[ToolSpec] = (),
        max_tokens: int | None = None,
    ) -> AsyncGenerator[TextDelta | ThinkingDelta | TurnsDropped, None]:
        """The reply the person sees. Passages or tool results may have made the conversation longer than it was.

        quoted: takes the text first, and tells what the model copies from its answer. tools: what the model may call;
        `called` then holds its calls. max_tokens: the turn's where None.
        """
        most = self._turn.max_tokens if max_tokens is None else max_tokens
        begun = (Message("assistant", prefix),) if (prefix := self._turn.reply_prefix) else ()
        fitting, dropped = await fit((*messages, *begun), self._model, most)
        fitting = fitting[: len(fitting) - len(begun)]
        if dropped:
            yield TurnsDropped(self.dropped + dropped)
        request = Request(
            fitting,
            self._turn.sampling,
            most,
            self._turn.adapters,
            tools=tuple(tools),
            reply_prefix=prefix,
            keep=self._turn.keep,
        )
        first_token_s = 0.0
        self.called = []
        async with aclosing(self._generated(request)) as events:
            async for event in events:
                if not isinstance(event, Finished):
                    first_token_s = first_token_s or time.monotonic() - self._began
                match event:
                    case Delta(text):
                        for event_of_text in self._told(*(quoted.push(text) if quoted else ("", text))):
                            yield event_of_text
                    case Thinking(text):
                        self.thinking += text
                        yield ThinkingDelta(text)
                    case Called(call) if tools:
                        self.called.append(call)
                    case Finished(reason, _, timings):
                        self._count(event)
                        self._timings = replace(
                            self._timings, first_token_s=first_token_s, tokens_per_s=timings.tokens_per_s
                        )
                        if self.finish == "stop" and not self.called:
                            self.finish = reason
        for event_of_text in self._told(*(quoted.close() if quoted else ("", ""))):
            yield event_of_text

    @property
    def seen(self) -> int:
        """How many characters of the text the model has been given back as its own."""
        return self._seen

    def go_on(self, text: str, seen: int) -> None:
        """Go on from a text that was told before, its first `seen` characters given back to the model."""
        self.text, self._seen = text, min(seen, len(text))

    def charge(self, tokens: int) -> None:
        """Count tokens that another turn wrote for this one."""
        self._usage = replace(self._usage, completion_tokens=self._usage.completion_tokens + tokens)

    def take_text(self) -> str:
        """What the model wrote for the person since this was last asked for."""
        text, self._seen = self.text[self._seen :], len(self.text)
        return text.strip()

    @property
    def written_tokens(self) -> int:
        """Tokens that the model has written in this turn, seen and unseen."""
        return self._usage.completion_tokens

    def shown(self, text: str) -> TextDelta:
        """The whole reply at once, where the model did not write it before the person's eyes."""
        self.text = text
        self._timings = replace(self._timings, first_token_s=time.monotonic() - self._began)
        return TextDelta(text)

    def finished(
        self, calls: Sequence[ToolCall] = (), *, refused: bool = False, untrusted: Sequence[str] = ()
    ) -> TurnFinished:
        """The turn's last event."""
        return TurnFinished(
            self.text,
            self.finish,
            refused,
            self.citations,
            tuple(calls),
            self._usage,
            self._timings,
            self.thinking,
            self.unsupported,
            tuple(untrusted),
        )

    async def _generated(self, request: Request) -> AsyncGenerator[ReplyEvent, None]:
        """The model's events, none after the deadline."""
        async with aclosing(self._model.generate(request)) as events:
            while True:
                limit = asyncio.timeout_at(self.deadline)
                try:
                    async with limit:
                        event = await anext(events)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    if limit.expired():
                        raise OutOfTime from error
                    raise ModelError("the model did not answer in time", "send again") from error
                yield event

    def _told(self, copied: str, answer: str) -> Iterator[TextDelta | ThinkingDelta]:
        """A piece of the reply, what is copied for it among the thoughts."""
        if answer and self._seen == len(self.text) > 0:
            answer = f"\n\n{answer}"  # it goes on behind a tool
        self.thinking += copied
        self.text += answer
        if copied:
            yield ThinkingDelta(copied)
        if answer:
            yield TextDelta(answer)

    def _count(self, finished: Finished) -> None:
        """Add one generation to the turn's usage and times."""
        new, usage = finished.usage, self._usage
        self._usage = Usage(
            usage.prompt_tokens + new.prompt_tokens,
            usage.cached_tokens + new.cached_tokens,
            usage.completion_tokens + new.completion_tokens,
            usage.drafted_tokens + new.drafted_tokens,
            usage.accepted_tokens + new.accepted_tokens,
        )
        self._timings = replace(
            self._timings,
            load_s=self._timings.load_s + finished.timings.load_s,
            prefill_s=self._timings.prefill_s + finished.timings.prefill_s,
        )

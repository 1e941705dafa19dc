"""The turn loop, the only place that runs a turn: documents, then tools, then the model's answer, as typed events.

A turn with a library first searches it. If the passages found bear on the question (decided by scores, outside the
model), the model answers from them and the reply is checked against them; if not, and no tool helps, the turn is
refused. A turn with tools lets the model choose one, or none, again and again: choice and arguments are constrained,
so that a small model cannot write an invalid call.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from agents import prompts
from agents.choose import nearest_tool
from agents.context import fit
from agents.events import (
    ApprovalAsked,
    CitationChecked,
    Event,
    PassagesFound,
    TextDelta,
    ThinkingDelta,
    ToolCallAsked,
    ToolResult,
    TurnFailed,
    TurnFinished,
    TurnsDropped,
)
from agents.prompts import REFUSAL
from agents.quoting import QuotedReply
from agents.tools import Tool, run_tool
from agents.turn import Answer as Answer
from agents.turn import Approve as Approve
from agents.turn import Turn as Turn
from fireside.errors import FiresideError, ToolError
from fireside.models.constraints import Choice, Constraint, JsonSchema
from fireside.models.dialects import CALL_BEGIN
from fireside.models.sampling import GREEDY
from fireside.models.types import (
    ChatModel,
    Delta,
    Finished,
    FinishReason,
    Message,
    Request,
    Thinking,
    Timings,
    ToolCall,
    Usage,
)
from rag.types import Citation, Document

if TYPE_CHECKING:
    from rag.library import Library

_MOST_ARGUMENT_TOKENS = 512
_MOST_UNSEEN_TOKENS = 128

SMALL_MODEL = 500_000_000
"""Below this many parameters the program decides for the model: which tool a message needs, and whether its words about
a document are shown. Qwen3-0.6B turns 81 % of irrelevant tool requests away (BFCL v4); the bundled model none well."""


async def run_turn(turn: Turn, model: ChatModel, approve: Approve) -> AsyncGenerator[Event, None]:
    """Run one turn; the last event is TurnFinished or TurnFailed. Closing the iterator stops the model at once.

    approve: asked before every call of a tool that is not in `turn.allowed`; anything but "once" or "always" denies it.
    """
    run = _Run(turn, model, approve)
    try:
        async with aclosing(run.events()) as events:
            async for event in events:
                yield event
    except FiresideError as error:
        yield TurnFailed(error.message, error.hint)


class _Run:
    """One turn under way: what has been written, called and counted so far."""

    def __init__(self, turn: Turn, model: ChatModel, approve: Approve) -> None:
        self._turn, self._model, self._approve = turn, model, approve
        self._began = time.monotonic()
        self._messages = turn.messages
        self._dropped = 0
        self._question = turn.messages[-1].content
        self._text = self._thinking = ""
        self._finish: FinishReason | Literal["loop", "budget"] = "stop"
        self._calls: list[ToolCall] = []
        self._citations: tuple[Citation, ...] = ()
        self._unsupported: tuple[str, ...] = ()
        self._allowed = set(turn.allowed)
        self._usage, self._timings = Usage(), Timings()

    async def events(self) -> AsyncGenerator[Event, None]:
        """The whole turn."""
        self._messages, self._dropped = await fit(self._turn.messages, self._model, self._turn.max_tokens)
        if self._dropped:
            yield TurnsDropped(self._dropped)
        if self._turn.library is not None:
            from rag import summary

            document = await asyncio.to_thread(summary.wanted, self._question, self._turn.library)
            if document is not None:
                async with aclosing(self._summary(document, self._turn.library)) as events:
                    async for event in events:
                        yield event
                return
            found = await self._passages(self._turn.library)
            yield found
            if found.relevant:
                async with aclosing(self._answer_from(found)) as events:
                    async for event in events:
                        yield event
                return
        if self._turn.tools:
            async with aclosing(self._tool_steps()) as events:
                async for event in events:
                    yield event
            if self._turn.dry_run:
                yield self._finished()
                return
        if self._turn.library is not None and not self._calls:
            yield self._shown(REFUSAL)
            yield self._finished(refused=True)
            return
        async with aclosing(self._write(self._messages)) as reply:
            async for event in reply:
                yield event
        yield self._finished()

    async def _passages(self, library: Library) -> PassagesFound:
        """Search the library for the question, off the event loop: it may load an encoder and an index."""
        from rag.relevance import bears_on, calibration_of

        def searched() -> PassagesFound:
            found = library.search(self._question, self._turn.passages)
            relevant = bears_on(self._question, found, library.encoder, calibration_of(library.folder))
            return PassagesFound(self._question, tuple(found), relevant)

        return await asyncio.to_thread(searched)

    async def _answer_from(self, found: PassagesFound) -> AsyncGenerator[Event, None]:
        """Answer from passages, every sentence checked against them and its source numbered."""
        from rag.render import prompt_passages

        # A boundary that no document can know keeps its text from posing as the prompt around it.
        rendered = prompt_passages(found.passages, secrets.token_hex(4))
        small = await self._model_is_small()
        messages = prompts.with_passages(self._messages, rendered, quote=not small)
        answer = self._supported_answer(messages, found) if small else self._streamed_answer(messages, found)
        async with aclosing(answer) as events:
            async for event in events:
                yield event
        for citation in self._citations:
            yield CitationChecked(citation)
        yield self._finished(refused=self._text.strip() == REFUSAL)

    async def _summary(self, document: Document, library: Library) -> AsyncGenerator[Event, None]:
        """Summarise a whole document: in its own sentences where the model is small, else in checked words."""
        from rag import summary

        async def write(task: str, text: str) -> str:
            messages, _ = await fit(
                prompts.about_text(task, text, secrets.token_hex(4)), self._model, _MOST_UNSEEN_TOKENS
            )
            return await self._unseen(Request(messages, GREEDY, _MOST_UNSEEN_TOKENS, self._turn.adapters))

        if await self._model_is_small():
            made = await asyncio.to_thread(summary.extract, document, library.encoder)
        else:
            made = await summary.written(document, library.encoder, write)
        self._citations, self._unsupported = made.citations, made.unsupported
        yield self._shown(made.text)
        for citation in self._citations:
            yield CitationChecked(citation)
        yield self._finished()

    async def _supported_answer(
        self, messages: Sequence[Message], found: PassagesFound
    ) -> AsyncGenerator[TextDelta | ThinkingDelta | TurnsDropped, None]:
        """A small model's words, shown only where all of them are the passages'; else the passages' own sentences."""
        from rag import cite

        assert self._turn.library is not None
        encoder = self._turn.library.encoder
        fitting, dropped = await fit(messages, self._model, _MOST_UNSEEN_TOKENS)
        if dropped:
            yield TurnsDropped(self._dropped + dropped)
        prose = await self._unseen(Request(fitting, GREEDY, _MOST_UNSEEN_TOKENS, self._turn.adapters))
        cited = await asyncio.to_thread(cite.cite, prose, found.passages, encoder)
        if cited.unsupported or not cited.verbatim or not cited.citations:
            cited = await asyncio.to_thread(cite.extract, found.query, found.passages, encoder)
        self._citations = cited.citations
        yield self._shown(cited.text)

    async def _streamed_answer(
        self, messages: Sequence[Message], found: PassagesFound
    ) -> AsyncGenerator[TextDelta | ThinkingDelta | TurnsDropped, None]:
        """A larger model's words as they come, what it copied before as its thoughts; what the passages say follows
        where they support no sentence of it."""
        from rag import cite

        assert self._turn.library is not None
        encoder = self._turn.library.encoder
        reply = QuotedReply()
        async with aclosing(self._write(messages, reply)) as events:
            async for event in events:
                yield event
        if self._text.strip() == REFUSAL:
            return
        cited = await asyncio.to_thread(cite.cite, self._text, found.passages, encoder, reply.copied)
        self._unsupported = cited.unsupported
        if not any(citation.verified for citation in cited.citations):
            extract = await asyncio.to_thread(cite.extract, found.query, found.passages, encoder)
            addition = f"\n\n{extract.text}"
            yield TextDelta(addition)
            cited = replace(extract, text=self._text + addition)
        self._text, self._citations = cited.text, cited.citations

    async def _tool_steps(self) -> AsyncGenerator[Event, None]:
        """Let the model call tools until it chooses none, repeats itself, or the step budget is used up."""
        while (tool := await self._chosen_tool()) is not None:
            if len(self._calls) == self._turn.max_steps:
                self._finish = "budget"
                return
            call = ToolCall(tool.name, await self._arguments(tool))
            if self._calls and call == self._calls[-1]:
                self._finish = "loop"
                return
            self._calls.append(call)
            yield ToolCallAsked(call)
            if self._turn.dry_run:
                return
            if tool.name not in self._allowed:
                asked = ApprovalAsked(call, f"{tool.name} is not allowed without asking")
                yield asked
                answer = await self._approve(asked)
                if answer == "always":
                    self._allowed.add(tool.name)
                elif answer != "once":
                    yield self._observed(call, "denied", "the person did not allow this call")
                    continue
            try:
                yield self._observed(call, "done", await run_tool(tool, call.arguments))
            except FiresideError as error:
                yield self._observed(call, "failed", error.message)

    def _observed(self, call: ToolCall, status: Literal["done", "denied", "failed"], text: str) -> ToolResult:
        """Put the call and its result into the conversation that the model sees."""
        self._messages = (
            *self._messages,
            Message("assistant", "", (call,)),
            Message("tool", text, tool=call.name),
        )
        return ToolResult(call, status, text)

    async def _chosen_tool(self) -> Tool | None:
        """The next tool, or None for an answer: the model's choice, or the encoder's where the model is too small."""
        tools = {tool.name: tool for tool in self._turn.tools}
        if await self._model_is_small():
            # One call a turn: the message alone cannot tell whether a first result was enough.
            return None if self._calls else await asyncio.to_thread(nearest_tool, self._question, self._turn.tools)
        name = await self._constrained(
            prompts.tool_choice(self._messages, self._turn.tools),
            prompts.CHOICE_PREFIX,
            Choice((*tools, prompts.NO_TOOL)),
        )
        return tools.get(name)

    async def _arguments(self, tool: Tool) -> dict[str, Any]:
        """Arguments for `tool`, held to its schema."""
        prefix = f'{CALL_BEGIN}{{"name": {json.dumps(tool.name)}, "arguments": '
        text = await self._constrained(
            prompts.tool_arguments(self._messages, tool), prefix, JsonSchema(tool.parameters)
        )
        try:
            arguments: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise ToolError(
                f"the arguments for {tool.name} did not end within {_MOST_ARGUMENT_TOKENS} tokens", "ask in other words"
            ) from error
        return arguments

    async def _model_is_small(self) -> bool:
        """Whether the model is known to be small: a server may not tell how large its model is."""
        return 0 < (await self._model.start()).parameters < SMALL_MODEL

    def _shown(self, text: str) -> TextDelta:
        """The whole reply at once, where the model did not write it before the person's eyes."""
        self._text = text
        self._timings = replace(self._timings, first_token_s=time.monotonic() - self._began)
        return TextDelta(text)

    async def _constrained(self, messages: Sequence[Message], reply_prefix: str, constraint: Constraint) -> str:
        """A short reply that the person does not see, constrained and repeatable."""
        fitting, _ = await fit(messages, self._model, _MOST_ARGUMENT_TOKENS)
        request = Request(
            fitting,
            GREEDY,
            _MOST_ARGUMENT_TOKENS,
            self._turn.adapters,
            constraint=constraint,
            reply_prefix=reply_prefix,
        )
        return await self._unseen(request)

    async def _unseen(self, request: Request) -> str:
        """What the model writes, collected."""
        pieces: list[str] = []
        async with aclosing(self._model.generate(request)) as events:
            async for event in events:
                if isinstance(event, Delta):
                    pieces.append(event.text)
                elif isinstance(event, Finished):
                    self._count(event)
        return "".join(pieces)

    async def _write(
        self, messages: Sequence[Message], quoted: QuotedReply | None = None
    ) -> AsyncGenerator[TextDelta | ThinkingDelta | TurnsDropped, None]:
        """The reply the person sees. Passages or tool results may have made the conversation longer than it was.

        quoted: takes the text first, and tells what the model copies from its answer.
        """
        fitting, dropped = await fit(messages, self._model, self._turn.max_tokens)
        if dropped:
            yield TurnsDropped(self._dropped + dropped)
        request = Request(
            fitting, self._turn.sampling, self._turn.max_tokens, self._turn.adapters, keep=self._turn.keep
        )
        first_token_s = 0.0
        async with aclosing(self._model.generate(request)) as events:
            async for event in events:
                if not isinstance(event, Finished):
                    first_token_s = first_token_s or time.monotonic() - self._began
                match event:
                    case Delta(text):
                        for event_of_text in self._told(*(quoted.push(text) if quoted else ("", text))):
                            yield event_of_text
                    case Thinking(text):
                        self._thinking += text
                        yield ThinkingDelta(text)
                    case Finished(reason, _, timings):
                        self._count(event)
                        self._timings = replace(
                            self._timings, first_token_s=first_token_s, tokens_per_s=timings.tokens_per_s
                        )
                        if self._finish == "stop":
                            self._finish = reason
        for event_of_text in self._told(*(quoted.close() if quoted else ("", ""))):
            yield event_of_text

    def _told(self, copied: str, answer: str) -> Iterator[TextDelta | ThinkingDelta]:
        """A piece of the reply, what is copied for it among the thoughts."""
        self._thinking += copied
        self._text += answer
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

    def _finished(self, *, refused: bool = False) -> TurnFinished:
        return TurnFinished(
            self._text,
            self._finish,
            refused,
            self._citations,
            tuple(self._calls),
            self._usage,
            self._timings,
            self._thinking,
            self._unsupported,
        )

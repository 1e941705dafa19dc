"""The documents' half of a turn: search for the question, or what it follows up on, and answer from what was found."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from agents import prompts
from agents.context import fit, room_for
from agents.events import CitationChecked, Event, PassagesFound, TextDelta, ThinkingDelta, TurnsDropped
from agents.prompts import REFUSAL
from agents.quoting import QuotedReply
from agents.reply import Reply
from agents.turn import Turn
from fireside.models.sampling import GREEDY
from fireside.models.types import ChatModel, Message, Request
from rag.encoded import EncodedOnce
from rag.types import Document, Passage

if TYPE_CHECKING:
    from rag.library import Library
    from rag.relevance import Calibration
    from rag.rewrite import Exchange

_MOST_UNSEEN_TOKENS = 128
_MOST_QUERY_TOKENS = 64


class DocumentAnswer:
    """What a library has to say to a turn's question; `answered` tells, at the end, whether it was anything, and
    `sources` which documents the model was shown."""

    def __init__(self, turn: Turn, library: Library, model: ChatModel, reply: Reply) -> None:
        self._turn, self._library, self._model, self._reply = turn, library, model, reply
        self._question = turn.messages[-1].content
        # The same sentences are weighed for relevance, for an extract and for citations.
        self._judge = EncodedOnce(library.judge)
        self.answered = False
        self.sources: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether the model found that the passages do not answer the question."""
        return self._reply.text.strip() == REFUSAL

    async def events(self) -> AsyncGenerator[Event, None]:
        """A summary, or passages and, where they bear on the question, the answer from them; then its citations."""
        from rag import summary

        document = await asyncio.to_thread(summary.wanted, self._question, self._library)
        if document is not None:
            self.answered, self.sources = True, (document.path,)
            yield await self._summary(document)
        else:
            found, small = await self._passages_and_size()
            yield found
            if not found.relevant:
                return
            self.answered, self.sources = True, tuple(dict.fromkeys(each.document for each in found.passages))
            if small:
                yield await self._extracted(found)
            else:
                async with aclosing(self._answer_from(found)) as events:
                    async for event in events:
                        yield event
        for citation in self._reply.citations:
            yield CitationChecked(citation)

    async def _passages_and_size(self) -> tuple[PassagesFound, bool]:
        """What was found and whether the model is small, at once; where either fails, the other is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                found, small = group.create_task(self._passages()), group.create_task(self._is_small())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return found.result(), small.result()

    async def _is_small(self) -> bool:
        """Whether the model is small; one that is not, and so will write, is loaded by the time this is told."""
        small = await self._reply.model_is_small()
        if not small:
            await self._model.start()
        return small

    async def _passages(self) -> PassagesFound:
        """Search for the question and, where it leans on the conversation, for what it stands for."""
        from rag import rewrite

        earlier = _exchanges(self._turn.messages[:-1])
        if not earlier or not rewrite.needs_context(self._question):
            return await self._searched(self._question)
        if await self._reply.model_is_small():
            query = rewrite.carried(self._question, earlier)
        else:
            query = await rewrite.written(self._question, earlier, self._written_query)
        found, alone = await self._searched(query), await self._searched(self._question)

        def leaning() -> bool:
            return rewrite.leans(
                rewritten=self._answering(query, found),
                alone=self._answering(self._question, alone),
                crossed=self._answering(self._question, found) if rewrite.has_own_words(self._question) else None,
                threshold=self._calibration.threshold,
            )

        return found if await asyncio.to_thread(leaning) else alone

    async def _searched(self, query: str) -> PassagesFound:
        """Search the library, off the event loop: it may load an encoder and an index."""

        def searched() -> PassagesFound:
            found = PassagesFound(query, tuple(self._library.search(query, self._turn.passages)), True)
            return replace(found, relevant=self._answering(query, found) >= self._calibration.threshold)

        return await asyncio.to_thread(searched)

    def _answering(self, question: str, found: PassagesFound) -> float:
        """The log-odds that what was found answers the question."""
        from rag.relevance import answering

        return answering(question, found.passages, self._judge, self._calibration)

    @cached_property
    def _calibration(self) -> Calibration:
        from rag.relevance import calibration_of

        return calibration_of(self._library)

    async def _written_query(self, task: str, text: str) -> str:
        return await self._unseen(prompts.about_text(task, text, secrets.token_hex(4)), _MOST_QUERY_TOKENS, ("\n",))

    async def _written_note(self, task: str, text: str) -> str:
        return await self._unseen(prompts.about_text(task, text, secrets.token_hex(4)), _MOST_UNSEEN_TOKENS)

    async def _unseen(self, messages: Sequence[Message], max_tokens: int, stop: tuple[str, ...] = ()) -> str:
        """A short repeatable reply that the person does not see."""
        fitting, _ = await fit(messages, self._model, max_tokens)
        return await self._reply.unseen(Request(fitting, GREEDY, max_tokens, self._turn.adapters, stop=stop))

    async def _summary(self, document: Document) -> TextDelta:
        """Summarise a whole document: in its own sentences where the model is small, else in checked words."""
        from rag import summary

        if await self._reply.model_is_small():
            made = await asyncio.to_thread(summary.extract, document, self._judge)
        else:
            made = await summary.written(document, self._judge, self._written_note)
        self._reply.citations, self._reply.unsupported = made.citations, made.unsupported
        return self._reply.shown(made.text)

    async def _answer_from(self, found: PassagesFound) -> AsyncGenerator[Event, None]:
        """Answer from passages in the model's words, every sentence checked against them and its source numbered."""
        conversation, dropped = await fit(self._turn.messages, self._model, self._turn.max_tokens)
        if dropped:
            self._reply.dropped = dropped
            yield TurnsDropped(dropped)
        passages, messages = await self._prompt(conversation, found.passages)
        if not passages:
            yield await self._extracted(found)
            return
        async with aclosing(self._streamed_answer(messages, found.query, passages)) as events:
            async for event in events:
                yield event

    async def _prompt(
        self, conversation: Sequence[Message], found: Sequence[Passage]
    ) -> tuple[Sequence[Passage], tuple[Message, ...]]:
        """The passages the model is shown, of those found, and the conversation with them in it.

        The best of them come, as many as fit beside the question, and then, where the context has room for it, the text
        around them; an old turn is worth less than a passage and more than what stands around one.
        """
        from rag.render import prompt_passages

        # A boundary that no document can know keeps its text from posing as the prompt around it.
        boundary = secrets.token_hex(4)

        def put(passages: Sequence[Passage]) -> tuple[Message, ...]:
            return prompts.with_passages(conversation, prompt_passages(passages, boundary))

        room = await room_for(self._turn.max_tokens, self._model)
        if not room:
            return found, put(found)
        whole = await self._model.count_tokens(put(found))
        if whole > room:
            first = [message for message in conversation[:1] if message.role == "system"]
            while found and await self._model.count_tokens((*first, put(found)[-1])) > room:
                found = found[:-1]
        elif self._turn.expand_tokens:
            # The encoder counts the passages here, the model the rest: what it then counts as too much stays out.
            budget = min(
                self._turn.expand_tokens,
                sum(self._judge.count_tokens([p.text for p in found])) + room - whole,
            )
            widened = await asyncio.to_thread(self._library.expand, found, budget)
            if await self._model.count_tokens(put(widened)) <= room:
                found = widened
        return found, put(found)

    async def _extracted(self, found: PassagesFound) -> TextDelta:
        """The passages' own sentences that fit the question best: what a small model wrote was hardly ever theirs, and
        a context may have no room for one passage."""
        from rag import cite

        cited = await asyncio.to_thread(cite.extract, found.query, found.passages, self._judge)
        self._reply.citations = cited.citations
        return self._reply.shown(cited.text)

    async def _streamed_answer(
        self, messages: Sequence[Message], query: str, passages: Sequence[Passage]
    ) -> AsyncGenerator[TextDelta | ThinkingDelta | TurnsDropped, None]:
        """A larger model's words as they come, what it copied before as its thoughts; what the passages say follows
        where they support no sentence of it."""
        from rag import cite

        quoted = QuotedReply()
        async with aclosing(self._reply.write(messages, quoted)) as events:
            async for event in events:
                yield event
        if self.refused:
            return
        cited = await asyncio.to_thread(cite.cite, self._reply.text, passages, self._judge, quoted.copied)
        self._reply.unsupported = cited.unsupported
        if not any(citation.verified for citation in cited.citations):
            extract = await asyncio.to_thread(cite.extract, query, passages, self._judge)
            addition = f"\n\n{extract.text}"
            yield TextDelta(addition)
            cited = replace(extract, text=self._reply.text + addition)
        self._reply.text, self._reply.citations = cited.text, cited.citations


def _exchanges(messages: Sequence[Message]) -> list[Exchange]:
    """The questions of a conversation and what was replied to each."""
    from rag.rewrite import Exchange

    asked = [place for place, message in enumerate(messages) if message.role == "user"]
    return [
        Exchange(
            messages[place].content,
            " ".join(each.content for each in messages[place + 1 : following] if each.role == "assistant"),
        )
        for place, following in pairwise([*asked, len(messages)])
    ]

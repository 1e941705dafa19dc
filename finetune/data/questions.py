"""Questions and answers about passages of documents: a model proposes them, and only what the passage says is kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Any

from fireside.models.constraints import JsonSchema
from fireside.models.sampling import Sampling
from fireside.models.types import ChatModel, Delta, Message, Request
from fireside.text import for_prompt

# Below this a model does not copy words faithfully; its answer is one of the passage's own sentences.
_COPIES_FAITHFULLY = 500_000_000
_SHORTEST_PASSAGE, _LONGEST_PASSAGE = 80, 4000
_SHORTEST_SENTENCE, _LONGEST_SENTENCE, _MOST_SENTENCES = 25, 400, 24
_LONGEST_ANSWER, _LONGEST_QUESTION = 600, 200
_MOST_TOKENS = 320
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|\n\s*\n")
_TELLING = re.compile(r"\w{4,}")
_ASKING = frozenset(
    {"what", "when", "where", "which", "whose", "whom", "does", "were", "that", "this", "these", "those"}
)
# A model that chose a sentence badly asks about something else; so many words of the question must stand in it.
_WORDS_SHARED = 2
_MOST_COPIED = 8  # words; the three of six questions of the bundled model that copied more asked nothing
_TASK = (
    "Write one question that the passage answers, and its answer. The answer is copied word for word from the passage. "
    "The question can be understood without seeing the passage: it names what it asks about."
)


@dataclass(frozen=True)
class Span:
    """A stretch of a document: `text` is the document's text from `start` to `end`, in characters."""

    document: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Pair:
    """A question, an answer in the words of `span`, and where that is."""

    question: str
    answer: str
    span: Span

    def as_json(self) -> dict[str, Any]:
        """The row of training data, its origin beside it."""
        messages = [{"role": "user", "content": self.question}, {"role": "assistant", "content": self.answer}]
        origin = {"document": self.span.document, "start": self.span.start, "end": self.span.end}
        return {"messages": messages, **origin}


@dataclass(frozen=True)
class Refused:
    """A proposal that is not kept, and why."""

    span: Span
    reason: str


def in_mixed_order(spans: Iterable[Span]) -> list[Span]:
    """The spans long enough to ask about, in an order that mixes documents and is the same each time."""

    def place(span: Span) -> str:
        return hashlib.sha256(f"{span.document}\0{span.start}".encode("utf-8", "replace")).hexdigest()

    return sorted((span for span in spans if len(span.text.strip()) >= _SHORTEST_PASSAGE), key=place)


async def propose(spans: Iterable[Span], model: ChatModel) -> AsyncGenerator[Pair | Refused, None]:
    """For each span what the model proposed: a pair, or why it is refused. Raises ModelError.

    A question that was asked before is refused, so that a text that comes often is not learnt as often.
    """
    faithful = not 0 < await model.parameters() < _COPIES_FAITHFULLY
    asked: set[str] = set()
    for span in spans:
        schema = reply_schema(span.text, faithful)
        if schema is None:
            yield Refused(span, "it has no sentence to answer with")
            continue
        prompt = (Message("system", _TASK), Message("user", for_prompt(span.text[:_LONGEST_PASSAGE], ())))
        request = Request(prompt, Sampling(temperature=0.0), max_tokens=_MOST_TOKENS, constraint=JsonSchema(schema))
        reply = "".join([event.text async for event in model.generate(request) if isinstance(event, Delta)])
        proposed = checked(reply, span, faithful)
        if isinstance(proposed, Pair):
            known = _plain(proposed.question).casefold()
            if known in asked:
                proposed = Refused(span, "the question was asked before")
            asked.add(known)
        yield proposed


def reply_schema(passage: str, faithful: bool) -> dict[str, Any] | None:
    """What the reply is held to, the answer first: a question is written better to an answer that stands there.

    faithful: the model copies; else the answer is one of the passage's sentences. None where there are none.
    """
    answer: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": _LONGEST_ANSWER}
    if not faithful:
        found = sentences(passage[:_LONGEST_PASSAGE])
        if not found:
            return None
        answer = {"enum": found}
    question = {"type": "string", "pattern": rf"^[^?]{{8,{_LONGEST_QUESTION}}}\?$"}
    return {
        "type": "object",
        "properties": {"answer": answer, "question": question},
        "required": ["answer", "question"],
        "additionalProperties": False,
    }


def sentences(passage: str) -> list[str]:
    """Whole sentences that say enough to be an answer, white space made plain."""
    found = [_plain(part) for part in _SENTENCE_END.split(passage)]
    usable = [s for s in found if _SHORTEST_SENTENCE <= len(s) <= _LONGEST_SENTENCE and s[-1] in ".!?。！？"]
    return list(dict.fromkeys(usable))[:_MOST_SENTENCES]


def checked(reply: str, span: Span, faithful: bool) -> Pair | Refused:
    """The pair in a model's reply, where the answer's words stand in the span and the question is about it.

    faithful: as in `reply_schema`; the others' questions must be about the sentence that they answer with, too.
    """
    try:
        document = json.loads(reply)
        question, answer = _plain(str(document["question"])), _plain(str(document["answer"]))
    except (ValueError, TypeError, KeyError):
        return Refused(span, "the reply is no question and answer")
    if not question.endswith("?") or not answer:
        return Refused(span, "the reply is no question and answer")
    if answer not in _plain(span.text):
        return Refused(span, "the answer's words are not in the passage")
    if not _words(question) & _words(span.text):
        return Refused(span, "the question has no word of the passage")
    if not faithful and len(_words(question) & _words(answer)) < _WORDS_SHARED:
        return Refused(span, "the question is not about the answer")
    if _plain(question.rstrip("?")).casefold() in answer.casefold():
        return Refused(span, "the question only repeats the answer")
    if _copies(question, span.text):
        return Refused(span, "the question is a stretch of the passage with a question mark")
    return Pair(question, answer, span)


def _copies(question: str, passage: str) -> bool:
    """Whether so many words of the question stand in the passage one behind the other that it asks nothing."""
    words, text = question.rstrip("?").casefold().split(), _plain(passage).casefold()
    return any(" ".join(words[place : place + _MOST_COPIED]) in text for place in range(len(words) - _MOST_COPIED + 1))


def _plain(text: str) -> str:
    """The text with white space made plain."""
    return " ".join(text.split())


def _words(text: str) -> set[str]:
    """The words that tell what a text is about."""
    return {word.casefold() for word in _TELLING.findall(text)} - _ASKING

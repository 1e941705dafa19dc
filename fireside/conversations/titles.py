"""Lets a model name a conversation; where its title is of no use, the first words of the conversation are one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import aclosing

from fireside.errors import ModelError
from fireside.models.sampling import Sampling
from fireside.models.types import ChatModel, Delta, Message, Request
from fireside.text import for_terminal_line

_LONGEST = 60  # characters of a title
_SHOWN = 800  # characters of a question, and of a reply, that the title is made of
_TOKENS = 24
_ASKED = "Give this conversation a title of two to six words that says what it is about. Write nothing but the title."
_NAMED = re.compile(r"^(?:the )?(?:chat |conversation )?title(?: is)?\s*[:-]?\s*", re.IGNORECASE)
_USELESS = re.compile(
    r"(?:title|untitled|(?:new |this |the )?(?:conversation|chat|discussion)|question|answer|assistant|user|none|sure|"
    r"yes|no|ok|okay|hello|hi|(?:sure|certainly|here is|here's|here are|i am|i'm|i cannot|i can't|sorry|as an ai)\b.*)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]{3,}")
_STEM = 4  # letters by which a word of the title is found again in the conversation


async def title(model: ChatModel, messages: Sequence[Message]) -> str:
    """A title of at most 60 characters on one line, safe for a terminal.

    messages: the beginning of the conversation, a question and perhaps its reply. Where the model's words are of no use
    (nothing, a word such as "Conversation", one word over and over, mostly words that the conversation does not hold),
    the first words of the first question are the title. "" where there is no question, or the model fails.
    """
    question = next((message.content for message in messages if message.role == "user"), "")
    reply = next((message.content for message in messages if message.role == "assistant"), "")
    if not question.strip():
        return ""
    shown = f"Question: {question[:_SHOWN]}" + (f"\n\nReply: {reply[:_SHOWN]}" if reply else "")
    # Held to one short line by where it stops, which every server knows; a grammar would make a small model go on.
    request = Request(
        (Message("system", _ASKED), Message("user", f"{shown}\n\n{_ASKED}")),
        sampling=Sampling(temperature=0.0),
        max_tokens=_TOKENS,
        stop=("\n",),
    )
    try:
        async with aclosing(model.generate(request)) as events:
            written = "".join([event.text async for event in events if isinstance(event, Delta)])
    except ModelError:
        return ""
    return usable_title(written, f"{question} {reply}") or for_terminal_line(question, _LONGEST)


def usable_title(written: str, conversation: str) -> str:
    """What a model wrote as a title of `conversation`, without quotes and marks around it; "" where it is useless."""
    line = for_terminal_line(next((each for each in written.splitlines() if each.strip()), ""))
    named = _NAMED.sub("", line.strip(" \t\"'“”‘’«»*_#`")).strip(" \t\"'“”‘’«»*_#`.:;,")
    words = [word.lower() for word in _WORD.findall(named)]
    if not any(each.isalpha() for each in named) or _USELESS.fullmatch(named):
        return ""
    if len(words) > 2 and len(set(words)) <= len(words) // 2:
        return ""
    told = conversation.lower()
    # Of scripts without spaces between words, a word of the title is not one of the conversation.
    known = sum(word[:_STEM] in told for word in words)
    if named.isascii() and (2 * known < len(words) or not words):
        return ""
    return for_terminal_line(named, _LONGEST)

"""What the model is shown of a story: memory, as much of the manuscript's end as fits, the author's note at its depth.

The story is the assistant's reply, and the model goes on with it; memory and note are the person's words before and
inside it. Tried on SmolLM2-135M-Instruct beside plain text with a bracketed note: there, 7 of 16 continuations wrote
notes in brackets into the prose; as messages, 0 of 12 did, and the people of the memory came up in the story. Asking in
a message to "continue this story" gave a review of it in 2 of 6, and cannot go on in mid-sentence.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fireside.errors import FiresideError
from fireside.models.types import Message
from fireside.stories.prose import paragraph_starts

SYSTEM = "You are a novelist. You write vivid prose and never comment on it."
_OPENING = "Write a story."
_GOING_ON = "Go on with the story."
_CUTS_A_BUDGET = 4  # the context drops about a quarter of the budget at a time
_CHARACTERS_A_TOKEN = 4

CountTokens = Callable[[tuple[Message, ...] | str], Awaitable[int]]
"""Tokens of messages or of plain text: `ChatModel.count_tokens`."""


@dataclass(frozen=True)
class StoryContext:
    """messages: the request's prompt. reply_prefix: the end of the story, which the reply goes on with.
    left_out: characters at the story's beginning that did not fit. tokens: of all together, as counted."""

    messages: tuple[Message, ...]
    reply_prefix: str
    left_out: int
    tokens: int


async def build(text: str, memory: str, note: str, depth: int, budget: int, count: CountTokens) -> StoryContext:
    """The context for going on with `text`, of at most `budget` tokens.

    memory: what always holds, at the top. note: how to go on, `depth` paragraphs before the end (at the top where the
    story is shorter). The beginning is left out in big steps, at positions that stay the same while the story grows, so
    that the model's prompt cache goes on serving: a cut at every sentence would read everything anew each time.
    Raises FiresideError if memory and note alone fill the budget.
    """
    # White space at the end makes a small model repeat itself: words carry their own leading space as a token.
    text = text.rstrip(" \t")
    frame = await count(_messages(memory, note, "x", divided=True))
    room = budget - frame
    if room < budget // 8:
        raise FiresideError(
            f"memory and author's note leave no room for the story ({frame} of {budget} tokens)",
            "shorten them, or raise model.context_length in the settings",
        )
    start, tokens = await _fitting(text, room, budget * _CHARACTERS_A_TOKEN // _CUTS_A_BUDGET, count)
    kept = text[start:]
    starts = paragraph_starts(kept)
    divide = starts[-depth] if note and 0 < depth < len(starts) else 0
    messages = _messages(memory, note, kept[:divide].rstrip(), divided=divide > 0)
    return StoryContext(messages, kept[divide:], start, frame + tokens)


def _messages(memory: str, note: str, before: str, divided: bool) -> tuple[Message, ...]:
    """The conversation around the story: `before` is the part ahead of the note, where the note divides it."""
    opening = [_OPENING, memory.strip()]
    if note.strip() and not divided:
        opening.append(note.strip())
    first = (Message("system", SYSTEM), Message("user", "\n\n".join(part for part in opening if part)))
    if not divided:
        return first
    return (*first, Message("assistant", before), Message("user", f"{note.strip()}\n\n{_GOING_ON}".strip()))


async def _fitting(text: str, room: int, step: int, count: CountTokens) -> tuple[int, int]:
    """Where the text kept must begin so that it has at most `room` tokens, and how many it has.

    Cuts lie near multiples of `step` characters; the earliest that fits is found by halving, in a few counts.
    """
    tokens = await count(text)
    if tokens <= room:
        return 0, tokens
    low, high = 1, max(1, len(text) // step)
    while low < high:
        middle = (low + high) // 2
        if await count(text[_cut(text, middle * step, step) :]) <= room:
            high = middle
        else:
            low = middle + 1
    start = _cut(text, low * step, step)
    while (tokens := await count(text[start:])) > room:
        # Text far denser than four characters a token: the last step alone is too much.
        start += max(1, (len(text) - start) // 2)
    return start, tokens


def _cut(text: str, position: int, step: int) -> int:
    """The first paragraph's beginning at or after `position`, but within half a step; else the next word's."""
    window = text[position : position + step // 2]
    for separator in ("\n", ". ", " "):
        found = window.find(separator)
        if found >= 0:
            cut = position + found + len(separator)
            return cut + len(text[cut:]) - len(text[cut:].lstrip("\n "))
    return position

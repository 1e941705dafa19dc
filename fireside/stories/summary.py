"""The running summary of a story's beginning: what no longer fits is read once and summed up, in big steps."""

from __future__ import annotations

from contextlib import aclosing

from fireside.models.sampling import Sampling
from fireside.models.types import ChatModel, Delta, Message, Request
from fireside.stories.manuscript import text
from fireside.stories.prose import to_last_sentence
from fireside.stories.store import Story

SAMPLING = Sampling(temperature=0.3, top_p=0.9, min_p=0.05, repeat_penalty=1.1)
"""Calm: a summary must not invent."""

_SYSTEM = "You sum up stories: who does what, in plain sentences, in order. You never comment."
_CHARACTERS_A_TOKEN = 4
_SENTENCE_TOKENS = 90  # three sentences
_LEAST = 400  # characters; less is not worth reading the prompt anew


async def sum_up(story: Story, model: ChatModel, until: int, budget: int, most_tokens: int) -> bool:
    """Bring the story's summary up to the first `until` characters of what is read; whether it changed.

    Only what lies behind `summary_until` is read, in parts of at most half of `budget` tokens, each summed up in a few
    sentences that are added to what is there: what the person changed in it stays. Each part is saved as it is done. A
    summary of more than `most_tokens` tokens is shortened as a whole. Less than a few hundred new characters are left
    for the next time. Raises ModelError, StorageError.
    """
    changed = False
    read = text(story.manuscript)
    until = min(until, len(read))
    part = budget * _CHARACTERS_A_TOKEN // 2
    while until - story.info.summary_until >= _LEAST:
        begin = story.info.summary_until
        end = min(until, begin + part)
        passage = read[begin:end]
        asked = f"Sum up this part of a story in three sentences.\n\n{passage.strip()}"
        said = await _said(model, asked, _SENTENCE_TOKENS) if passage.strip() else ""
        story.change(summary=f"{story.info.summary.rstrip()} {said}".strip(), summary_until=end)
        changed = True
    if changed and await model.count_tokens(story.info.summary) > most_tokens:
        asked = f"Shorten this summary of a story to its most important events.\n\n{story.info.summary}"
        shorter = await _said(model, asked, most_tokens * 2 // 3)
        if shorter and len(shorter) < len(story.info.summary):
            story.change(summary=shorter)
    return changed


async def _said(model: ChatModel, asked: str, max_tokens: int) -> str:
    """The reply, without an unfinished last sentence, on one line."""
    request = Request((Message("system", _SYSTEM), Message("user", asked)), SAMPLING, max_tokens)
    async with aclosing(model.generate(request)) as events:
        words = "".join([event.text async for event in events if isinstance(event, Delta)])
    return " ".join(to_last_sentence(words).split())

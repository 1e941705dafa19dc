"""Fills a gap in the middle of a story: the model writes from what stands before to what stands behind."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fireside.models.types import ChatModel, Delta, Finished
from fireside.stories.asking import ask
from fireside.stories.manuscript import text
from fireside.stories.prose import ends_sentence, sentence_ends
from fireside.stories.store import Story
from fireside.stories.streaming import Place, stream_into
from fireside.stories.write import MAX_TOKENS

_SHOWN_BEHIND = 400  # characters of what comes after
_STOP_LENGTH = 24  # characters of its beginning: where the model arrives at them, the gap is filled


async def fill(
    story: Story, model: ChatModel, start: int, end: int, *, max_tokens: int = MAX_TOKENS
) -> AsyncGenerator[Delta | Finished, None]:
    """Write between the characters before `start` and those from `end` on; what stands between stays as alternative.

    The model goes on behind what stands before, and is told what comes after; it stops where it arrives at its first
    words. Saving, stopping and cancelling are as in `continue_story`. Raises FiresideError, ModelError, StorageError.
    """
    read = text(story.manuscript)
    before, after = read[:start], read[end:]
    words = after.strip()
    stop = (words[:_STOP_LENGTH],) if len(words) >= _STOP_LENGTH else ()
    if before.strip():
        begun = _last_words(before)
        asked = await ask(
            story,
            model,
            before[: len(before) - len(begun)],
            max_tokens,
            stop=stop,
            begun=begun.rstrip(" "),
            task=_task(words),
        )
    else:
        asked = await ask(story, model, "", max_tokens, stop=stop, task=_task(words))
    lead = None if before.strip() else ""
    place = Place(start, end, lead, "\n\n" if _begins_paragraph(read, end) else " ")
    async with aclosing(stream_into(story, model, asked.request, place)) as events:
        async for event in events:
            yield event


def _task(after: str) -> str:
    if not after:
        return ""
    return f"Go on with the story, so that it leads to this: {_first_words(after)}"


def _first_words(after: str) -> str:
    """The beginning of what comes after: whole sentences, where there is room for one."""
    near = after[:_SHOWN_BEHIND]
    ends = sentence_ends(near)
    return near[: ends[-1]] if ends else near


def _last_words(before: str) -> str:
    """The end of what stands before, which the reply begins with: the unfinished sentence, or the last whole one."""
    tail = before.rstrip()
    ends = [end for end in sentence_ends(tail) if end < len(tail)]
    if not ends and not ends_sentence(tail):
        return before
    start = ends[-1] if ends else 0
    return before[start:].lstrip(" ")


def _begins_paragraph(read: str, at: int) -> bool:
    """Whether what stands at `at` begins a paragraph."""
    return "\n" in read[len(read[:at].rstrip()) : at] or at == 0

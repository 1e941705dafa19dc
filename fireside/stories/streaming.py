"""Streams what a model writes into a place of the manuscript: each piece of text is saved before it is told on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from fireside.models.types import ChatModel, Delta, Finished, Request, Timings, Usage
from fireside.stories.manuscript import grow, piece_at, text
from fireside.stories.prose import continued, followed, sentence_ends, to_last_sentence
from fireside.stories.spans import replace_span
from fireside.stories.store import Story


@dataclass(frozen=True)
class Place:
    """Where text goes: in place of the characters from `start` to `end` of what is read; equal, they insert.

    lead: white space that it begins with; None to go on in the sentence before it. trail: white space between it and
    what stands behind it, where there is none. scene, beat: whose prose it is. opening: words that the text begins
    with, which the reply goes on behind.
    """

    start: int
    end: int
    lead: str | None = None
    trail: str = " "
    scene: int | None = None
    beat: int | None = None
    opening: str = ""


async def stream_into(
    story: Story,
    model: ChatModel,
    request: Request,
    place: Place,
    cut: Callable[[str], int | None] | None = None,
    more: Callable[[str], Awaitable[Request | None]] | None = None,
) -> AsyncGenerator[Delta | Finished, None]:
    """Write the reply to `request` into the manuscript as the model's; yields what comes, then Finished.

    The text it replaces stays as its alternative. If the length ended it, the last, unfinished sentence is taken off
    the saved text at the end. Closing the iterator, or cancelling, stops the model and keeps what came. A reply without
    a word changes nothing. cut: told all that is written, how many characters of it to keep and stop, None to go on.
    more: told all that is written where the model ended it, a request whose reply goes on there, or None.
    Nothing else may change the manuscript meanwhile. Raises ModelError, StorageError.
    """
    read = text(story.manuscript)
    before, after = read[: place.start], read[place.end :]
    saved = _Saved(story, place, after)
    done = written = ""
    deltas = 0
    if place.opening:
        done = written = f"{place.lead or ''}{place.opening}"
        saved.as_(written)
        yield Delta(written)
    while True:
        raw = ""
        finished: Finished | None = None
        async with aclosing(model.generate(request)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    finished = event
                    break
                # What a model thinks before it writes is no part of the story.
                if not isinstance(event, Delta):
                    continue
                deltas += 1
                raw += event.text
                if not raw.strip():
                    continue
                shown = written
                first = place.lead is not None and not done
                written = f"{place.lead}{raw.lstrip()}" if first else done + continued(before + done, raw)
                kept = cut(written) if cut else None
                written = written[:kept]
                saved.as_(written)
                yield Delta(written[len(shown) :])
                if kept is not None:
                    break
        if finished is None:  # cut
            tokens = await model.count_tokens(request.prompt) + await model.count_tokens(request.reply_prefix)
            yield Finished("stop", Usage(tokens, 0, deltas), Timings())
            return
        written = to_last_sentence(written) if finished.reason == "length" else written.rstrip()
        saved.as_(written)
        following = await more(written) if more and finished.reason == "stop" else None
        if following is None:
            yield finished
            return
        request, done = following, written


class _Saved:
    """The new text as it is saved: a piece of its own, made with its first words."""

    def __init__(self, story: Story, place: Place, after: str) -> None:
        self._story, self._place, self._after = story, place, after
        self._piece_id: int | None = None
        self._words = ""

    def as_(self, words: str) -> None:
        """Save `words` as all that is written so far."""
        if words == self._words:
            return
        self._words = words
        whole = followed(words, self._after, self._place.trail)
        story, place = self._story, self._place
        if self._piece_id is not None:
            story.save(grow(story.manuscript, whole, self._piece_id))
            return
        changed = replace_span(story.manuscript, place.start, place.end, whole, "model", place.scene, place.beat)
        piece = piece_at(changed, place.start)
        story.save(changed)
        self._piece_id = piece.id if piece else changed.head


def after_sentence(written: str) -> int | None:
    """For `cut`: the end of the first sentence, once what stands behind it shows that it is one: “Go.” she said."""
    for end in sentence_ends(written):
        behind = written[end:].lstrip()
        if not behind or not behind[0].islower():
            return end if behind else None
    return None


def after_paragraph(written: str) -> int | None:
    """For `cut`: the end of the first paragraph, once a line break stands behind it."""
    end = written.find("\n", len(written) - len(written.lstrip()))
    return len(written[:end].rstrip()) if end >= 0 else None

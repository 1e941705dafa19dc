"""Writes a story on with a model: what comes is saved as it comes, and what came is kept however it ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal

from fireside.errors import FiresideError
from fireside.models.sampling import Sampling
from fireside.models.types import AdapterUse, ChatModel, Delta, Finished
from fireside.stories.asking import ask, bring_up_to_date
from fireside.stories.manuscript import Author, Piece, append, path, text
from fireside.stories.prose import joined
from fireside.stories.store import Story
from fireside.stories.streaming import Place, after_sentence, stream_into

Until = Literal["length", "sentence", "scene"]
"""Where a continuation stops: at `max_tokens`; after its first sentence; where the model ends the scene."""

MAX_TOKENS = 120
"""A long paragraph: enough to go on with, short enough to steer."""

SCENE_TOKENS = 800
"""Of a whole scene, where the model does not end it before."""

SCENE_ENDS = ("\n***", "\n* * *", "\n---", "\n#", "\nChapter ", "\nCHAPTER ", "\nThe End", "\nTHE END")
"""What models write between two scenes or at a story's end."""


async def continue_story(
    story: Story,
    model: ChatModel,
    *,
    retry: bool = False,
    max_tokens: int | None = None,
    until: Until = "length",
    sampling: Sampling | None = None,
    adapters: tuple[AdapterUse, ...] = (),
) -> AsyncGenerator[Delta | Finished, None]:
    """Write at most `max_tokens` tokens at the story's end; yields what comes, then Finished.

    Each piece of text is saved in `story` before it is yielded. If the length ended it, the last, unfinished sentence
    is taken off the saved text at the end. Closing the iterator, or cancelling, stops the model and keeps what came.
    retry: write an alternative to the last piece, which must be the model's; it is kept. max_tokens: None takes
    `MAX_TOKENS`, or `SCENE_TOKENS` until the scene's end. sampling, adapters: else the story's own.
    Nothing else may change the manuscript meanwhile.
    Raises FiresideError (nothing to go on from, nothing to retry, memory too long), ModelError, StorageError.
    """
    pieces = path(story.manuscript)
    if retry and not (pieces and pieces[-1].author in ("model", "edited")):
        raise FiresideError(
            "the last piece is not the model's: there is nothing to retry", "continue the story instead"
        )
    read = len(text(story.manuscript))
    last = pieces[-1] if pieces else None
    if retry and last is not None:
        place = Place(read - len(last.text), read, scene=last.scene, beat=last.beat)
    else:
        place = Place(read, read, scene=last.scene if last else None)
    async with aclosing(_written(story, model, place, max_tokens, until, sampling, adapters)) as events:
        async for event in events:
            yield event


async def retry_piece(
    story: Story,
    model: ChatModel,
    piece_id: int,
    *,
    max_tokens: int | None = None,
    sampling: Sampling | None = None,
    adapters: tuple[AdapterUse, ...] = (),
) -> AsyncGenerator[Delta | Finished, None]:
    """As `continue_story`'s retry, for any piece that is read: another text in its place, and what follows stays.

    Raises FiresideError where it is the person's own, ValueError where it is not read.
    """
    start = 0
    for piece in path(story.manuscript):
        if piece.id == piece_id:
            break
        start += len(piece.text)
    else:
        raise ValueError(f"piece {piece_id} is not part of what is read")
    if piece.author not in ("model", "edited"):
        raise FiresideError("this piece is your own: there is nothing to retry", "rewrite it instead")
    async with aclosing(
        _written(story, model, _place_of(piece, start), max_tokens, "length", sampling, adapters)
    ) as events:
        async for event in events:
            yield event


def add_text(story: Story, words: str) -> None:
    """Put the person's own text at the story's end, as a new paragraph or on in the unfinished sentence, and save it.

    Text without a word changes nothing. Raises StorageError.
    """
    if words.strip():
        before = text(story.manuscript)
        pieces = path(story.manuscript)
        author: Author = "person" if before else "prompt"
        scene = pieces[-1].scene if pieces else None
        story.save(append(story.manuscript, author, joined(before, words.rstrip()), scene))


def _place_of(piece: Piece, start: int) -> Place:
    """The place of a piece; the white space at its beginning stays."""
    lead = piece.text[: len(piece.text) - len(piece.text.lstrip())]
    return Place(start, start + len(piece.text), lead or None, scene=piece.scene, beat=piece.beat)


async def _written(
    story: Story,
    model: ChatModel,
    place: Place,
    max_tokens: int | None,
    until: Until,
    sampling: Sampling | None,
    adapters: tuple[AdapterUse, ...],
) -> AsyncGenerator[Delta | Finished, None]:
    """Go on behind what stands before `place`."""
    before, info = text(story.manuscript)[: place.start], story.info
    if not (before.strip() or info.memory.strip() or info.note.strip() or info.synopsis.strip()):
        raise FiresideError("the story is empty", "write its first sentence, or what it is about into its memory")
    most = max_tokens or (SCENE_TOKENS if until == "scene" else MAX_TOKENS)
    stop = SCENE_ENDS if until == "scene" else ()
    asked = await ask(story, model, before, most, sampling=sampling, adapters=adapters, stop=stop)
    if await bring_up_to_date(story, model, asked):
        asked = await ask(story, model, before, most, sampling=sampling, adapters=adapters, stop=stop)
    cut = after_sentence if until == "sentence" else None
    async with aclosing(stream_into(story, model, asked.request, place, cut)) as events:
        async for event in events:
            yield event

"""Writes a story on with a model: what comes is saved as it comes, and what came is kept however it ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fireside.errors import FiresideError
from fireside.models.sampling import Sampling
from fireside.models.types import AdapterUse, ChatModel, Delta, Finished, Request
from fireside.stories import context
from fireside.stories.manuscript import Author, append, append_alternative, grow, path, text
from fireside.stories.prose import continued, joined, to_last_sentence
from fireside.stories.store import Story

SAMPLING = Sampling(temperature=0.8, top_k=60, top_p=0.95, min_p=0.05, repeat_penalty=1.1)
"""Livelier than for answers: at the chat's temperature of 0.2 a small model repeats its own sentences within a page."""

MAX_TOKENS = 120
"""A long paragraph: enough to go on with, short enough to steer."""

_MARGIN_TOKENS = 16  # the counts of parts, added up, can differ from the whole's by a few tokens
_LEAST_BUDGET = 64
_UNTOLD_CONTEXT = 4096  # tokens; for a model on a server that does not tell


async def continue_story(
    story: Story,
    model: ChatModel,
    *,
    retry: bool = False,
    max_tokens: int = MAX_TOKENS,
    sampling: Sampling = SAMPLING,
    adapters: tuple[AdapterUse, ...] = (),
) -> AsyncGenerator[Delta | Finished, None]:
    """Write at most `max_tokens` tokens at the story's end; yields what comes, then Finished.

    Each piece of text is saved in `story` before it is yielded. If the length ended it, the last, unfinished sentence
    is taken off the saved text at the end. Closing the iterator, or cancelling, stops the model and keeps what came.
    retry: write an alternative to the last piece, which must be the model's; it is kept.
    Nothing else may change the manuscript meanwhile.
    Raises FiresideError (nothing to go on from, nothing to retry, memory too long), ModelError, StorageError.
    """
    pieces = path(story.manuscript)
    if retry and not (pieces and pieces[-1].author in ("model", "edited")):
        raise FiresideError(
            "the last piece is not the model's: there is nothing to retry", "continue the story instead"
        )
    before = "".join(piece.text for piece in (pieces[:-1] if retry else pieces))
    info = story.info
    if not (before.strip() or info.memory.strip() or info.note.strip()):
        raise FiresideError("the story is empty", "write its first sentence, or what it is about into its memory")
    context_length = (await model.start()).context_length or _UNTOLD_CONTEXT
    budget = context_length - max_tokens - _MARGIN_TOKENS
    if budget < _LEAST_BUDGET:
        raise FiresideError(
            f"a piece of {max_tokens} tokens does not fit into the model's context of {context_length}",
            "write fewer tokens at a time",
        )
    shown = await context.build(before, info.memory, info.note, info.note_depth, budget, model.count_tokens)
    request = Request(shown.messages, sampling, max_tokens, adapters=adapters, reply_prefix=shown.reply_prefix)
    raw = written = ""
    async with aclosing(model.generate(request)) as events:
        async for event in events:
            if isinstance(event, Finished):
                ending = to_last_sentence(written) if event.reason == "length" else written.rstrip()
                if ending != written:
                    story.save(grow(story.manuscript, ending))
                yield event
                return
            # What a model thinks before it writes is no part of the story.
            if not isinstance(event, Delta):
                continue
            raw += event.text
            if not raw.strip():
                continue
            shown_already, written = written, continued(before, raw)
            if shown_already:
                story.save(grow(story.manuscript, written))
            else:
                add = append_alternative if retry else append
                story.save(add(story.manuscript, "model", written))
            yield Delta(written[len(shown_already) :])


def add_text(story: Story, words: str) -> None:
    """Put the person's own text at the story's end, as a new paragraph or on in the unfinished sentence, and save it.

    Text without a word changes nothing. Raises StorageError.
    """
    if words.strip():
        before = text(story.manuscript)
        author: Author = "person" if before else "prompt"
        story.save(append(story.manuscript, author, joined(before, words.rstrip())))

"""What the next prompt of a story will be made of, before it is asked: its parts, their tokens, and what is cached."""

from __future__ import annotations

from dataclasses import replace

from fireside.context_parts import Part, Upcoming
from fireside.models.types import ChatModel
from fireside.stories.asking import ask
from fireside.stories.manuscript import text
from fireside.stories.store import Story
from fireside.stories.write import MAX_TOKENS


async def upcoming(
    story: Story, model: ChatModel, *, before: str | None = None, task: str = "", max_tokens: int = MAX_TOKENS
) -> Upcoming:
    """The prompt for going on behind `before` (None: the whole story) as it would be made now; nothing is written.

    Of its tokens, `cached` need not be read again: the others lie behind the first place that changed since the model
    last read the story. Where the summary is not up to date, bringing it up comes on top.
    Raises FiresideError (no room), ModelError.
    """
    info = await model.start()
    read = text(story.manuscript) if before is None else before
    asked = await ask(story, model, read, max_tokens, task=task)
    foreseen = await model.foresee(asked.request)
    parts = [Part(origin, title, words, await model.count_tokens(words)) for origin, title, words in asked.shown.parts]
    # What the chat template puts around messages goes to the largest part, so that the parts add up to the whole.
    largest = max(range(len(parts)), key=lambda place: parts[place].tokens)
    rest = foreseen.prompt_tokens - sum(part.tokens for part in parts)
    parts[largest] = replace(parts[largest], tokens=max(0, parts[largest].tokens + rest))
    return Upcoming(tuple(parts), info.context_length, max_tokens, foreseen.cached_tokens, asked.shown.left_out)

"""Rewrites, expands, shortens or describes a selected stretch of a story; the old one stays as its alternative."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Literal

from fireside.errors import FiresideError
from fireside.models.types import ChatModel, Delta, Finished, Message
from fireside.stories.asking import budget_for, plain_request
from fireside.stories.context import SYSTEM
from fireside.stories.manuscript import text
from fireside.stories.prose import paragraph_starts
from fireside.stories.store import Story
from fireside.stories.streaming import Place, after_paragraph, stream_into

Act = Literal["rewrite", "expand", "shorten", "describe"]

_ASKED: Mapping[Act, str] = {
    "rewrite": "Rewrite this passage of the story in other words. Keep what happens.",
    "expand": "Rewrite this passage of the story at twice its length, with more detail. Keep what happens.",
    "shorten": "Rewrite this passage of the story in half as many words. Keep what happens.",
    "describe": "Describe in the story's own voice what can be seen, heard and felt in this passage of the story.",
}
_LENGTHS: Mapping[Act, float] = {"rewrite": 1.6, "expand": 3.0, "shorten": 1.0, "describe": 2.0}
_LEAST_TOKENS = 60
_BEFORE = 600  # characters of the story in front of the passage: who is who
_STOPS = ("\n\n\n", "\n***", "\n#")


async def rewrite(
    story: Story, model: ChatModel, start: int, end: int, act: Act, *, wish: str = ""
) -> AsyncGenerator[Delta | Finished, None]:
    """Another text for the characters from `start` to `end` of what is read; yields what comes, then Finished.

    expand aims at twice as long, shorten at half. describe puts its text behind the passage, which stays. wish: how, in
    the person's words. Saving, stopping and cancelling are as in `continue_story`. Raises FiresideError (nothing
    selected, too long for the model), ModelError, StorageError.
    """
    read = text(story.manuscript)
    passage = read[start:end]
    start += len(passage) - len(passage.lstrip())
    end -= len(passage) - len(passage.rstrip())
    passage = passage.strip()
    if not passage:
        raise FiresideError("nothing is selected", "select the words to rewrite")
    info = await model.start()
    passage_tokens = await model.count_tokens(passage)
    most = max(_LEAST_TOKENS, int(passage_tokens * _LENGTHS[act]))
    messages = _messages(story.info.memory, _lead_in(read[:start]), passage, act, wish)
    if await model.count_tokens(messages) > budget_for(info, most):
        raise FiresideError("the selected passage is too long for the model", "select less, or fewer words at a time")
    request = replace(plain_request(story, info, messages, most), stop=_STOPS)
    if act == "describe":
        place = Place(end, end, "\n\n" if _is_paragraph(read, start, end) else " ")
    else:
        place = Place(start, end, "")
    # Behind the paragraph that it was asked for, a small model writes about what it has done.
    cut = None if "\n" in passage else after_paragraph
    async with aclosing(stream_into(story, model, request, place, cut)) as events:
        async for event in events:
            yield event


def _messages(memory: str, lead_in: str, passage: str, act: Act, wish: str) -> tuple[Message, ...]:
    asked = _ASKED[act] if not wish.strip() else f"{_ASKED[act]} {wish.strip()}"
    parts = [memory.strip(), f"The story so far ends:\n{lead_in}" if lead_in else "", f"{asked}\n\n{passage}"]
    return Message("system", SYSTEM), Message("user", "\n\n".join(part for part in parts if part))


def _lead_in(before: str) -> str:
    """The last paragraphs in front of the passage, as many as there is room for."""
    near = before[-_BEFORE:]
    starts = paragraph_starts(near)
    if len(near) < len(before):
        near = near[starts[1] :] if len(starts) > 1 else near[near.find(" ") + 1 :]
    return near.strip()


def _is_paragraph(read: str, start: int, end: int) -> bool:
    """Whether the passage is whole paragraphs."""
    return read[:start].rstrip(" ")[-1:] in ("", "\n") and read[end:].lstrip(" ")[:1] in ("", "\n")

"""Writes the prose of a beat, as a piece of its own at its place in the story; and of all beats that have none."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from fireside.errors import FiresideError
from fireside.models.sampling import GREEDY
from fireside.models.types import AdapterUse, ChatModel, Delta, Finished, Message, Request
from fireside.stories.asking import ask, bring_up_to_date, is_small
from fireside.stories.manuscript import path, text
from fireside.stories.outline import Node, Outline, ancestor, children, walk
from fireside.stories.placing import place_for, written
from fireside.stories.prose import ends_sentence, word_count
from fireside.stories.store import Story
from fireside.stories.streaming import Place, stream_into

WORDS = 250
"""Words of a beat aimed at."""

SMALL_WORDS = 120
"""The same for a small model, which loses the thread in more."""

_TOKENS_A_WORD = 1.5
_ENOUGH = 0.6  # of the words aimed at; a model that ends before is asked to go on
_ROUNDS = 3
_OPENING_TOKENS = 80
_NAME = re.compile(r"(?<=\w )[A-ZÀ-Þ]\w+")  # in the middle of a sentence
_TENSES = "You change sentences from the present tense to the past tense."
_EXAMPLES = (
    Message("user", "He walks to the door and opens it."),
    Message("assistant", "He walked to the door and opened it."),
    Message("user", "Anna is tired. She tells Paul that the train will leave at nine."),
    Message("assistant", "Anna was tired. She told Paul that the train would leave at nine."),
    Message("user", "A dog breaks through the fence and the lights go on."),
    Message("assistant", "A dog broke through the fence and the lights went on."),
    Message("user", "In the garden Paul sits down and says that the house is sold."),
    Message("assistant", "In the garden Paul sat down and said that the house was sold."),
)


@dataclass(frozen=True)
class BeatBegun:
    """The prose of a beat is being written now: number `number` of the `of` that are to be written."""

    beat: Node
    number: int
    of: int


def unwritten(story: Story) -> list[Node]:
    """The beats, in order, that have no prose, or whose prose ends in mid-sentence."""
    prose = written(story.outline, story.manuscript)
    return [node for node in walk(story.outline) if node.kind == "beat" and not ends_sentence(prose.get(node.id, ""))]


async def write_beats(
    story: Story, model: ChatModel, *, words: int | None = None, adapters: tuple[AdapterUse, ...] = ()
) -> AsyncGenerator[BeatBegun | Delta | Finished, None]:
    """Write the prose of every beat that has none, in the order of the outline; BeatBegun comes before each.

    What is written is saved as it comes: stopped, the next call goes on in the beat that was cut off. Raises as
    `write_beat`.
    """
    beats = unwritten(story)
    for number, beat in enumerate(beats, 1):
        yield BeatBegun(beat, number, len(beats))
        async with aclosing(write_beat(story, model, beat.id, words=words, adapters=adapters)) as events:
            async for event in events:
                yield event


async def write_beat(
    story: Story,
    model: ChatModel,
    beat_id: int,
    *,
    words: int | None = None,
    retry: bool = False,
    adapters: tuple[AdapterUse, ...] = (),
) -> AsyncGenerator[Delta | Finished, None]:
    """Write the prose of a beat, of about `words` words (None: `WORDS`, or `SMALL_WORDS`); what comes, then Finished.

    A small model's prose begins with what happens, told in the past: left alone it forgets the beat in about half of
    the cases. The prose goes behind what stands before it in the outline, in front of what comes later. Where there is
    some that ends in mid-sentence, it goes on there. retry: an alternative in the place of what is there. The story and
    the beat are shown to the model, not what comes later. Saving, stopping and cancelling are as in `continue_story`.
    Raises FiresideError (not a beat, no room), ModelError, StorageError.
    """
    outline = story.outline
    beat = outline.nodes.get(beat_id)
    if beat is None or beat.kind != "beat":
        raise FiresideError("this is no beat of the outline", "choose a beat, or add one to the scene")
    small = is_small(await model.start())
    if words is None:
        words = SMALL_WORDS if small else WORDS
    most = int(words * _TOKENS_A_WORD)
    start, end = _span(story, beat_id)
    read = text(story.manuscript)
    begun = "" if retry else read[start:end].strip()
    task = _task(outline, beat, words, small)
    before = read[:start]
    scene = beat.parent
    opening = ""
    if begun:
        place = Place(end, end, None, "\n\n", scene, beat_id)
    else:
        lead = "\n\n" if before.strip() else ""
        opening = await told_in_the_past(model, beat.title) if small else ""
        place = Place(start, end, lead, "\n\n", scene, beat_id, opening)
    rounds = 1

    async def request(said: str) -> Request:
        asked = await ask(story, model, before, most, adapters=adapters, task=task, begun=said)
        if await bring_up_to_date(story, model, asked):
            asked = await ask(story, model, before, most, adapters=adapters, task=task, begun=said)
        return asked.request

    async def more(said: str) -> Request | None:
        nonlocal rounds
        whole = f"{begun}{said}".strip()
        if rounds >= _ROUNDS or word_count(whole) >= words * _ENOUGH:
            return None
        rounds += 1
        # A model that had nothing to add to what was there begins a new paragraph.
        return await request(f"{whole}\n\n" if whole == opening else whole)

    async with aclosing(stream_into(story, model, await request(begun or opening), place, more=more)) as events:
        async for event in events:
            yield event


async def told_in_the_past(model: ChatModel, beat: str) -> str:
    """A beat, which is written in the present tense, as the first sentence of its prose. Raises ModelError."""
    messages = (Message("system", _TENSES), *_EXAMPLES, Message("user", beat))
    request = Request(messages, GREEDY, _OPENING_TOKENS, stop=("\n",))
    async with aclosing(model.generate(request)) as events:
        words = "".join([event.text async for event in events if isinstance(event, Delta)]).strip()
    # Words that are too few or too many, or lack somebody's name, are no version of the beat.
    named = all(name in words for name in _NAME.findall(beat))
    fits = ends_sentence(words) and named and 0.5 < len(words) / max(1, len(beat)) < 1.5
    return words if fits else beat if ends_sentence(beat) else f"{beat}."


def _span(story: Story, beat_id: int) -> tuple[int, int]:
    """Where the beat's prose stands, or where it would go."""
    start: int | None = None
    offset = end = 0
    for piece in path(story.manuscript):
        if piece.beat == beat_id:
            start = offset if start is None else start
            end = offset + len(piece.text)
        offset += len(piece.text)
    if start is None:
        place = place_for(story.outline, story.manuscript, beat_id)
        return place, place
    return start, end


def _task(outline: Outline, beat: Node, words: int, small: bool) -> str:
    """What the model is asked: where in the story this is, what happens, where to stop.

    A small model is told what happens alone: of chapters, tenses and lengths it begins to write, and what it is told to
    leave for later it writes now.
    """
    happens = f"What happens in it: {beat.title}"
    if small:
        return f"Write the next part of the story. {happens}"
    chapter, scene = ancestor(outline, beat.id, "chapter"), ancestor(outline, beat.id, "scene")
    where = []
    if beat.position == 0 and scene is not None:
        if scene.position == 0 and chapter is not None and chapter.title:
            where.append(f"Here begins the chapter “{chapter.title}”. {chapter.summary}".strip())
        if about := scene.summary or scene.title:
            where.append(f"A new scene: {about}")
    following = _next(outline, beat)
    later = f" Stop before this happens: {following.title}" if following is not None else ""
    return " ".join([*where, f"Write the next part of the story, about {words} words.", f"{happens}{later}"])


def _next(outline: Outline, beat: Node) -> Node | None:
    """The beat after this one in its scene."""
    return next((each for each in children(outline, beat.parent) if each.position == beat.position + 1), None)

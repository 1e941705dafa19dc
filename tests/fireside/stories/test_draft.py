import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from fireside.errors import FiresideError
from fireside.models.sampling import GREEDY
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Delta, Finished, ModelInfo
from fireside.stories import manuscript as ms
from fireside.stories.draft import BeatBegun, unwritten, write_beat, write_beats
from fireside.stories.lore import LoreEntry
from fireside.stories.outline_text import parse
from fireside.stories.store import Story, create_story, open_story
from fireside.stories.upcoming import upcoming
from fireside.stories.write import add_text, continue_story

PLAN = "# Rock\n## Boat\n- A boat comes.\n- Ilse climbs out.\n## Kitchen\n- Tea.\n"


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path))
    made = create_story("sea", memory="Mara keeps the lamp.")
    made.save_outline(parse(PLAN))
    yield made
    made.close()


async def drafted(events: AsyncGenerator[BeatBegun | Delta | Finished, None]) -> list[str]:
    async with aclosing(events):
        return [event.beat.title async for event in events if isinstance(event, BeatBegun)]


async def finish(events: AsyncGenerator[Delta | Finished, None]) -> None:
    async with aclosing(events):
        async for _ in events:
            pass


def ids(story: Story) -> dict[str, int]:
    return {node.title: node.id for node in story.outline.nodes.values()}


def task(model: ScriptedModel, request: int) -> str:
    """The last message of a request."""
    messages = model.requests[request].prompt
    assert isinstance(messages, tuple)
    return messages[-1].content


async def test_every_beat_becomes_a_piece_in_the_order_of_the_outline(story: Story) -> None:
    model = ScriptedModel([["One two three."], ["Four five six."], ["Seven eight nine."]])
    begun = await drafted(write_beats(story, model, words=4))
    assert begun == ["A boat comes.", "Ilse climbs out.", "Tea."]
    assert ms.text(story.manuscript) == "One two three.\n\nFour five six.\n\nSeven eight nine."
    beats = [piece.beat for piece in ms.path(story.manuscript)]
    assert beats == [ids(story)[title] for title in begun]
    assert "What happens in it: Ilse climbs out." in task(model, 1)
    assert "Stop before" not in task(model, 1)
    assert "Stop before this happens: Ilse climbs out." in task(model, 0)
    assert unwritten(story) == []
    assert await drafted(write_beats(story, model, words=4)) == []


async def test_a_beat_that_was_cut_off_is_gone_on_with_after_a_restart(story: Story) -> None:
    model = ScriptedModel([["One two three."], ["Four five", asyncio.Event()]])
    async with aclosing(write_beats(story, model, words=4)) as events:
        async for event in events:
            if isinstance(event, Delta) and event.text.endswith("Four five"):
                break
    again = open_story("sea")
    assert [beat.title for beat in unwritten(again)] == ["Ilse climbs out.", "Tea."]
    model = ScriptedModel([[" six."], ["Seven eight nine."]])
    await drafted(write_beats(again, model, words=4))
    assert ms.text(again.manuscript) == "One two three.\n\nFour five six.\n\nSeven eight nine."
    assert model.requests[0].reply_prefix == "Four five"
    again.close()


async def test_a_beat_can_be_written_before_the_one_in_front_of_it(story: Story) -> None:
    model = ScriptedModel([["Seven eight nine."], ["One two three."]])
    await finish(write_beat(story, model, ids(story)["Tea."], words=4))
    await finish(write_beat(story, model, ids(story)["A boat comes."], words=4))
    assert ms.text(story.manuscript) == "One two three.\n\nSeven eight nine."
    # What comes later is not shown.
    assert "Seven" not in str(model.requests[1].prompt)


async def test_a_retry_is_an_alternative_and_what_follows_stays(story: Story) -> None:
    model = ScriptedModel([["One two three."], ["Four five six."], ["Seven eight nine."], ["Eins zwei drei."]])
    await drafted(write_beats(story, model, words=4))
    await finish(write_beat(story, model, ids(story)["A boat comes."], words=4, retry=True))
    assert ms.text(story.manuscript) == "Eins zwei drei.\n\nFour five six.\n\nSeven eight nine."
    first = ms.path(story.manuscript)[0]
    assert [story.manuscript.pieces[each].text for each in ms.alternatives(story.manuscript, first.id)] == [
        "One two three.",
        "Eins zwei drei.",
    ]


async def test_a_model_that_ends_early_is_asked_to_go_on_in_the_same_piece(story: Story) -> None:
    model = ScriptedModel([["One."], [" Two three."], [" Four five six seven."]])
    await finish(write_beat(story, model, ids(story)["A boat comes."], words=10))
    assert [piece.text for piece in ms.path(story.manuscript)] == ["One. Two three. Four five six seven."]
    assert [request.reply_prefix for request in model.requests] == ["", "One.", "One. Two three."]


async def test_only_beats_are_written(story: Story) -> None:
    with pytest.raises(FiresideError, match="no beat"):
        await finish(write_beat(story, ScriptedModel([]), ids(story)["Boat"]))


class Small(ScriptedModel):
    """A scripted model that says it is small."""

    async def start(self) -> ModelInfo:
        return replace(await super().start(), parameters=135_000_000)


async def test_a_small_models_prose_begins_with_the_beat_in_the_past(story: Story) -> None:
    model = Small([["A boat came."], [" It was", " small."]])
    await finish(write_beat(story, model, ids(story)["A boat comes."], words=4))
    assert [piece.text for piece in ms.path(story.manuscript)] == ["A boat came. It was small."]
    assert model.requests[1].reply_prefix == "A boat came."


@pytest.mark.parametrize("said", ["", "Boat.", "I cannot help with that, since I am a language model, you see."])
async def test_where_that_fails_the_beat_itself_is_the_beginning(story: Story, said: str) -> None:
    model = Small([[said] if said else [], [" It was small."]])
    await finish(write_beat(story, model, ids(story)["A boat comes."], words=4))
    assert ms.text(story.manuscript) == "A boat comes. It was small."


async def test_nobody_is_renamed_in_it(story: Story) -> None:
    story.save_outline(parse("- Mara helps Ilse out."))
    model = Small([["Mara helped Elise out."], [" It was cold."]])
    await finish(write_beat(story, model, ids(story)["Mara helps Ilse out."], words=4))
    assert ms.text(story.manuscript) == "Mara helps Ilse out. It was cold."


@pytest.mark.engine
async def test_lore_that_is_called_up_leaves_the_prompt_cache_as_it_is(story: Story) -> None:
    """Only what stands behind the lore is read again; at the top, everything would be."""
    from fireside.models.bundled import CHAT_MODEL, located
    from fireside.models.client import WorkerModel
    from fireside.models.gguf.loading import GgufLoading

    lines = [f"On day {day} Mara filled the lamp, wrote down the wind, and saw nobody at all." for day in range(18)]
    story.save(ms.append(story.manuscript, "prompt", "\n\n".join(lines)))
    story.change(lore=(LoreEntry("Tom", "Tom, her brother, drowned here ten years ago.", ("Tom",)),), note="Slowly.")
    model = WorkerModel("bundled", GgufLoading(located(CHAT_MODEL), context_length=2048, threads=1, speculate=False))
    try:
        reads = []
        for words in ("", "She thought of Tom."):
            add_text(story, words)
            foreseen = (await upcoming(story, model)).cached
            pieces = [piece async for piece in continue_story(story, model, max_tokens=8, sampling=GREEDY)]
            finished = pieces[-1]
            assert isinstance(finished, Finished)
            assert finished.usage.cached_tokens == foreseen
            reads.append((finished.usage.prompt_tokens, finished.usage.cached_tokens))
        (first, cached), (whole, kept) = reads
        assert (cached, first > 350) == (0, True)
        assert whole - kept < first / 2
    finally:
        await model.close()

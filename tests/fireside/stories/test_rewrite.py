import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from fireside.errors import FiresideError, ModelError
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Delta, Finished
from fireside.stories import manuscript as ms
from fireside.stories.fill import fill
from fireside.stories.rewrite import rewrite
from fireside.stories.store import Story, create_story, open_story
from fireside.stories.write import add_text, continue_story, retry_piece

Events = AsyncGenerator[Delta | Finished, None]
READ = "Mara waited. The boat came in slowly. She did not wave."


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path))
    made = create_story("sea", memory="Mara keeps the lamp.")
    add_text(made, READ)
    yield made
    made.close()


async def finish(events: Events) -> str:
    async with aclosing(events):
        return "".join([event.text async for event in events if isinstance(event, Delta)])


def on_disk() -> str:
    again = open_story("sea")
    again.close()
    return ms.text(again.manuscript)


async def test_a_selection_is_written_anew_and_the_old_one_is_its_alternative(story: Story) -> None:
    model = ScriptedModel([["\n", "Slowly", " the boat came."]])
    start, end = READ.index(" The boat"), READ.index(" She")
    await finish(rewrite(story, model, start, end, "rewrite", wish="In short words."))
    assert on_disk() == ms.text(story.manuscript) == "Mara waited. Slowly the boat came. She did not wave."
    new = ms.piece_at(story.manuscript, start + 1)
    assert new is not None
    assert new.author == "model"
    assert ms.text(ms.turn(story.manuscript, -1, new.id)) == READ
    asked = str(model.requests[0].prompt)
    assert "In short words." in asked
    assert "The boat came in slowly." in asked


async def test_what_a_model_says_about_its_work_is_not_taken(story: Story) -> None:
    model = ScriptedModel([["It came.", "\n\nI have kept", " what happens."]])
    await finish(rewrite(story, model, READ.index("The boat"), READ.index(" She"), "shorten"))
    assert on_disk() == "Mara waited. It came. She did not wave."


async def test_a_description_stands_behind_the_passage(story: Story) -> None:
    model = ScriptedModel([["The sails were grey."]])
    await finish(rewrite(story, model, READ.index("The boat"), READ.index(" She"), "describe"))
    assert ms.text(story.manuscript) == ("Mara waited. The boat came in slowly. The sails were grey. She did not wave.")


async def test_stopping_in_the_middle_of_it_keeps_what_came_and_joins_it(story: Story) -> None:
    model = ScriptedModel([["Slowly", " the", asyncio.Event()]])
    async with aclosing(rewrite(story, model, 13, 37, "shorten")) as events:
        async for event in events:
            if isinstance(event, Delta) and event.text == " the":
                break
    assert model.cancelled == 1
    assert on_disk() == "Mara waited. Slowly the She did not wave."
    assert ms.text(ms.undo(story.manuscript)) == READ


async def test_a_failing_or_silent_model_changes_nothing(story: Story) -> None:
    with pytest.raises(ModelError):
        await finish(rewrite(story, ScriptedModel([[ModelError("it fell over")]]), 0, 5, "expand"))
    await finish(rewrite(story, ScriptedModel([["\n "]]), 0, 5, "expand"))
    assert on_disk() == READ
    with pytest.raises(FiresideError, match="nothing is selected"):
        await finish(rewrite(story, ScriptedModel([]), 4, 5, "rewrite"))


async def test_a_gap_is_filled_from_before_towards_what_follows(story: Story) -> None:
    model = ScriptedModel([[" It was", " small."]])
    at = READ.index(" She")
    await finish(fill(story, model, at, at))
    assert ms.text(story.manuscript) == "Mara waited. The boat came in slowly. It was small. She did not wave."
    request = model.requests[0]
    assert request.reply_prefix == "The boat came in slowly."
    assert "leads to this: She did not wave." in str(request.prompt)
    assert request.stop == ()


async def test_it_stops_where_it_arrives_at_what_follows(story: Story) -> None:
    later = "Nobody had waved at her for years, and nobody would."
    add_text(story, later)
    at = ms.text(story.manuscript).index("Nobody")
    model = ScriptedModel([["It was small."]])
    await finish(fill(story, model, at, at))
    assert model.requests[0].stop == ("Nobody had waved at her ",)
    assert ms.text(story.manuscript).endswith(
        "wave.\n\nIt was small.\n\nNobody had waved at her for years, and nobody would."
    )


async def test_a_piece_in_the_middle_is_retried_and_what_follows_stays(story: Story) -> None:
    model = ScriptedModel([[" It rained."], [" It snowed."]])
    await finish(continue_story(story, model))
    add_text(story, "Then night.")
    middle = ms.path(story.manuscript)[1]
    await finish(retry_piece(story, model, middle.id))
    assert ms.text(story.manuscript) == f"{READ} It snowed.\n\nThen night."
    with pytest.raises(FiresideError, match="your own"):
        await finish(retry_piece(story, model, ms.path(story.manuscript)[0].id))
    with pytest.raises(ValueError, match="not part"):
        await finish(retry_piece(story, model, middle.id))


async def test_until_the_sentence_ends(story: Story) -> None:
    model = ScriptedModel([[" “It", " rains.", "” she", " said. And", " more", asyncio.Event()]])
    assert await finish(continue_story(story, model, until="sentence")) == " “It rains.” she said."
    assert on_disk() == f"{READ} “It rains.” she said."
    assert model.cancelled == 1


async def test_until_the_scene_ends(story: Story) -> None:
    model = ScriptedModel([[" It rained."]])
    await finish(continue_story(story, model, until="scene"))
    assert "\n***" in model.requests[0].stop
    assert model.requests[0].max_tokens > 500

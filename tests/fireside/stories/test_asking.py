from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from fireside.errors import AdapterError, FiresideError
from fireside.models.constraints import Gbnf
from fireside.models.scripted import ScriptedModel
from fireside.models.types import ModelInfo
from fireside.stories import manuscript as ms
from fireside.stories.asking import ask, sampling_of
from fireside.stories.lore import LoreEntry
from fireside.stories.outline import EMPTY, add, walk
from fireside.stories.plan import propose, propose_again, put, renewed
from fireside.stories.presets import preset
from fireside.stories.store import Story, create_story, open_story
from fireside.stories.summary import sum_up
from fireside.stories.upcoming import upcoming
from fireside.stories.write import add_text, continue_story

SENTENCE = "The sea was grey and the lamp was lit. "


class Short(ScriptedModel):
    """A scripted model with a short context."""

    async def start(self) -> ModelInfo:
        return replace(await super().start(), context_length=600)


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path))
    made = create_story("sea", memory="Mara keeps the lamp.")
    yield made
    made.close()


async def write_on(story: Story, model: ScriptedModel) -> None:
    """One continuation."""
    async with aclosing(continue_story(story, model)) as events:
        async for _ in events:
            pass


async def test_lore_is_shown_where_the_story_speaks_of_it(story: Story) -> None:
    story.change(lore=(LoreEntry("Tom", "Tom drowned.", ("Tom",)), LoreEntry("Year", "It is 1890.", constant=True)))
    add_text(story, "Mara waited.\n\nIt rained.\n\nThe wind rose.\n\nShe thought of Tom.")
    model = ScriptedModel([[" Then."]])
    await write_on(story, model)
    messages = model.requests[0].prompt
    assert not isinstance(messages, str)
    opening, near = (str(messages[place]) for place in (1, 3))  # type: ignore[index]
    assert "It is 1890." in opening
    assert "Tom drowned." not in opening
    assert "Tom drowned." in near


async def test_presets_bans_and_what_is_given(story: Story) -> None:
    info = await ScriptedModel([]).start()
    small = replace(info, parameters=135_000_000)
    assert sampling_of(story.info, info) == preset("lively").sampling
    assert sampling_of(story.info, small).temperature == preset("steady").sampling.temperature
    story.change(preset="wild", bans=("shiver down", "testament to"))
    assert sampling_of(story.info, small) == replace(
        preset("wild").sampling, banned_phrases=("shiver down", "testament to")
    )
    story.change(preset="nonesuch")
    with pytest.raises(FiresideError, match="no preset nonesuch"):
        sampling_of(story.info, info)


async def test_a_style_that_is_not_there_is_said_before_anything_is_written(story: Story) -> None:
    story.change(style="nonesuch:0.5")
    add_text(story, "Go.")
    with pytest.raises(AdapterError):
        await write_on(story, ScriptedModel([]))


async def test_what_no_longer_fits_is_summed_up_once(story: Story) -> None:
    story.save(ms.append(story.manuscript, "prompt", SENTENCE * 120))
    model = Short([["Mara waits."]] * 9)
    for _ in range(2):
        await write_on(story, model)
    asked = ["Sum up" in str(request.prompt) for request in model.requests]
    parts = asked.index(False)
    # All parts before the first continuation, none before the second, which needs no more of them.
    assert asked == [True] * parts + [False, False]
    assert story.info.summary == " ".join(["Mara waits."] * parts)
    assert 400 < story.info.summary_until < 120 * len(SENTENCE)
    assert f"What happened before: {story.info.summary}" in str(model.requests[-1].prompt)
    again = open_story("sea")
    assert again.info == story.info
    again.close()


async def test_a_persons_summary_stays_and_a_long_one_is_shortened(story: Story) -> None:
    story.save(ms.append(story.manuscript, "prompt", SENTENCE * 40))
    story.change(summary="My own words.", summary_until=100)
    model = ScriptedModel([["It goes on."], ["My own words, shorter."]])
    assert await sum_up(story, model, 900, 400, 100)
    assert story.info.summary == "My own words. It goes on."
    assert not await sum_up(story, model, 1100, 400, 100)
    story.change(summary="Long. " * 200)
    model = ScriptedModel([["It goes on."], ["Short."]])
    assert await sum_up(story, model, 1500, 400, 100)
    assert story.info.summary == "Short."


async def test_the_upcoming_prompt_is_told_part_by_part(story: Story) -> None:
    story.change(note="Slowly.", lore=(LoreEntry("Year", "It is 1890.", constant=True),))
    add_text(story, "One.\n\nTwo.\n\nThree.\n\nFour.")
    model = ScriptedModel([[" Then."]])
    parts = await upcoming(story, model)
    assert [part.origin for part in parts.parts] == ["system", "system", "memory", "lore", "history", "note", "history"]
    assert parts.cached == 0
    assert model.requests == []
    asked = await ask(story, model, ms.text(story.manuscript), 120)
    assert parts.tokens == await model.count_tokens(asked.request.prompt)
    assert (parts.room, parts.reply, parts.left_out) == (4096, 120, 0)


async def test_an_outline_from_the_synopsis_scene_by_scene(story: Story) -> None:
    story.change(synopsis="A doctor comes to close a lighthouse.")
    model = ScriptedModel(
        [
            ["## The Boat\nIlse comes", " ashore.\n\n## The Lamp\nIt goes out.\n\n"],
            ["## Landing\nMara helps her.\n\n"],
            ["- Ilse falls.\n- Mara laughs.\n"],
            ["## The Arrival\nIlse rows in.\n\n"],
        ]
    )
    for kind, parent in (("chapter", None), ("scene", 1), ("beat", 3)):
        proposed = [each async for each in propose(story, model, kind, parent, 2)]  # type: ignore[arg-type]
        story.save_outline(put(story.outline, kind, parent, proposed))  # type: ignore[arg-type]
    assert [(node.kind, node.title, node.summary) for node in walk(story.outline)] == [
        ("chapter", "The Boat", "Ilse comes ashore."),
        ("scene", "Landing", "Mara helps her."),
        ("beat", "Ilse falls.", ""),
        ("beat", "Mara laughs.", ""),
        ("chapter", "The Lamp", "It goes out."),
    ]
    other = await propose_again(story, model, 1)
    assert other is not None
    outline = renewed(story.outline, 1, other)
    assert (outline.nodes[1].title, outline.nodes[1].summary) == ("The Arrival", "Ilse rows in.")
    assert all(isinstance(request.constraint, Gbnf) for request in model.requests)
    assert "The Lamp: It goes out." in str(model.requests[3].prompt)
    assert "Here is a scene of this chapter: Landing: Mara helps her." in str(model.requests[2].prompt)


async def test_nothing_to_plan_from_is_said(story: Story) -> None:
    story.change(memory="")
    with pytest.raises(FiresideError, match="nothing to plan from"):
        _ = [each async for each in propose(story, ScriptedModel([]), "chapter")]


def test_everything_of_a_story_is_there_again(story: Story) -> None:
    outline, chapter = add(EMPTY, "chapter", "One", "It begins.")
    outline, scene = add(outline, "scene", "Boat", parent=chapter)
    story.save_outline(outline)
    story.change(
        synopsis="S",
        style="sea:0.5",
        preset="wild",
        bans=("a", "b"),
        goal=500,
        summary="Sum",
        summary_until=7,
        note_strength=3,
        lore=(LoreEntry("Tom", "Tom drowned.", ("Tom",)),),
    )
    manuscript = ms.append(story.manuscript, "model", "One.", scene, 9)
    story.save(replace(manuscript, bookmarks={"here": 1}))
    again = open_story("sea")
    assert (again.info, again.outline, again.manuscript) == (story.info, story.outline, story.manuscript)
    again.close()
    story.save_outline(EMPTY)
    assert add(story.outline, "chapter", "New")[1] == 3


def test_a_story_of_the_first_version_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fireside import paths
    from fireside.database import Database
    from fireside.stories.migrations import APPLICATION_ID, MIGRATIONS

    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "old"))
    database = Database(paths.stories_folder() / "old.db", application_id=APPLICATION_ID, migrations=MIGRATIONS[:1])
    with database.transaction() as connection:
        connection.execute("INSERT INTO story VALUES (1, 'Old', 'M', 'N', 3, 1, 1, 5.0, 6.0)")
        connection.execute("INSERT INTO pieces VALUES (1, NULL, 'prompt', 'Once.')")
        connection.execute("INSERT INTO steps VALUES (0, NULL), (1, 1)")
    database.close()
    old = open_story("old")
    assert ms.text(old.manuscript) == "Once."
    assert (old.info.title, old.info.note_strength, old.info.lore, old.outline) == ("Old", 1, (), EMPTY)
    old.save(ms.append(old.manuscript, "person", " Upon a time."))
    old.close()

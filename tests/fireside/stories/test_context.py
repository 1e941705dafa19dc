from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside.errors import FiresideError
from fireside.models.types import Message
from fireside.stories.context import StoryContext, Told, build, note_depths

PARAGRAPHS = [f"Paragraph {number} of the story, " + "in so many words. " * 12 for number in range(200)]
STORY = "\n\n".join(PARAGRAPHS)


async def count(prompt: tuple[Message, ...] | str) -> int:
    """About four characters a token, and four tokens for the frame of each message."""
    if isinstance(prompt, str):
        return (len(prompt) + 3) // 4
    return sum((len(message.content) + 3) // 4 + 4 for message in prompt)


def shown(context: StoryContext) -> str:
    return "".join(f"<{message.role}>{message.content}" for message in context.messages) + context.reply_prefix


async def test_a_short_story_is_shown_whole_and_goes_on_where_it_ends() -> None:
    context = await build("It was late. The bell ", Told("Mara fears the sea."), 1000, count)
    assert context.reply_prefix == "It was late. The bell"
    assert context.left_out == 0
    assert [message.role for message in context.messages] == ["system", "user"]
    assert "Mara fears the sea." in context.messages[1].content


@pytest.mark.parametrize("depth", [1, 2, 3])
async def test_the_note_stands_so_many_paragraphs_before_the_end(depth: int) -> None:
    context = await build("\n\n".join(PARAGRAPHS[:6]), Told(note="With dread.", depth=depth), 3000, count)
    assert [message.role for message in context.messages] == ["system", "user", "assistant", "user"]
    assert context.messages[3].content.startswith("With dread.")
    assert context.messages[2].content == "\n\n".join(PARAGRAPHS[: 6 - depth]).rstrip()
    assert context.reply_prefix == "\n\n".join(PARAGRAPHS[6 - depth : 6]).rstrip(" ")


async def test_in_a_story_shorter_than_its_depth_the_note_is_at_the_top() -> None:
    context = await build("One.\n\nTwo.", Told("Memory.", note="With dread."), 1000, count)
    assert [message.role for message in context.messages] == ["system", "user"]
    assert context.messages[1].content.endswith("Memory.\n\nWith dread.")
    assert context.reply_prefix == "One.\n\nTwo."


async def test_a_long_story_is_cut_at_a_paragraph_and_fits() -> None:
    context = await build(STORY, Told("Memory.", note="Note."), 1000, count)
    assert context.tokens <= 1000
    assert context.tokens >= 600
    assert STORY[context.left_out :].startswith("Paragraph")
    assert context.left_out > 0
    assert await count(context.messages) + await count(context.reply_prefix) <= 1000 + 8


async def test_the_cut_stays_while_the_story_grows_and_moves_in_few_big_steps() -> None:
    cuts = [(await build("\n\n".join(PARAGRAPHS[:number]), Told(), 1000, count)).left_out for number in range(20, 120)]
    assert cuts == sorted(cuts)
    # 100 paragraphs of about 58 tokens; a step drops about 250 of them.
    assert len(set(cuts)) <= 30
    longest_stay = max(cuts.count(cut) for cut in set(cuts))
    assert longest_stay >= 4


async def test_memory_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(FiresideError, match="no room") as refused:
        await build("Go.", Told("word " * 1000), 1000, count)
    assert refused.value.hint is not None


@given(text=st.text(alphabet="ab .\n", max_size=3000), depth=st.integers(1, 5), budget=st.integers(64, 400))
@settings(max_examples=150, deadline=None)
async def test_any_story_fits_and_what_is_shown_is_its_end(text: str, depth: int, budget: int) -> None:
    context = await build(text, Told("m", note="n", depth=depth), budget, count)
    assert context.tokens <= budget
    assert text.rstrip(" \t").endswith(context.reply_prefix)
    kept = text.rstrip(" \t")[context.left_out :]
    before = context.messages[2].content if len(context.messages) > 2 else ""
    assert kept.startswith(before)
    assert "".join((before + context.reply_prefix).split()) == "".join(kept.split())


@given(text=st.text(alphabet="x", min_size=3000, max_size=6000))
@settings(max_examples=10, deadline=None)
async def test_a_story_without_any_break_fits_too(text: str) -> None:
    context = await build(text, Told(), 200, count)
    assert 0 < len(context.reply_prefix) <= 800


@pytest.mark.parametrize(
    ("depth", "strength", "depths"),
    [(3, 1, (3,)), (3, 2, (3, 2)), (3, 3, (3, 2, 1)), (8, 3, (8, 4, 1)), (1, 3, (1,)), (2, 2, (2, 1))],
)
def test_a_stronger_note_is_said_again_nearer_to_the_end(depth: int, strength: int, depths: tuple[int, ...]) -> None:
    assert note_depths(depth, strength) == depths


async def test_a_strong_note_stands_at_each_of_its_places() -> None:
    told = Told(note="With dread.", depth=4, strength=3, triggered="Tom drowned.")
    context = await build("\n\n".join(PARAGRAPHS[:6]), told, 3000, count)
    asked = [message.content for message in context.messages if message.role == "user"][1:]
    assert [words.split("\n\n")[:-1] for words in asked] == [
        ["Tom drowned.", "With dread."],
        ["With dread."],
        ["With dread."],
    ]
    assert context.reply_prefix == PARAGRAPHS[5].rstrip()


async def test_what_is_called_up_leaves_all_before_it_as_it_was() -> None:
    story = "\n\n".join(PARAGRAPHS[:9])
    told = Told("Memory.", constant="The year is 1890.", note="Slowly.")
    quiet = await build(story, told, 3000, count)
    called = await build(story, replace(told, triggered="Tom drowned."), 3000, count)
    assert called.messages[:-1] == quiet.messages[:-1]
    assert called.reply_prefix == quiet.reply_prefix
    assert called.messages[-1].content == "Tom drowned.\n\n" + quiet.messages[-1].content
    assert "The year is 1890." in quiet.messages[1].content


async def test_a_task_is_the_last_word_and_the_story_stands_before_it_whole() -> None:
    context = await build("One.\n\nTwo.", Told("Memory.", note="Slowly.", task="Ilse arrives."), 1000, count)
    assert [message.role for message in context.messages] == ["system", "user", "assistant", "user"]
    assert (context.messages[2].content, context.messages[3].content) == ("One.\n\nTwo.", "Ilse arrives.")
    assert context.reply_prefix == ""


async def test_the_summary_stands_in_for_what_is_left_out_and_only_for_that() -> None:
    told = Told(summary="Mara came.", summary_until=10)
    short = await build(PARAGRAPHS[0], told, 1000, count)
    assert "Mara came." not in shown(short)
    long = await build(STORY, told, 1000, count)
    assert "What happened before: Mara came." in long.messages[1].content
    assert long.tokens <= 1000
    early = await build(STORY, replace(told, summary_until=len(STORY) + 1), 1000, count)
    assert "Mara came." not in shown(early)


@given(
    depth=st.integers(1, 6),
    strength=st.integers(1, 3),
    task=st.sampled_from(["", "Next."]),
    triggered=st.sampled_from(["", "Lore."]),
    paragraphs=st.integers(0, 12),
)
@settings(max_examples=60, deadline=None)
async def test_the_parts_are_what_the_model_is_shown(
    depth: int, strength: int, task: str, triggered: str, paragraphs: int
) -> None:
    told = Told("Memory.", "Constant.", triggered=triggered, note="Note.", depth=depth, strength=strength, task=task)
    context = await build("\n\n".join(PARAGRAPHS[:paragraphs]), told, 2000, count)
    everything = shown(context)
    assert await count(context.messages) + await count(context.reply_prefix) <= context.tokens + 8
    for origin, title, text in context.parts:
        assert title
        assert text
        assert text in everything, origin
    assert (triggered == "") == all(origin != "lore" or text == "Constant." for origin, _, text in context.parts)
    assert bool(task) == any(origin == "question" for origin, _, _ in context.parts)

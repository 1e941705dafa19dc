"""Which lore a story calls up, and what of it is shown."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.errors import DocumentError
from fireside.stories.lore import ROUNDS, Lore, LoreEntry, triggered, would_trigger
from fireside.stories.lore_json import from_json, to_json

SEA = LoreEntry("Sea", "The sea is grey.", keys=("sea", "ocean"))


async def words(text: str) -> int:
    return len(text.split())


def names(entries: list[LoreEntry], text: str) -> list[str]:
    return [each.entry.name for each in would_trigger(entries, text) if each.beaten_by is None]


def shown(lore: Lore) -> list[str]:
    return [each.trigger.entry.name for each in (*lore.constant, *lore.triggered)]


def test_an_entry_is_called_up_by_any_of_its_keys_and_says_where() -> None:
    (found,) = would_trigger([SEA], "They saw the Ocean.")
    assert (found.key, found.start, found.end) == ("ocean", 13, 18)
    assert would_trigger([SEA], "A season of oceanic calm.") == []
    assert would_trigger([replace(SEA, enabled=False)], "the sea") == []


def test_keys_are_looked_for_in_the_last_paragraphs_only() -> None:
    story = "The sea.\n\nA hill.\n\nA house."
    assert names([replace(SEA, scan_depth=2)], story) == []
    assert names([replace(SEA, scan_depth=3)], story) == ["Sea"]
    assert names([replace(SEA, scan_depth=0)], "The sea.\n" + "A line.\n" * 500) == ["Sea"]
    (found,) = would_trigger([replace(SEA, scan_depth=1)], story + " The sea.")
    assert story[: found.start].endswith("A house.") or (found.start, found.end) == (32, 35)


@pytest.mark.parametrize(
    ("logic", "text", "called_up"),
    [
        ("any", "sea, storm", True),
        ("any", "sea", False),
        ("all", "sea, storm", False),
        ("all", "sea, storm, ship", True),
        ("not_any", "sea", True),
        ("not_any", "sea, ship", False),
        ("not_all", "sea, ship", True),
        ("not_all", "sea, ship, storm", False),
        ("not_any", "nothing of the kind", False),
    ],
)
def test_secondary_keys_must_agree(logic: str, text: str, called_up: bool) -> None:
    entry = replace(SEA, secondary=("storm", "ship"), logic=logic)  # type: ignore[arg-type]
    assert bool(would_trigger([entry], text)) is called_up


def test_lore_calls_up_lore_so_many_times_and_each_entry_once() -> None:
    chain = [LoreEntry(f"n{i}", f"leads to word{i + 1}", keys=(f"word{i}",)) for i in range(10)]
    found = would_trigger(chain, "word0")
    assert [each.entry.name for each in found] == [f"n{i}" for i in range(ROUNDS + 1)]
    assert [each.by for each in found] == [None, 0, 1, 2]
    assert (found[1].start, found[1].end) == (9, 14)
    ring = [LoreEntry("a", "b", keys=("a",)), LoreEntry("b", "a", keys=("b",))]
    assert names(ring, "a") == ["a", "b"]


def test_an_entry_can_keep_out_of_the_calling_up_of_lore() -> None:
    first = LoreEntry("first", "speaks of the sea", keys=("begin",))
    assert names([first, SEA], "begin") == ["first", "Sea"]
    assert names([replace(first, triggers_lore=False), SEA], "begin") == ["first"]
    assert names([first, replace(SEA, triggered_by_lore=False)], "begin") == ["first"]
    assert names([LoreEntry("king", "the sea", constant=True), SEA], "") == ["king", "Sea"]


def test_of_a_group_the_one_that_matters_most_is_shown() -> None:
    group = [
        replace(SEA, name="light", group="g", group_weight=1),
        replace(SEA, name="heavy", group="g", group_weight=9),
        replace(SEA, name="other"),
    ]
    assert names(group, "sea") == ["heavy", "other"]
    group[0] = replace(group[0], order=101)
    found = would_trigger(group, "sea")
    assert [each.beaten_by for each in found] == [None, 0, None]
    later = LoreEntry("later", "x", keys=("grey",), group="g", order=999)
    assert "later" not in names([*group, later], "sea")


async def test_what_matters_most_gets_room_first_and_stands_last() -> None:
    entries = [
        LoreEntry("big", "one two three four five", keys=("sea",), order=1),
        LoreEntry("small", "one two", keys=("sea",), order=2),
        LoreEntry("main", "one two three", keys=("sea",), order=3),
        LoreEntry("always", "one two", constant=True, order=-5),
    ]
    lore = await triggered(entries, "the sea", 8, words)
    assert shown(lore) == ["always", "small", "main"]
    assert lore.tokens == 7
    assert [(each.trigger.entry.name, each.reason) for each in lore.left_out] == [
        ("big", "5 tokens, and the lore has room for 1 more")
    ]
    nothing = await triggered(entries, "the sea", 0, words)
    assert shown(nothing) == []
    assert len(nothing.left_out) == 4


async def test_an_entry_is_cut_to_its_own_budget_at_a_sentence() -> None:
    entry = replace(SEA, text="One two. Three four five. Six seven.", budget=6)
    lore = await triggered([entry], "sea", 100, words)
    assert [(each.text, each.tokens) for each in lore.triggered] == [("One two. Three four five.", 5)]
    lore = await triggered([replace(entry, budget=1)], "sea", 100, words)
    assert lore.left_out[0].reason == "its own budget of 1 tokens holds no sentence of it"
    lore = await triggered([replace(entry, text=" \n")], "sea", 100, words)
    assert lore.left_out[0].reason == "it has no text"


async def test_a_group_says_who_is_shown_instead() -> None:
    lore = await triggered([replace(SEA, group="g"), replace(SEA, name="two", group="g")], "sea", 100, words)
    assert [each.reason for each in lore.left_out] == ["Sea is shown for the group g"]


KEYS = st.sampled_from(["a", "b", "/[ab]c/", "/(/", "Ä", ""])
ENTRIES = st.lists(
    st.builds(
        LoreEntry,
        name=st.sampled_from("xyz"),
        text=st.sampled_from(["a", "b c", "", "/", "Ä. ß."]),
        keys=st.lists(KEYS, max_size=2).map(tuple),
        secondary=st.lists(KEYS, max_size=2).map(tuple),
        logic=st.sampled_from(["any", "all", "not_any", "not_all"]),
        scan_depth=st.integers(0, 3),
        order=st.integers(-3, 3),
        constant=st.booleans(),
        enabled=st.booleans(),
        group=st.sampled_from(["", "g", "h"]),
        budget=st.integers(0, 2),
    ),
    max_size=8,
)


@given(ENTRIES, st.text("abcÄß.\n ", max_size=40), st.integers(0, 6))
async def test_whatever_the_entries_the_lore_fits_and_nothing_is_lost(
    entries: list[LoreEntry], text: str, budget: int
) -> None:
    lore = await triggered(entries, text, budget, words)
    assert lore == await triggered(entries, text, budget, words)
    assert lore.tokens == sum(each.tokens for each in (*lore.constant, *lore.triggered)) <= budget
    placed = [each.trigger for each in (*lore.constant, *lore.triggered)]
    asked = would_trigger(entries, text)
    assert sorted(each.index for each in [*placed, *(left.trigger for left in lore.left_out)]) == sorted(
        each.index for each in asked
    )
    groups = [each.entry.group for each in placed if each.entry.group]
    assert len(groups) == len(set(groups))
    for each in asked:
        if each.key:
            source = text if each.by is None else entries[each.by].text
            assert 0 <= each.start < each.end <= len(source)


@given(ENTRIES)
def test_entries_come_back_from_json_as_they_were(entries: list[LoreEntry]) -> None:
    assert from_json(to_json(entries)) == tuple(entries)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("{}", "no lorebook"),
        ('{"fireside_lorebook": 1, "entries": [3]}', "entry 1 of the lorebook is no object"),
        ('{"fireside_lorebook": 1, "entries": [{"name": "a", "text": "b", "budget": true}]}', "wrong value in budget"),
        ('{"fireside_lorebook": 1, "entries": [{"name": "a", "text": "b", "logic": "or"}]}', "wrong value in logic"),
        ('{"fireside_lorebook": 1, "entries": [{"name": "a", "text": "b", "keys": "c"}]}', "wrong value in keys"),
        ('{"fireside_lorebook": 1, "entries": [{"name": "a"}]}', "lacks text"),
        ('{"fireside_lorebook": 1, "entries": [{"name": "a", "text": "b", "x": 1}]}', "does not know: x"),
    ],
)
def test_a_lorebook_that_is_wrong_says_where(document: str, said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        from_json(document)


def test_a_thousand_entries_are_looked_through_in_a_moment() -> None:
    rng = random.Random(5)
    entries = [LoreEntry(str(i), "x", keys=(f"key{i}", f"other {i}")) for i in range(1000)]
    story = "\n".join(" ".join(f"key{rng.randrange(5000)}" for _ in range(60)) for _ in range(50))
    assert len(names(entries, story)) > 50

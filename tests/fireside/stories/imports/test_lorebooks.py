"""Lorebooks and saves of other programs."""

from __future__ import annotations

from typing import Any

import pytest
from lore_files import as_json, novelai_entry, world_entry

from fireside.errors import DocumentError
from fireside.stories.imports.read import read
from fireside.stories.lore import LoreEntry
from fireside.stories.lore_json import to_json


def world(**fields: Any) -> tuple[LoreEntry, tuple[str, ...]]:
    found = read(as_json({"entries": {"0": world_entry(**fields)}}))
    assert found.kind == "SillyTavern world info"
    return found.entries[0], found.problems


def test_sillytaverns_fields_become_ours() -> None:
    entry, problems = world(
        keysecondary=["ship"], selectiveLogic=3, order=7, scanDepth=2, caseSensitive=True, matchWholeWords=False,
        group="places", groupOverride=True, groupWeight=5, excludeRecursion=True, preventRecursion=True,
    )  # fmt: skip
    assert entry == LoreEntry(
        "Harbour", "The harbour is old.", ("harbour",), ("ship",), "all", case=True, whole_words=False, scan_depth=2,
        order=7, group="places", group_weight=5, triggered_by_lore=False, triggers_lore=False,
    )  # fmt: skip
    assert problems == ()


@pytest.mark.parametrize(("number", "logic"), [(0, "any"), (1, "not_all"), (2, "not_any"), (3, "all")])
def test_the_four_logics(number: int, logic: str) -> None:
    assert world(keysecondary=["x"], selectiveLogic=number)[0].logic == logic


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"probability": 40}, "a probability is not supported"),
        ({"sticky": 3}, "sticky is not supported"),
        ({"cooldown": 2}, "cooldown is not supported"),
        ({"vectorized": True}, "vectorized is not supported"),
        ({"delayUntilRecursion": True}, "delayUntilRecursion is not supported"),
        ({"position": 4}, "its place in the prompt is left out"),
        ({"group": "a"}, "chosen by order, not by chance"),
        ({"characterFilter": {"names": ["Jo"], "tags": []}}, "its filter for characters"),
        ({"automationId": "7"}, "automationId is not supported"),
        ({"selectiveLogic": 9}, "logic of the secondary keys is not known"),
        ({"selective": False, "keysecondary": ["x"]}, "secondary keys that are switched off"),
        ({"key": ["/(?=a)/", "ok"]}, "the key /(?=a)/ is left out: it looks ahead"),
        ({"key": 7}, "key is no list of keys"),
        ({"order": "first"}, "order is no number"),
        ({"content": ["x"]}, "content is no text"),
        ({"content": "{{random::a::b}}"}, "the placeholder random"),
        ({"content": "@@depth 3\nText"}, "the decorator @@depth"),
        ({"something new": 1}, "something new is not supported"),
    ],
)
def test_what_cannot_be_taken_over_is_named_with_its_entry(fields: dict[str, Any], said: str) -> None:
    found = read(as_json({"entries": {"0": world_entry(), "1": world_entry(**({"comment": "Second"} | fields))}}))
    assert [line for line in found.problems if said in line and "(Second)" in line], found.problems
    assert len(found.entries) == 2


def test_decorators_at_the_beginning_count_and_go() -> None:
    entry, _ = world(content="@@constant\n@@scan_depth 3\n@@exclude_keys war, peace\nThe text.\n@@not one")
    assert entry.constant
    assert (entry.scan_depth, entry.secondary, entry.logic) == (3, ("war", "peace"), "not_any")
    assert entry.text == "The text.\n@@not one"


def test_one_reason_is_one_line_however_often() -> None:
    found = read(as_json({"entries": [world_entry(comment=f"e{i}", sticky=1) for i in range(8)]}))
    assert found.problems == ("sticky is not supported: left out (e0, e1, e2, e3, e4 and 3 more)",)


@pytest.mark.parametrize("version", [3, 4, 5, 6])
def test_novelais_fields_become_ours(version: int) -> None:
    entry = novelai_entry(
        keys=["Mara", "/smith(y|ies)?/i"], nonStoryActivatable=True, placing={"prefix": "[ ", "suffix": " ]\n"}
    )
    found = read(as_json({"lorebookVersion": version, "entries": [entry], "settings": {}, "categories": []}))
    assert found.kind == "NovelAI lorebook"
    assert found.entries == (
        LoreEntry("Mara", "[ Mara is a smith. ]", ("Mara", "/smith(y|ies)?/i"), scan_depth=4, order=400, budget=2048),
    )
    assert found.problems == ("search ranges in characters became paragraphs of about 250",)


def test_novelais_categories_and_conjunctions() -> None:
    book = {
        "lorebookVersion": 5,
        "categories": [{"id": "c", "name": "Off", "enabled": False}],
        "entries": [
            novelai_entry(displayName="A", category="c"),
            novelai_entry(displayName="B", keys=["king & castle"]),
            novelai_entry(displayName="C", keys=["crown", "king & castle & war"]),
            novelai_entry(displayName="D", forceActivation=True, keys=[], keyRelative=True, placing={"tokenBudget": 1}),
        ],
    }
    found = read(as_json(book))
    a, b, c1, c2, d = found.entries
    assert not a.enabled
    assert (b.keys, b.secondary, b.logic) == (("king",), ("castle",), "all")
    assert (c1.name, c1.keys, c1.group) == ("C (1)", ("crown",), "C")
    assert (c2.name, c2.keys, c2.secondary, c2.group) == ("C (2)", ("king",), ("castle", "war"), "C")
    assert d.constant
    assert d.budget == 0
    assert "its category is switched off: so is it (A)" in found.problems
    assert any("place beside the key" in line and "(D)" in line for line in found.problems)


def test_a_novelai_scenario() -> None:
    found = read(
        as_json(
            {
                "scenarioVersion": 3,
                "title": "Sea",
                "prompt": "It began.",
                "context": [{"text": "Memory."}, {"text": "Note."}],
                "lorebook": {"lorebookVersion": 5, "entries": [novelai_entry()]},
            }
        )
    )
    assert (found.title, found.opening, found.memory, found.note) == ("Sea", "It began.", "Memory.", "Note.")
    assert len(found.entries) == 1


KOBOLD_ENTRY = {
    "key": "harbour, port", "keysecondary": "", "keyanti": "air", "content": "It is old.", "comment": "",
    "folder": None, "selective": False, "constant": False, "probability": 100, "wigroup": "Places", "widisabled": False,
}  # fmt: skip


def test_a_kobold_save_is_a_story_with_lore() -> None:
    found = read(
        as_json(
            {
                "gamestarted": True, "prompt": "It began.\n", "memory": "Mara.", "authorsnote": "Slowly.",
                "actions": ["\nThen it rained.", " And on."], "worldinfo": [KOBOLD_ENTRY], "savedsettings": {"a": 1},
            }
        )
    )  # fmt: skip
    assert found.kind == "Kobold save"
    assert (found.opening, found.memory, found.note) == ("It began.\n\nThen it rained. And on.", "Mara.", "Slowly.")
    assert found.entries == (
        LoreEntry(
            "harbour", "It is old.", ("harbour", "port"), ("air",), "not_any", whole_words=False, comment="Places"
        ),
    )
    assert found.problems == ()


def test_koboldai_united_numbers_its_actions_and_keeps_folders() -> None:
    entry = {
        "uid": 1,
        "title": "Harbour",
        "key": ["harbour"],
        "content": "Old.",
        "token_budget": 50,
        "selective": False,
    }
    world_info = {"folders": {"root": [1]}, "entries": {"1": entry}}
    actions = {"action_count": 0, "actions": {"0": {"Selected Text": " Then."}}}
    save = {"file_version": 2, "prompt": "First.", "actions": actions, "worldinfo_v2": world_info, "gamestarted": True}
    found = read(as_json(save))
    assert found.opening == "First. Then."
    assert found.entries == read(as_json(world_info)).entries
    assert found.entries[0].budget == 50
    assert read(as_json([KOBOLD_ENTRY])).kind == "Kobold world info"


def test_our_own_form_is_made_safe_too() -> None:
    found = read(to_json([LoreEntry("a\x1b[2J", "b\x1b]52;c;eA==\x07c", keys=("k\u202e",))]).encode())
    assert found.entries == (LoreEntry("a", "bc", keys=("k",)),)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no text in UTF-8"),
        (b"\xff\xd8\xff\xe0", "a JPEG picture"),
        (b"PK\x03\x04", "ZIP"),
        (b"[" * 200_000, "too many levels"),
        (b'{"a":' * 100_000, "too many levels"),
        (b"7" * 10_000, "no JSON"),
        (b"[]", "nothing of a story is in it"),
        (b"{}", "no lorebook, save or card"),
        (b'"text"', "no lorebook, save or card"),
        (b'{"entries": []}', "no lorebook, save or card"),
        (b'{"entries": {"0": "x"}}', "no lorebook, save or card"),
    ],
)
def test_what_is_nothing_of_the_kind_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        read(data)

"""Files made to hurt: whatever is in them, what comes out is safe and whole, or refused in one line."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from lore_files import PNG, as_json, novelai_entry, png, text_chunk, world_entry

from fireside.errors import DocumentError
from fireside.stories.imports import png as png_file
from fireside.stories.imports.macros import resolve
from fireside.stories.imports.read import read
from fireside.stories.imports.record import MOST_RECORDS, Findings
from fireside.stories.imports.result import Imported
from fireside.text import for_terminal

NASTY = "a\x1b[2Jb\x1b]52;c;eA==\x07\u202ec\U000e0041d\x00\ud800[@click=app.quit]e[/]"


def texts(found: Imported) -> Iterator[str]:
    yield from (found.kind, found.title, found.memory, found.note, found.opening, found.about)
    yield from found.alternatives
    yield from found.problems
    for entry in found.entries:
        yield from (entry.name, entry.text, entry.group, entry.comment, *entry.keys, *entry.secondary)


def check(data: bytes) -> None:
    try:
        found = read(data, character="C\x1b[1m", user="U\u202e")
    except DocumentError as error:
        lines = [error.message, error.hint or ""]
    else:
        lines = list(found.problems)
        assert all(for_terminal(text) == text for text in texts(found))
    assert all("\n" not in line and for_terminal(line) == line for line in lines)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([NASTY, "/(/", "a,b"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just(NASTY), inner, max_size=3)
    ),
    max_leaves=8,
)


def damaged(document: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The document with anything in some of its fields."""
    return st.dictionaries(st.sampled_from(sorted(document)), VALUES, max_size=4).map(lambda some: {**document, **some})


CARD = {
    "name": "N", "description": "D", "first_mes": "F", "alternate_greetings": ["A"], "extensions": {"depth_prompt": {}},
    "character_book": {"entries": []}, "creator_notes": "", "creator_notes_multilingual": {}, "system_prompt": "",
}  # fmt: skip
SAVE = {"prompt": "P", "memory": "M", "actions": [], "worldinfo": [], "savedsettings": {}, "worldinfo_v2": {}}


@settings(max_examples=40)
@given(damaged(world_entry()))
def test_world_info_with_anything_in_its_fields(entry: dict[str, Any]) -> None:
    check(as_json({"entries": {"0": entry}}))


@settings(max_examples=40)
@given(damaged(novelai_entry()), damaged(novelai_entry()["contextConfig"]))
def test_novelai_entries_with_anything_in_their_fields(entry: dict[str, Any], placing: dict[str, Any]) -> None:
    check(as_json({"lorebookVersion": 5, "entries": [entry, {**entry, "contextConfig": placing}]}))


@settings(max_examples=40)
@given(damaged(CARD), st.sampled_from(["chara_card_v2", "chara_card_v3", "chara_card_v9", NASTY]))
def test_cards_with_anything_in_their_fields(data: dict[str, Any], spec: str) -> None:
    check(as_json({"spec": spec, "data": data}))
    check(as_json(data))


@settings(max_examples=40)
@given(damaged(SAVE))
def test_saves_with_anything_in_their_fields(save: dict[str, Any]) -> None:
    check(as_json(save))


@settings(max_examples=40)
@given(VALUES)
def test_any_json(document: Any) -> None:
    check(as_json(document))
    check(as_json({"entries": document}))
    check(as_json({"scenarioVersion": 1, "lorebook": document, "context": document}))
    check(png(text_chunk("chara", document)))


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    check(data)
    check(PNG + data)
    with contextlib.suppress(DocumentError):
        png_file.texts(PNG + data)


def test_escape_sequences_and_hidden_characters_are_gone_from_all_texts() -> None:
    found = read(as_json({"name": NASTY, "entries": [world_entry(comment=NASTY, content=NASTY, key=[NASTY])]}))
    (entry,) = found.entries
    assert entry.name == entry.text == entry.keys[0] == "abcd[@click=app.quit]e[/]"


def test_a_line_of_a_megabyte_and_too_many_entries_are_cut_and_said() -> None:
    began = time.monotonic()
    entry = world_entry(content="x" * 1_500_000, key=["k" * 1_500_000, "{{" * 100])
    found = read(as_json({"entries": [entry] * 3 + [{}] * MOST_RECORDS}))
    assert len(found.entries) == MOST_RECORDS
    assert len(found.entries[0].text) == 1_000_000
    assert found.entries[0].keys == ("{{" * 100,)
    assert any("cut off after 1,000,000" in line for line in found.problems)
    assert any("those after 10,000 are left out" in line for line in found.problems)
    assert time.monotonic() - began < 10


def test_placeholders_in_a_long_text_take_no_time() -> None:
    began = time.monotonic()
    for text in ("{{" * 500_000, "{{char}}" * 50_000, "{{" + "a" * 1_000_000):
        resolve(text, "{{char}}", "", Findings())
    assert time.monotonic() - began < 10


def test_deep_objects_are_refused_in_one_line() -> None:
    check(b'{"entries": {"0": ' + b'{"extensions": ' * 100_000 + b"1" + b"}" * 100_000 + b"}}")
    check(json.dumps({"entries": {"0": world_entry(order=10**400)}}).encode())

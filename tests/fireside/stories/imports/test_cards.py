"""Character cards, as JSON and in PNG pictures."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import pytest
from lore_files import PNG, as_json, chunk, novelai_entry, png, text_chunk

from fireside.errors import DocumentError
from fireside.stories.imports import png as png_file
from fireside.stories.imports.read import read

V1 = {
    "name": "Mara",
    "description": "{{char}} is a smith.",
    "personality": "Gruff.",
    "scenario": "{{user}} needs a sword.",
    "first_mes": "<BOT> looked up at {{User}}.",
    "mes_example": "<START>\n{{char}}: Hm.",
}
ENTRY = {
    "keys": ["forge"], "content": "{{char}}'s forge is hot.", "enabled": True, "insertion_order": 5, "name": "Forge",
    "secondary_keys": ["fire"], "selective": True, "constant": False, "position": "before_char",
    "extensions": {"selectiveLogic": 2, "exclude_recursion": True, "match_whole_words": False, "probability": 100},
}  # fmt: skip


def v2(**fields: Any) -> dict[str, Any]:
    return {"spec": "chara_card_v2", "spec_version": "2.0", "data": {**V1, **fields}}


def v3(**fields: Any) -> dict[str, Any]:
    return {"spec": "chara_card_v3", "spec_version": "3.0", "data": {**V1, **fields}}


def test_a_card_becomes_memory_and_opening() -> None:
    found = read(as_json(V1), user="Jo")
    assert found.kind == "character card V1"
    assert found.title == "Mara"
    assert found.memory == (
        "Mara: Mara is a smith.\n\nPersonality: Gruff.\n\nScenario: Jo needs a sword.\n\n"
        "How Mara would speak:\nMara: Hm."
    )
    assert found.opening == "Mara looked up at Jo."
    assert found.problems == ()


def test_a_name_nobody_gave_stays_and_is_said() -> None:
    found = read(as_json(V1))
    assert found.opening == "Mara looked up at {{User}}."
    assert found.problems == ("the placeholder user cannot be filled in: left as it is",)


def test_all_of_a_newer_card_is_taken_or_named() -> None:
    book = {"name": "B", "scan_depth": 3, "token_budget": 200, "recursive_scanning": False, "entries": [ENTRY]}
    found = read(
        as_json(
            v3(
                nickname="Mae", alternate_greetings=["Hi {{user}}", ""], creator_notes="Enjoy.",
                system_prompt="Be her.", post_history_instructions="Stay {{char}}.", character_book=book,
                group_only_greetings=["All!"],
                extensions={"depth_prompt": {"prompt": "Terse.", "depth": 4}, "risu": {"a": 1}}, tags=["x"],
                creator="c", assets=[{"type": "icon"}],
            )
        ),
        user="Jo",
    )  # fmt: skip
    assert found.kind == "character card V3"
    assert found.memory.startswith("Mae: Mae is a smith.")
    assert found.alternatives == ("Hi Jo",)
    assert found.note == "Stay Mae.\n\nTerse."
    assert found.about == "Enjoy.\n\nSystem prompt:\nBe her."
    (entry,) = found.entries
    assert (entry.name, entry.text, entry.keys) == ("Forge", "Mae's forge is hot.", ("forge",))
    assert (entry.secondary, entry.logic, entry.order, entry.scan_depth) == (("fire",), "not_any", 5, 3)
    assert not (entry.triggered_by_lore)
    assert not (entry.triggers_lore)
    assert not (entry.whole_words)
    for said in ("budget of 200", "greetings for groups", "the extension risu", "system prompt is not used"):
        assert [line for line in found.problems if said in line], said
    assert len(found.problems) == 4


def test_a_v3_entry_with_regular_expressions() -> None:
    book = {"entries": [{"keys": ["for(ge|ce)"], "content": "x", "use_regex": True}]}
    assert read(as_json(v3(character_book=book))).entries[0].keys == ("/for(ge|ce)/",)
    assert read(as_json({"spec": "lorebook_v3", "data": book})).entries[0].keys == ("/for(ge|ce)/",)


def test_a_card_in_a_picture_and_the_newer_form_first() -> None:
    assert read(png(text_chunk("chara", v2()))).kind == "character card V2"
    both = png(text_chunk("chara", v2(name="Old")), text_chunk("ccv3", v3(name="New")))
    assert read(both).title == "New"
    book = {"lorebookVersion": 5, "entries": [novelai_entry()]}
    assert read(png(text_chunk("naidata", book))).kind == "NovelAI lorebook"


@pytest.mark.parametrize("compressed", [False, True])
def test_texts_of_the_international_kind(compressed: bool) -> None:
    body = base64.b64encode(as_json(v2()))
    flag = b"\1\0" if compressed else b"\0\0"
    packed = zlib.compress(body) if compressed else body
    assert read(png(chunk(b"iTXt", b"chara\0" + flag + b"en\0\0" + packed))).title == "Mara"
    assert read(png(chunk(b"zTXt", b"chara\0\0" + zlib.compress(body)))).title == "Mara"


def test_damaged_and_hostile_pictures_are_refused() -> None:
    whole = png(text_chunk("chara", v2()))
    place = whole.index(b"chara") + 8
    bomb = chunk(b"zTXt", b"chara\0\0" + zlib.compress(bytes(png_file.LONGEST_TEXT + 1)))
    for data, said in [
        (whole[:place] + b"#" + whole[place + 1 :], "checksum"),
        (whole[:-20], "cut off"),
        (PNG + b"\x7f\xff\xff\xff" + b"tEXt", "cut off"),
        (PNG + b"\xff\xff\xff\xff" + b"tEXt" + bytes(20), "cut off"),
        (PNG, "cut off"),
        (png(), "no character card"),
        (png(bomb), "longer than"),
        (png(chunk(b"zTXt", b"chara\0\0nothing")), "damaged"),
        (png(chunk(b"tEXt", b"chara\0abcde")), "no base64"),
        (png(chunk(b"tEXt", b"chara\0" + base64.b64encode(b"{"))), "no JSON"),
        (PNG + chunk(b"tESt", b"") * 100_001, "more than 100,000 chunks"),
    ]:
        with pytest.raises(DocumentError, match=said):
            read(data)


def test_every_cut_of_a_picture_is_refused_or_read() -> None:
    whole = png(text_chunk("chara", v2()))
    for length in range(len(PNG), len(whole)):
        with pytest.raises(DocumentError):
            read(whole[:length])

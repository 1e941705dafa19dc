"""The lorebook beside a story: what fires and why, the entry's form, imports and exports."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lore_files import as_json, png, text_chunk, world_entry
from syrupy.assertion import SnapshotAssertion
from textual.widgets import Checkbox, Input, TextArea

from fireside.stories import manuscript as ms
from fireside.stories.lore import LoreEntry
from fireside.stories.lore_json import from_json
from fireside.stories.store import Story
from tui.story.side.lore import LoreScreen
from tui.story.side.lore_entry import LoreEntryScreen
from tui.story.side.lore_form import key_problems

Opens = Callable[..., Any]


def form(entry: LoreEntry) -> Callable[..., LoreEntryScreen]:
    return lambda story, model: LoreEntryScreen(entry, ms.text(story.manuscript))


def card(**fields: Any) -> bytes:
    data = {
        "name": "Ilse", "description": "{{char}} smuggles books for {{user}}.", "personality": "", "scenario": "",
        "first_mes": "The boat came in.", "mes_example": "",
        "character_book": {"entries": [{"keys": ["boat"], "content": "The boat is grey.", "extensions": {},
                                        "enabled": True, "insertion_order": 1, "name": "Boat"}], "extensions": {}},
    }  # fmt: skip
    return png(text_chunk("chara", {"spec": "chara_card_v2", "spec_version": "2.0", "data": data | fields}))


@pytest.mark.parametrize(("theme", "size"), [("dark", (100, 30)), ("light", (60, 20))])
async def test_look(beside: Opens, sea: Story, svg: SnapshotAssertion, theme: str, size: tuple[int, int]) -> None:
    async with beside(LoreScreen, sea, size=size, theme=theme) as at:
        await at.shows("2 of 4 shown now", "all keys")
        assert at.app.export_screenshot() == svg


async def test_an_empty_lorebook_says_what_lore_is(beside: Opens, empty: Story) -> None:
    async with beside(LoreScreen, empty, size=(60, 20)) as at:
        await at.shows("No lore yet", "i imports a lorebook")
        await at.press("d", "space", "g", "x")
        await at.shows("nothing to export yet")


async def test_why_an_entry_is_shown_or_not(beside: Opens, sea: Story) -> None:
    async with beside(LoreScreen, sea, size=(200, 30)) as at:
        await at.shows("shown now: “Ilse” stands in the last", "to read")
        await at.press("j")
        await at.shows("secondary keys do not agree", "and any of: oil")
        await at.press("j")
        await at.shows("shown now, as always")
        await at.press("j")
        await at.shows("off: Space turns it on")
        await at.press("space")
        await at.shows("not shown now: none of its keys stands in")
        await at.press("u")
        await at.shows("off: Space turns it on")


async def test_an_entry_left_out_says_its_reason(beside: Opens, empty: Story) -> None:
    entries = (
        LoreEntry("First", "One.", constant=True, group="g"),
        LoreEntry("Second", "Two.", constant=True, group="g"),
    )
    empty.change(lore=entries)
    async with beside(LoreScreen, empty, size=(200, 30)) as at:
        await at.shows("1 left out")
        await at.press("j")
        await at.shows("called up, but left out: First is shown for")


async def test_going_to_where_a_key_stands(beside: Opens, sea: Story) -> None:
    async with beside(LoreScreen, sea) as at:
        await at.shows("2 of 4 shown now")
        await at.press("j", "g")
        await at.shows("no key of this entry stands")
        await at.press("k", "g")
        await at.until(lambda: at.left)
        assert ms.text(sea.manuscript)[at.left[0].place :].startswith("Ilse climbed")


async def test_a_new_entry_is_looked_at_while_it_is_typed(beside: Opens, sea: Story) -> None:
    async with beside(LoreScreen, sea) as at:
        await at.press("n")
        await at.shows("an entry needs a name", "nothing calls it up")
        screen = at.app.screen
        screen.query_one("#lore-name", Input).value = "Fog"
        screen.query_one("#lore-keys", TextArea).text = "/fo(?=g)/\n/fog"
        await at.shows("it looks ahead or behind", "ends with a slash too")
        screen.query_one("#lore-keys", TextArea).text = "mist\n/f[o]g/i"
        await at.shows("called up now: “fog”")
        await at.press("ctrl+s")
        await at.shows("not saved: an entry needs a text")
        screen.query_one("#lore-text", TextArea).text = "It comes at night.\x1b[2J"
        screen.query_one("#lore-scan_depth", Input).value = "-1"
        await at.press("ctrl+s")
        await at.shows("not saved: scan depth: 0 or more")
        screen.query_one("#lore-scan_depth", Input).value = "3"
        screen.query_one("#lore-case", Checkbox).value = True
        await at.press("ctrl+s")
        await at.until(lambda: len(sea.info.lore) == 5)
        made = LoreEntry("Fog", "It comes at night.", ("mist", "/f[o]g/i"), scan_depth=3, case=True)
        assert sea.info.lore[4] == made
        await at.press("u")
        await at.until(lambda: len(sea.info.lore) == 4)


@pytest.mark.parametrize(("theme", "size"), [("light", (80, 24)), ("dark", (60, 20))])
async def test_the_form(beside: Opens, sea: Story, svg: SnapshotAssertion, theme: str, size: tuple[int, int]) -> None:
    async with beside(form(sea.info.lore[0]), sea, size=size, theme=theme) as at:
        await at.shows("called up now: “Ilse”", "Name", "all keys")
        assert at.app.export_screenshot() == svg


async def test_a_form_left_as_it_was_gives_nothing_and_changes_are_asked_about(beside: Opens, sea: Story) -> None:
    async with beside(form(sea.info.lore[1]), sea) as at:
        at.app.screen.query_one("#lore-name", Input).value = "Another lamp"
        await at.press("escape")
        await at.shows("Leave your changes unsaved?")
        await at.press("y")
        await at.until(lambda: at.left == [None])
    # Saved as it was, it is what it was, whatever the form shows of it.


async def test_saving_a_form_untouched_keeps_the_entry(beside: Opens, empty: Story) -> None:
    entry = LoreEntry(
        "Boat", "Grey.", ("boat",), ("sea", "/f.g/"), "not_all", True, False, 0, -5, False, False, "g", 7, 40, False,
        False, "why",
    )  # fmt: skip
    async with beside(form(entry), empty) as at:
        await at.shows("off: never shown")
        await at.press("ctrl+s")
        await at.until(lambda: at.left)
        assert at.left == [entry]


async def test_copy_delete_and_undo(beside: Opens, sea: Story) -> None:
    async with beside(LoreScreen, sea) as at:
        await at.press("c")
        await at.shows("Ilse (copy)")
        await at.press("d")
        await at.shows("Ilse (copy) is deleted; u brings it back")
        assert [each.name for each in sea.info.lore] == ["Ilse", "The lamp", "The year", "The old pier"]
        await at.press("u", "u")
        await at.until(lambda: len(sea.info.lore) == 4)


async def test_import_of_a_card_with_its_problems_and_names(
    beside: Opens, sea: Story, tmp_path: Path, svg: SnapshotAssertion
) -> None:
    (tmp_path / "ilse.png").write_bytes(card(group_only_greetings=["Hello all."]))
    (tmp_path / "notes.txt").write_text("no lorebook")
    async with beside(LoreScreen, sea, size=(80, 24)) as at:
        await at.press("i")
        await at.fill(str(tmp_path / "missing.png"))
        await at.shows("cannot be read")
        await at.fill(str(tmp_path / "notes.txt"))
        await at.shows("is no JSON")
        await at.fill(f"'{tmp_path / 'ilse.png'}'")
        await at.shows("character card V2", "the placeholder user cannot be filled in", "greetings for groups")
        await at.press(*"Mara")
        await at.until(lambda: "placeholder user" not in at.text)
        assert at.app.export_screenshot() == svg
        await at.press("ctrl+s")
        await at.shows("1 entries from character card V2")
        assert sea.info.memory.endswith("Ilse smuggles books for Mara.")
        assert sea.info.lore[-1].text == "The boat is grey."
        assert "The boat came in." not in ms.text(sea.manuscript)
        await at.press("u")
        await at.until(lambda: len(sea.info.lore) == 4)
        assert not sea.info.memory


async def test_parts_of_an_import_can_be_left(beside: Opens, empty: Story, tmp_path: Path) -> None:
    (tmp_path / "ilse.png").write_bytes(card())
    async with beside(LoreScreen, empty) as at:
        await at.press("i")
        await at.fill(str(tmp_path / "ilse.png"))
        await at.shows("Take")
        at.app.screen.query_one("#import-entries", Checkbox).value = False
        at.app.screen.query_one("#import-opening", Checkbox).value = True
        await at.press("ctrl+s")
        await at.until(lambda: ms.text(empty.manuscript) == "The boat came in.")
        assert not empty.info.lore
        await at.press("u")
        await at.until(lambda: not ms.text(empty.manuscript))


async def test_a_lorebook_goes_out_and_comes_back(beside: Opens, sea: Story, tmp_path: Path) -> None:
    file = tmp_path / "lore.json"
    async with beside(LoreScreen, sea) as at:
        await at.press("x")
        await at.fill(str(file))
        await at.shows("saved as")
        assert from_json(file.read_text("utf-8")) == sea.info.lore
        await at.press("x")
        await at.fill(str(file))
        await at.shows("Replace lore.json?")
        await at.press("n", "i")
        await at.fill(str(file))
        await at.shows("Fireside lorebook", "All of it can be taken over")
        await at.press("ctrl+s")
        await at.until(lambda: len(sea.info.lore) == 8)


async def test_strange_entries_are_shown_harmless(beside: Opens, empty: Story, tmp_path: Path) -> None:
    strange = world_entry(key=["[red]key[/]"], comment="\x1b]0;x\x07[bold]\u202e", content="t" * 200_000)
    (tmp_path / "strange.json").write_bytes(as_json({"entries": {"0": strange}}))
    async with beside(LoreScreen, empty) as at:
        await at.press("i")
        await at.fill(str(tmp_path / "strange.json"))
        await at.press("ctrl+s")
        await at.shows("1 entries from SillyTavern", "[bold]", "[red]key[/]")
        assert "\x1b" not in at.text
        assert "\u202e" not in at.text


def test_what_is_wrong_with_keys() -> None:
    assert key_problems(("words", "/a+/i", "/", "/a/b", "and/or")) == []
    assert "looks ahead" in key_problems(("/a(?=b)/",))[0]
    assert "ends with a slash" in key_problems(("/harbour",))[0]
    assert json.dumps(key_problems(("/(/",))).startswith('["/(/: missing')

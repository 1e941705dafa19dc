"""The summary and the timeline beside a story."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from fireside.models.scripted import ScriptedModel
from fireside.stories import manuscript as ms
from fireside.stories.store import Story
from tui.story.side.summary import SummaryScreen
from tui.story.side.timeline import TimelineScreen

Opens = Callable[..., Any]
LONG = "The keeper counted the waves and wrote the number down in the book. " * 400


def lengthen(story: Story) -> None:
    story.save(ms.append(story.manuscript, "model", LONG))


def branched(story: Story) -> None:
    manuscript = ms.append_alternative(story.manuscript, "model", "Ilse said nothing at all.")
    manuscript = ms.append(manuscript, "person", " He waited.")
    story.save(ms.turn(manuscript, -1, ms.path(manuscript)[2].id))


@pytest.mark.parametrize(("theme", "size"), [("dark", (100, 30)), ("light", (60, 20))])
async def test_look_of_the_summary(
    beside: Opens, sea: Story, svg: SnapshotAssertion, theme: str, size: tuple[int, int]
) -> None:
    sea.change(summary="Nobody had lit the lamp. Then a boat came.", summary_until=80)
    async with beside(SummaryScreen, sea, size=size, theme=theme) as at:
        await at.shows("9 words for the first", "All of the story fits", "in The Boat", "all keys")
        assert at.app.export_screenshot() == svg


async def test_a_summary_is_written_renewed_and_taken_back(beside: Opens, sea: Story) -> None:
    lengthen(sea)
    replies = [["The keeper counted waves."]] * 6
    async with beside(SummaryScreen, sea, replies) as at:
        await at.shows("No summary yet", "leaves out the first")
        await at.press("r")
        await at.shows("summed up; u takes it back", "The keeper counted waves.")
        until = sea.info.summary_until
        assert until > 0
        await at.press("r")
        await at.shows("it is up to date")
        await at.press("e")
        await at.fill("In my own words.", "ctrl+s")
        await at.shows("In my own words.")
        assert sea.info.summary_until == until
        await at.press("u", "u", "u")
        await at.shows("No summary yet")
        assert sea.info.summary_until == 0


async def test_a_first_summary_of_ones_own_stands_for_what_is_left_out(beside: Opens, sea: Story) -> None:
    lengthen(sea)
    async with beside(SummaryScreen, sea) as at:
        await at.shows("leaves out the first")
        await at.press("e")
        await at.fill("He counted.", "ctrl+s")
        await at.shows("2 words for the first")
        await at.press("e")
        await at.fill("", "ctrl+s")
        await at.shows("No summary yet")
        assert sea.info.summary_until == 0


async def test_summing_up_anew_is_stopped_and_keeps_the_old_one(beside: Opens, sea: Story) -> None:
    lengthen(sea)
    sea.change(summary="The old one.", summary_until=90)
    model = ScriptedModel([[asyncio.Event()]])
    async with beside(SummaryScreen, sea, model=model) as at:
        await at.press("R")
        await at.shows("summing up")
        await at.until(lambda: model.requests)
        await at.press("escape")
        await at.shows("stopped; what came is kept", "The old one.")
        assert (sea.info.summary, sea.info.summary_until) == ("The old one.", 90)
        await at.press("g")
        await at.until(lambda: at.left)
        assert at.left[0].place == 90


async def test_a_story_that_fits_needs_no_summary(beside: Opens, sea: Story) -> None:
    async with beside(SummaryScreen, sea) as at:
        await at.press("r")
        await at.shows("there is nothing to sum up yet")


@pytest.mark.parametrize(("theme", "size"), [("dark", (100, 30)), ("light", (60, 20))])
async def test_look_of_the_timeline(
    beside: Opens, sea: Story, svg: SnapshotAssertion, theme: str, size: tuple[int, int]
) -> None:
    branched(sea)
    async with beside(TimelineScreen, sea, size=size, theme=theme) as at:
        await at.shows("◆ Ilse climbed", "○ Ilse said nothing", "all keys")
        await at.press("n")
        await at.fill("before the lie")
        await at.shows("⚑ before the lie", "is here; u")
        assert at.app.export_screenshot() == svg


async def test_an_empty_timeline(beside: Opens, empty: Story) -> None:
    async with beside(TimelineScreen, empty, size=(60, 20)) as at:
        await at.shows("Nothing is written yet")
        await at.press("c", "n", "enter", "u", "d")
        await at.shows("this place has no name")
        assert not at.left


async def test_another_branch_is_read_as_far_as_it_was(beside: Opens, sea: Story) -> None:
    branched(sea)
    async with beside(TimelineScreen, sea) as at:
        await at.shows("◆ Ilse climbed")
        await at.press("j", "enter")
        await at.until(lambda: at.left)
        read = ms.text(sea.manuscript)
        assert read.endswith("Ilse said nothing at all. He waited.")
        assert at.left[0].changed
        assert read[at.left[0].place :].startswith("Ilse said")


async def test_cut_name_forget_and_undo(beside: Opens, sea: Story) -> None:
    branched(sea)
    async with beside(TimelineScreen, sea) as at:
        await at.shows("◆ Ilse climbed")
        before = sea.manuscript.head
        await at.press("c")
        await at.shows("what is read ends here already")
        await at.press("k", "c")
        await at.shows("read up to here")
        assert ms.text(sea.manuscript).endswith("slowly.\n\n")
        await at.press("n")
        await at.fill("the fog")
        await at.until(lambda: list(sea.manuscript.bookmarks) == ["the fog"])
        await at.shows("⚑ the fog")
        await at.press("n")
        await at.fill("fog")
        await at.until(lambda: list(sea.manuscript.bookmarks) == ["fog"])
        await at.shows("⚑ fog")
        await at.press("d")
        await at.shows("the name is forgotten")
        assert not sea.manuscript.bookmarks
        await at.press("u")
        await at.until(lambda: list(sea.manuscript.bookmarks) == ["fog"])
        await at.press("u", "u", "u")
        await at.until(lambda: sea.manuscript.head == before)
        assert not sea.manuscript.bookmarks


async def test_thousands_of_branches_are_listed(beside: Opens, empty: Story) -> None:
    manuscript = ms.append(empty.manuscript, "prompt", "It began.")
    manuscript = ms.append(manuscript, "model", " Once.")
    for number in range(1_000):
        manuscript = ms.append_alternative(manuscript, "model", f" Ending {number}.")
    empty.save(manuscript)
    async with beside(TimelineScreen, empty) as at:
        await at.shows("◆  Ending 999".replace("  ", " "))

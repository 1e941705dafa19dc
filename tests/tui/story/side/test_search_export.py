"""The search and the export beside a story."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.widgets import Input

from fireside.errors import DocumentError
from fireside.stories import manuscript as ms
from fireside.stories.store import Story
from rag.types import Passage
from tui.story.side.export import ExportScreen
from tui.story.side.search import SearchScreen

Opens = Callable[..., Any]


def passage(story: Story, words: str, start: int | None = None) -> Passage:
    at = ms.text(story.manuscript).index(words) if start is None else start
    return Passage("story.txt", "story", at, at + len(words), words, None, (), 0.9, 0.5, 1.0)


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[str]]:
    """Searches find what is given, or fail with it; the questions that were asked."""

    def give(result: Any) -> list[str]:
        asked: list[str] = []

        def found(story: Story, query: str, k: int) -> list[Passage]:
            asked.append(query)
            if isinstance(result, Exception):
                raise result
            return list(result)

        monkeypatch.setattr("tui.story.side.search.found", found)
        return asked

    return give


@pytest.mark.parametrize(("theme", "size"), [("dark", (100, 30)), ("light", (60, 20))])
async def test_places_are_listed_and_gone_to(
    beside: Opens,
    sea: Story,
    finds: Callable[[Any], list[str]],
    svg: SnapshotAssertion,
    theme: str,
    size: tuple[int, int],
) -> None:
    asked = finds([passage(sea, "Ilse climbed out"), passage(sea, "Nobody had lit the lamp.")])
    async with beside(SearchScreen, sea, size=size, theme=theme) as at:
        await at.shows("Ask as you would ask a reader")
        await at.press(*"who", "enter")
        await at.shows("2 places, the best first", "The Boat  Ilse climbed", "%  Nobody")
        assert asked == ["who"]
        assert at.app.export_screenshot() == svg
        await at.press("j", "enter")
        await at.until(lambda: at.left)
        assert ms.text(sea.manuscript)[at.left[0].place :].startswith("Nobody had lit")


async def test_a_place_is_found_again_where_the_index_counts_otherwise(
    beside: Opens, sea: Story, finds: Callable[[Any], list[str]]
) -> None:
    finds([passage(sea, "Ilse climbed out", start=3)])
    async with beside(SearchScreen, sea) as at:
        await at.press(*"who", "enter")
        await at.shows("1 places")
        await at.press("enter")
        await at.until(lambda: at.left)
        assert ms.text(sea.manuscript)[at.left[0].place :].startswith("Ilse climbed")


async def test_nothing_found_an_error_and_the_way_back(
    beside: Opens, sea: Story, finds: Callable[[Any], list[str]]
) -> None:
    finds([])
    async with beside(SearchScreen, sea) as at:
        await at.press(*"x", "enter")
        await at.shows("nothing was found")
        finds(DocumentError("the story could not be indexed", "free some space"))
        await at.press("enter")
        await at.shows("the story could not be indexed", "free some space")
        finds([passage(sea, "Ilse")])
        await at.press("enter")
        await at.shows("1 places")
        await at.press("escape")
        assert isinstance(at.app.focused, Input)
        await at.press("escape")
        await at.until(lambda: at.left)
        assert at.left[0].place is None


async def test_an_empty_story_has_nothing_to_search(beside: Opens, empty: Story) -> None:
    async with beside(SearchScreen, empty, size=(60, 20)) as at:
        await at.shows("there is nothing to search")
        await at.press(*"x", "enter")
        await at.shows("there is nothing to search")


@pytest.mark.parametrize(("theme", "size"), [("dark", (100, 40)), ("light", (60, 20))])
async def test_look_of_the_export(
    beside: Opens, sea: Story, svg: SnapshotAssertion, theme: str, size: tuple[int, int]
) -> None:
    async with beside(ExportScreen, sea, size=size, theme=theme) as at:
        await at.shows("EPUB 3", "all keys")
        at.app.screen.query_one("#export-author", Input).value = "A. Keeper"
        await at.until(lambda: "The Rock" in str(at.app.screen.query_one("#export-contents").render()))
        assert at.app.export_screenshot() == svg


@pytest.mark.parametrize(("downs", "ending"), [(0, "md"), (1, "epub"), (2, "txt")])
async def test_every_format_is_saved_with_author_and_title(
    beside: Opens, sea: Story, tmp_path: Path, downs: int, ending: str
) -> None:
    async with beside(ExportScreen, sea) as at:
        fields = {each: at.app.screen.query_one(f"#export-{each}", Input) for each in ("title", "author", "file")}
        fields["file"].value = str(tmp_path / "book.md")
        fields["title"].value, fields["author"].value = "Another Sea", "A. Keeper"
        await at.press(*["j"] * downs)
        await at.until(lambda: fields["file"].value.endswith(f"book.{ending}"))
        await at.press("ctrl+s")
        await at.shows("saved as", f"book.{ending}"[-4:])
        file = tmp_path / f"book.{ending}"
        if ending == "epub":
            with zipfile.ZipFile(file) as archive:
                text = archive.read("EPUB/package.opf").decode()
        else:
            text = file.read_text("utf-8")
        assert "another sea" in text.lower()
        assert "A. Keeper" in text
        await at.press("ctrl+s")
        await at.shows(f"Replace book.{ending}?")
        await at.press("n")
        assert at.story.info.title == "The Sea"


async def test_what_cannot_be_saved_is_said(beside: Opens, empty: Story, tmp_path: Path) -> None:
    async with beside(ExportScreen, empty) as at:
        await at.shows("a title page alone")
        language = at.app.screen.query_one("#export-language", Input)
        language.value = "german!"
        await at.shows("this is no language tag")
        await at.press("ctrl+s")
        await at.shows("not saved: this is no language tag")
        language.value = "de"
        at.app.screen.query_one("#export-file", Input).value = str(tmp_path / "file.md" / "book.md")
        (tmp_path / "file.md").write_text("not a folder")
        await at.press("ctrl+s")
        await at.until(lambda: at.app.screen.query_one("#side-said").has_class("error"))
        assert not (tmp_path / "file.md").is_dir()

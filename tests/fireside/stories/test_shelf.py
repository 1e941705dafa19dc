"""Stories as files: names from titles, renaming, copies, deleting with a way back; and as a reader's file."""

from __future__ import annotations

import time
import zipfile
from contextlib import closing
from io import BytesIO

import pytest

from fireside import paths
from fireside.errors import FiresideError, StorageError
from fireside.stories import manuscript as ms
from fireside.stories import shelf
from fireside.stories.publish import format_of, published
from fireside.stories.store import create_story, list_stories, open_story


def write(name: str, words: str) -> None:
    with closing(create_story(name, name.title())) as story:
        story.save(ms.append(story.manuscript, "prompt", words))


def names() -> list[str]:
    return sorted(each.name for each in list_stories())


@pytest.mark.parametrize(
    ("title", "name"),
    [("The Sea & the Lamp", "the-sea-the-lamp"), ("Über", "uber"), ("海", "story"), ("../../x", "x"), ("", "story")],
)
def test_names_from_titles(title: str, name: str) -> None:
    assert shelf.free_name(title) == name
    write(name, "Go.")
    assert shelf.free_name(title) == f"{name}-2"


def test_a_name_from_any_length_of_title_is_usable() -> None:
    assert paths.checked_name(shelf.free_name("word " * 100), "story")


def test_renamed_stories_are_whole_and_names_are_not_taken_twice() -> None:
    write("sea", "The bell rang.")
    write("lamp", "It was late.")
    shelf.rename("sea", "bell")
    assert names() == ["bell", "lamp"]
    assert shelf.words_of("bell") == 3
    with pytest.raises(StorageError, match="already"):
        shelf.rename("bell", "lamp")
    with pytest.raises(FiresideError, match="not a usable"):
        shelf.rename("bell", "../bell")
    with pytest.raises(StorageError, match="no story"):
        shelf.rename("none", "other")


def test_a_copy_has_everything_and_goes_its_own_way() -> None:
    write("sea", "The bell rang.")
    with closing(open_story("sea")) as story:
        story.save(ms.append_alternative(story.manuscript, "model", "Nothing rang."))
    copy = shelf.duplicate("sea")
    with closing(open_story(copy)) as one, closing(open_story("sea")) as other:
        assert one.info.title == "Sea (copy)"
        assert one.manuscript == other.manuscript
        one.save(ms.append(one.manuscript, "person", " More."))
        assert other.manuscript != one.manuscript


def test_deleted_stories_come_back_the_last_first() -> None:
    for name in ("one", "two"):
        write(name, "Go on.")
        shelf.delete(name)
    assert names() == []
    write("two", "Another.")
    assert shelf.bring_back() == "two-2"
    assert shelf.bring_back() == "one"
    assert shelf.bring_back() == ""
    assert shelf.words_of("two-2") == 2


def test_what_was_deleted_long_ago_is_erased() -> None:
    write("old", "Go.")
    shelf.delete("old")
    (file,) = (paths.stories_folder() / "deleted").glob("*.db")
    past = int((time.time() - shelf.KEPT_SECONDS - 60) * 1000)
    file.rename(file.with_name(f"{past}-old.db"))
    write("new", "Go.")
    shelf.delete("new")
    assert shelf.bring_back() == "new"
    assert shelf.bring_back() == ""


def test_published_in_every_format() -> None:
    write("sea", "The bell rang.")
    with closing(open_story("sea")) as story:
        assert published(story, "md", author="A. Keeper").decode().startswith("# Sea\n\n*A. Keeper*\n\nThe bell")
        assert "THE BELL" in published(story, "txt", title="The Bell").decode()
        with zipfile.ZipFile(BytesIO(published(story, "epub", language="de"))) as book:
            assert "<dc:language>de</dc:language>" in book.read("EPUB/package.opf").decode()
    assert [format_of(each) for each in (".md", ".MARKDOWN", ".epub", ".txt")] == ["md", "md", "epub", "txt"]
    with pytest.raises(FiresideError, match=r"not saved as \.pdf"):
        format_of(".pdf")

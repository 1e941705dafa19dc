from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside import paths
from fireside.errors import FiresideError, StorageError
from fireside.stories import manuscript as ms
from fireside.stories.export import to_markdown, write_markdown
from fireside.stories.manuscript import Manuscript
from fireside.stories.store import Story, create_story, list_stories, open_story


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "home"))


@pytest.fixture
def story() -> Iterator[Story]:
    made = create_story("sea", "The Sea", "Mara fears the sea.", "With dread.")
    yield made
    made.close()


def reopened() -> tuple[Manuscript, str]:
    again = open_story("sea")
    again.close()
    return again.manuscript, again.info.title


def test_everything_is_there_again(story: Story) -> None:
    manuscript = ms.append(ms.append(story.manuscript, "prompt", "One."), "model", " Two.")
    story.save(manuscript)
    manuscript = ms.undo(ms.edit(ms.append_alternative(manuscript, "model", " Three."), 1, "1."))
    story.save(manuscript)
    story.change(title="Sea", note_depth=5)
    again = open_story("sea")
    assert again.manuscript == manuscript
    assert again.info == story.info
    assert (again.info.title, again.info.memory, again.info.note_depth) == ("Sea", "Mara fears the sea.", 5)
    again.close()


def test_a_change_is_saved_before_the_story_is_closed(story: Story) -> None:
    story.save(ms.append(story.manuscript, "prompt", "One"))
    assert ms.text(reopened()[0]) == "One"
    story.save(ms.grow(story.manuscript, "One, two"))
    assert ms.text(reopened()[0]) == "One, two"


def test_a_second_writer_overwrites_nothing(story: Story) -> None:
    other = open_story("sea")
    story.save(ms.append(story.manuscript, "prompt", "Mine."))
    with pytest.raises(StorageError, match="another program"):
        other.save(ms.append(other.manuscript, "prompt", "Theirs."))
    with pytest.raises(StorageError, match="another program"):
        other.change(title="Theirs")
    other.close()
    assert (ms.text(reopened()[0]), reopened()[1]) == ("Mine.", "The Sea")


def test_a_full_disk_keeps_what_was_saved(story: Story) -> None:
    story.save(ms.append(story.manuscript, "prompt", "Kept."))
    story._database.read("PRAGMA max_page_count=1")
    with pytest.raises(StorageError, match="disk is full"):
        story.save(ms.append(story.manuscript, "model", "x" * 500_000))
    assert ms.text(story.manuscript) == "Kept."
    assert ms.text(reopened()[0]) == "Kept."
    story._database.read("PRAGMA max_page_count=100000")
    story.save(ms.append(story.manuscript, "model", " More."))
    assert ms.text(reopened()[0]) == "Kept. More."


def test_names_are_checked_and_a_story_is_never_replaced(story: Story) -> None:
    with pytest.raises(StorageError, match="already"):
        create_story("sea")
    with pytest.raises(FiresideError, match="not a usable story name"):
        create_story("../sea")
    with pytest.raises(StorageError, match="no story") as missing:
        open_story("land")
    assert missing.value.hint == "there are: sea"


def test_a_damaged_story_is_told_and_does_not_hide_the_others(story: Story) -> None:
    broken = paths.stories_folder() / "broken.db"
    broken.write_bytes(b"not a story")
    with pytest.raises(StorageError, match="damaged"):
        open_story("broken")
    assert broken.read_bytes() == b"not a story"
    assert [found.name for found in list_stories()] == ["sea"]


def test_the_story_changed_last_is_listed_first(story: Story) -> None:
    create_story("land").close()
    assert [found.name for found in list_stories()] == ["land", "sea"]
    story.save(ms.append(story.manuscript, "prompt", "One."))
    assert [found.name for found in list_stories()] == ["sea", "land"]


def test_no_stories_where_there_is_no_folder(tmp_path: Path) -> None:
    assert list_stories() == []


acts = st.lists(st.tuples(st.sampled_from(["append", "retry", "grow", "undo", "redo", "turn"]), st.text(max_size=4)))


@given(acts)
@settings(max_examples=40, deadline=None)
def test_whatever_is_done_the_file_holds_it(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESIDE_HOME", str(tmp_path_factory.mktemp("home")))
        story = create_story("sea")
        for act, text in steps:
            manuscript = story.manuscript
            match act:
                case "append":
                    manuscript = ms.append(manuscript, "model", text)
                case "retry" if manuscript.head is not None:
                    manuscript = ms.append_alternative(manuscript, "person", text)
                case "grow" if manuscript.head is not None:
                    manuscript = ms.grow(manuscript, text)
                case "undo":
                    manuscript = ms.undo(manuscript)
                case "redo":
                    manuscript = ms.redo(manuscript)
                case "turn":
                    manuscript = ms.turn(manuscript, -1)
            story.save(manuscript)
        again = open_story("sea")
        assert again.manuscript == story.manuscript
        story.close()
        again.close()


def test_markdown_has_the_title_and_one_paragraph_after_another() -> None:
    manuscript = ms.append(Manuscript(), "prompt", "One.\nTwo.\n\n\n# not a heading \x1b[31m\n- he said")
    assert to_markdown("The\nSea", manuscript) == "# The Sea\n\nOne.\n\nTwo.\n\n\\# not a heading\n\n\\- he said\n"


def test_export_replaces_a_file_only_when_told(tmp_path: Path) -> None:
    file = tmp_path / "sea.md"
    file.write_text("mine", "utf-8")
    manuscript = ms.append(Manuscript(), "prompt", "One.")
    with pytest.raises(StorageError, match="exists already"):
        write_markdown(file, "Sea", manuscript)
    assert file.read_text("utf-8") == "mine"
    with pytest.raises(StorageError, match="is a folder"):
        write_markdown(tmp_path, "Sea", manuscript, force=True)
    write_markdown(file, "Sea", manuscript, force=True)
    assert file.read_text("utf-8") == "# Sea\n\nOne.\n"
    assert [path.name for path in tmp_path.glob("*.part")] == []

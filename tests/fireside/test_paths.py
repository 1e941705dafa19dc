from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside import paths
from fireside.errors import FiresideError, StorageError


def test_everything_lies_below_fireside_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert paths.home() == home
    places = [
        paths.conversations_database(), paths.library_folder("a"), paths.libraries_folder(), paths.models_folder(),
        paths.adapters_folder(), paths.runs_folder(), paths.stories_folder(), paths.settings_file(),
    ]  # fmt: skip
    assert all(place.is_relative_to(home) for place in places)
    assert len(set(places)) == len(places)
    assert not home.exists()


def test_without_the_variable_the_platform_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_HOME", "")
    assert paths.home().is_absolute()
    assert paths.home().name == "fireside"


def test_a_relative_home_and_one_of_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIRESIDE_HOME", "here")
    assert paths.home() == tmp_path / "here"
    monkeypatch.setenv("FIRESIDE_HOME", "~nobody-of-this-name/x")
    with pytest.raises(StorageError, match="FIRESIDE_HOME"):
        paths.home()
    with pytest.raises(StorageError, match="no home folder for ~nobody-of-this-name/x"):
        paths.expanded("~nobody-of-this-name/x")


@given(st.text(max_size=80))
def test_a_name_is_one_folder_or_refused(name: str) -> None:
    try:
        checked = paths.checked_name(name, "library")
    except FiresideError:
        return
    assert Path("root", checked).parent == Path("root")
    assert Path("root", checked).resolve().parent.name == "root"
    assert not checked.startswith((".", "-"))


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", "a\n", "-x", ".x", "a" * 65, "ä", "a b", "a\0"])
def test_unusable_names(name: str) -> None:
    with pytest.raises(FiresideError, match="is not a usable library name") as caught:
        paths.library_folder(name)
    assert "letters, digits" in str(caught.value.hint)


def test_new_folders_are_private_with_their_parents(tmp_path: Path) -> None:
    folder = paths.ensure_folder(tmp_path / "home" / "libraries" / "a")
    assert paths.ensure_folder(folder) == folder
    for each in (folder, folder.parent, folder.parent.parent):
        assert each.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError, match="cannot create the folder"):
            paths.ensure_folder(place)

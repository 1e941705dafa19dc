from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fireside import atomic
from fireside.errors import StorageError


def full_disk(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_is_replaced_in_a_folder_that_did_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "new" / "notes.txt"
    atomic.write_text(path, "one\r\n")
    atomic.write_text(path, "two\r\nü")
    assert path.read_bytes() == "two\r\nü".encode()
    assert list(path.parent.iterdir()) == [path]
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("step", ["write_bytes", "fsync", "replace"])
def test_a_full_disk_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("old")
    owner: object = os if step == "fsync" else Path
    monkeypatch.setattr(owner, step, full_disk)
    with pytest.raises(StorageError) as caught:
        atomic.write_text(path, "new")
    assert caught.value.message == f"cannot write {path}: No space left on device"
    assert caught.value.hint
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_any_failure_of_the_writer_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("old")

    def interrupted() -> None:
        with atomic.replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        atomic.write_text(tmp_path / "file" / "notes.txt", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="Is a directory"):
        atomic.write_text(tmp_path / "folder", "x")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]

"""Which files are offered: what the rules leave in, the nearest first, never what cannot be shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tui.attach import files
from tui.attach.files import files_below


def _make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def test_what_rules_leave_out_and_what_is_hidden_is_not_offered(tmp_path: Path) -> None:
    _make(
        tmp_path,
        "src/deep/a.py",
        "b.md",
        "build/out.js",
        ".env",
        ".git/config",
        "src/skip.log",
        "src/node_modules/m.js",
    )
    (tmp_path / ".gitignore").write_text("build/\n*.log\n")
    assert files_below(tmp_path) == ["b.md", "src/deep/a.py"]


def test_names_that_cannot_be_shown_are_left_out(tmp_path: Path) -> None:
    _make(tmp_path, "good.txt", "bad\x1b[31m.txt", "two\nlines.txt", 'quo"te.txt')
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt"))).write_text("x")
    assert files_below(tmp_path) == ["good.txt"]


def test_links_to_folders_are_not_followed_and_huge_folders_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_MOST_ENTRIES", 3)
    _make(tmp_path, "a/1.txt", "huge/1", "huge/2", "huge/3", "huge/4")
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    assert files_below(tmp_path) == ["a/1.txt"]


def test_the_cap_keeps_the_nearest(tmp_path: Path) -> None:
    _make(tmp_path, "a/b/c/far.txt", "near.txt", "a/mid.txt")
    assert files_below(tmp_path, 2) == ["near.txt", "a/mid.txt"]


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert files_below(tmp_path / "gone") == []

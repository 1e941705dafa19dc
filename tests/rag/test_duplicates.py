"""Passages that say the same are one."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag import ingest
from rag.duplicates import distinct
from rag.library import Library
from rag.types import Passage


def passages(*texts: str) -> list[Passage]:
    return [
        Passage(f"{number}.md", "", 0, len(text), text, None, (), 1.0, 1.0, 1.0) for number, text in enumerate(texts)
    ]


LONG = "Drain the pump before the first frost of the year, or the pipe between the lake and the house will burst."


def test_the_better_of_two_copies_stays() -> None:
    found = distinct(passages(LONG, "The owl nests.", LONG.replace("burst", "break"), LONG.upper(), "Keys."), 3)
    assert [passage.document for passage in found] == ["0.md", "1.md", "4.md"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{LONG} It cost 400 crowns in 2023.", f"{LONG} It cost 400 crowns in 2024."),
        ("owl", "barn"),
        ("=== !!", "---"),
        (LONG, LONG[:40]),
    ],
)
def test_what_differs_in_a_number_or_in_much_is_kept(one: str, other: str) -> None:
    assert len(distinct(passages(one, other), 9)) == 2


def test_no_more_is_taken_than_needed() -> None:
    left = iter(passages("a", "b", "c"))
    assert len(distinct(left, 2)) == 2
    assert [passage.text for passage in left] == ["c"]


@pytest.mark.usefixtures("read_here")
def test_a_copied_file_takes_one_place_in_a_search(library: Library, tmp_path: Path) -> None:
    for name in ("one.txt", "copy.txt"):
        (tmp_path / name).write_text(LONG)
    (tmp_path / "other.txt").write_text("The pump stands by the lake.")
    ingest.add(library, [tmp_path], 200)
    assert [Path(passage.document).name for passage in library.search("drain the pump", 2)] == ["copy.txt", "other.txt"]

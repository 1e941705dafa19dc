"""A filter decides by path, type, date, title and tags which documents a search looks into."""

from __future__ import annotations

import os
from concurrent.futures import Future
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from fireside.errors import DocumentError
from rag import filters, ingest, search, store
from rag.filters import Filters, kept_by
from rag.library import Library

pytestmark = pytest.mark.usefixtures("read_here")


@pytest.fixture
def filled(library: Library, folder: Path) -> Library:
    days = {"rules.md": (2024, 2, 28), "boat.txt": (2024, 2, 29), "deep/birds.html": (2024, 3, 1)}
    for name, day in days.items():
        noon = datetime(*day, 12).timestamp()
        os.utime(folder / name, (noon, noon))
    ingest.add(library, [folder], 200)
    return library


def found(library: Library, asked: Filters) -> set[str]:
    return {Path(passage.document).name for passage in library.search("the boat, the pump, an owl", 9, asked)}


@pytest.mark.parametrize("few", [2000, 0])
@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (Filters(path="*.md"), {"rules.md"}),
        (Filters(path="deep/*"), {"birds.html"}),
        (Filters(path="papers/*"), {"rules.md", "boat.txt", "birds.html"}),
        (Filters(path="ee*"), set()),
        (Filters(path="bo[ab]t.tx?"), {"boat.txt"}),
        (Filters(types=("MD", ".txt")), {"rules.md", "boat.txt"}),
        (Filters(types=("m_",)), set()),
        (Filters(since=date(2024, 2, 29)), {"boat.txt", "birds.html"}),
        (Filters(until=date(2024, 2, 29)), {"rules.md", "boat.txt"}),
        (Filters(since=date(2024, 2, 29), until=date(2024, 2, 29)), {"boat.txt"}),
        (Filters(title="CAB"), {"rules.md"}),
        (Filters(title="%"), set()),
        (Filters(types=("txt", "html"), since=date(2024, 3, 1)), {"birds.html"}),
        (Filters(tags=("nobody's",)), set()),
        (Filters(), {"rules.md", "boat.txt", "birds.html"}),
    ],
)
def test_only_what_the_filter_keeps_is_found(
    filled: Library, monkeypatch: pytest.MonkeyPatch, asked: Filters, names: set[str], few: int
) -> None:
    monkeypatch.setattr(filters, "FEW_CHUNKS", few)
    assert found(filled, asked) == names


def test_the_whole_path_is_matched_from_the_root(filled: Library, folder: Path) -> None:
    assert found(filled, Filters(path=f"{folder}/*.txt")) == {"boat.txt"}
    assert found(filled, Filters(path="/*/papers/*.txt")) == {"boat.txt"}
    assert found(filled, Filters(path="/papers/*")) == set()


def test_dates_the_wrong_way_round_are_refused(filled: Library) -> None:
    with pytest.raises(DocumentError, match="both since 2024-03-01 and until 2024-02-01"):
        filled.search("boat", 1, Filters(since=date(2024, 3, 1), until=date(2024, 2, 1)))


def test_tags_are_given_taken_and_outlast_a_change(filled: Library, folder: Path) -> None:
    filled.tag(["rules.md", "boat.txt"], add=["house", "2024"])
    filled.tag(["boat.txt"], add=["lake"], remove=["2024", "never there"])
    assert {Path(record.path).name: record.tags for record in filled.documents()} == {
        "rules.md": ("2024", "house"),
        "boat.txt": ("house", "lake"),
        "birds.html": (),
    }
    assert found(filled, Filters(tags=("house",))) == {"rules.md", "boat.txt"}
    assert found(filled, Filters(tags=("house", "lake"))) == {"boat.txt"}
    (folder / "boat.txt").write_text("The boat was sold.")
    ingest.add(filled, [folder], 200)
    assert found(filled, Filters(tags=("lake",))) == {"boat.txt"}
    filled.remove(["boat.txt"])
    ingest.add(filled, [folder], 200)
    assert found(filled, Filters(tags=("lake",))) == set()
    with pytest.raises(DocumentError, match="no document 'none'"):
        filled.tag(["rules.md", "none"], add=["x"])


def test_the_nearest_inside_a_wide_filter_are_exact(
    library: Library, tmp_path: Path, encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        kind = "md" if number % 3 == 0 else "txt"
        (tmp_path / f"{number:02}.{kind}").write_text(f"owl barn n{number} " + f"w{number} " * (number % 7))
    ingest.add(library, [tmp_path], 200)
    vector: Future[Any] = Future()
    vector.set_result(encoder.encode(["owl barn"])[0])
    with store.opened(library.database) as database:

        def dense() -> search._Dense:
            kept = kept_by(database, Filters(types=("md",)))
            return search._Dense(library.index, None, vector, 5, kept)

        narrow = dense()
        assert narrow.kept is not None
        assert narrow.kept.ids is not None
        compared = search._nearest(database, narrow, None, 0)
        monkeypatch.setattr(filters, "FEW_CHUNKS", 0)
        wide = dense()
        assert wide.kept is not None
        assert wide.kept.ids is None
        fetched = search._nearest(database, wide, wide.asked(5), 5)
        # Where Chroma names too few that are kept, all that are kept are compared.
        monkeypatch.setattr(search, "_OVER_FETCHED", 0)
        assert search._nearest(database, wide, wide.asked(5), 5) == compared
    assert len(compared) == len(fetched) == 5
    assert set(fetched) == set(compared)

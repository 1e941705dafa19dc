"""A library whose vectors lie on a Chroma server: the same searches, and one line where the server is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chroma_process import chroma_run, free_port

from fireside.errors import StorageError
from rag import ingest, store
from rag.library import Library

pytestmark = pytest.mark.usefixtures("read_here")

QUESTION = "when to drain the pump"


@pytest.fixture
def port() -> int:
    return free_port()


def held(library: Library) -> int:
    with store.opened(library.database) as database:
        return len(library.index.nearest(database, library.encoder.encode(["pump"])[0], 99))


def test_a_library_on_a_server(library: Library, folder: Path, tmp_path: Path, port: int, encoder: Any) -> None:
    ingest.add(library, [folder / "rules.md"], 200)
    before = library.search(QUESTION, 9)
    with chroma_run(tmp_path / "server", port) as address:
        encoder.encoded.clear()
        library.use_server(f"{address}/")
        assert not (library.folder / "chroma").exists()
        assert library.search(QUESTION, 9) == before
        assert encoder.encoded == [QUESTION]
        # What one adds and removes the other, open before, sees.
        other = Library(library.folder, encoder)
        assert held(other) == 2
        ingest.add(library, [folder / "boat.txt"], 200)
        assert held(other) == 3
        other.remove(["rules.md"])
        assert held(library) == 1
        # Two libraries of one server do not meet.
        (tmp_path / "second").mkdir()
        second = Library(tmp_path / "second", encoder)
        second.use_server(address)
        ingest.add(second, [folder], 200)
        assert (held(second), held(library)) == (4, 1)
        second.close()
        other.close()
    with pytest.raises(StorageError, match=f"the Chroma server {address} .* does not work") as caught:
        library.search(QUESTION, 9)
    assert "chroma run" in (caught.value.hint or "")
    # A server that has lost everything gets it again, under the eyes of a client that was open.
    with chroma_run(tmp_path / "empty", port):
        assert held(library) == 1
        library.use_server(None)
        assert held(library) == 1
        assert (library.folder / "chroma").exists()


def test_a_server_that_is_not_there_changes_nothing(library: Library, folder: Path, port: int) -> None:
    ingest.add(library, [folder], 200)
    with pytest.raises(StorageError, match="does not work"):
        library.use_server(f"http://127.0.0.1:{port}")
    assert held(library) == 4


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:8000",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://me:pw@host",
        "https://:pw@host",
        "http://@host",
    ],
)
def test_an_address_of_another_form_is_refused(library: Library, address: str) -> None:
    with pytest.raises(StorageError, match="not the address of a Chroma server") as caught:
        library.use_server(address)
    assert "pw" not in caught.value.message

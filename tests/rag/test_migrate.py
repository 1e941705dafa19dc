"""Another encoder than the one that made the vectors is noticed, and everything is embedded anew without a gap."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fireside.database import Database
from fireside.encoder import BundledEncoder
from fireside.errors import DocumentError, StorageError
from rag import doctor, ingest, migrate, store, vectors
from rag.library import Library

if TYPE_CHECKING:
    from fireside.encoder import Vectors

pytestmark = pytest.mark.usefixtures("read_here")

QUESTION = "when to drain the pump"


class ByLetters(BundledEncoder):
    """Vectors of 32 numbers: how often each letter occurs."""

    id = "letters-1"
    dimension = 32
    max_tokens = 256

    def __init__(self) -> None:
        super().__init__()
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Vectors:
        self.encoded += texts
        vectors = np.ones((len(texts), 32), dtype=np.float32)
        for row, text in enumerate(texts):
            for character in text.lower():
                vectors[row, ord(character) % 32] += 1
            vectors[row] /= np.linalg.norm(vectors[row])
        return vectors

    def words(self, text: str) -> list[tuple[int, int, int]]:
        return [(0, len(text), 1)] if text else []

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [1 for _ in texts]


class ByCharacters(ByLetters):
    """Each character is a token, and 200 of them are read beside the special ones."""

    id = "characters-1"
    max_tokens = 202

    def words(self, text: str) -> list[tuple[int, int, int]]:
        return [(*match.span(), len(match.group())) for match in re.finditer(r"\S+", text)]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [sum(count for *_, count in self.words(text)) for text in texts]


@pytest.fixture
def filled(library: Library, folder: Path) -> Library:
    ingest.add(library, [folder], 200)
    return library


def test_another_encoder_is_refused_until_all_is_embedded_anew(filled: Library, folder: Path) -> None:
    other = Library(filled.folder, ByLetters())
    with pytest.raises(DocumentError, match=r"was embedded with all-MiniLM.*this is letters-1") as caught:
        other.search(QUESTION, 1)
    assert caught.value.hint == "embed it anew (fireside docs rebuild --library cabin), or set documents.encoder back"
    with pytest.raises(DocumentError, match="was embedded with"):
        ingest.add(other, [folder], 200)
    steps: list[tuple[int, int]] = []
    assert other.rebuild(lambda done, total: steps.append((done, total))) == 4
    assert steps == [(4, 4)]
    assert other.search(QUESTION, 1)[0].text == "Drain the pump before frost."
    with store.opened(other.database) as database:
        assert {len(vector) for vector in store.vectors_of(database, range(99)).values()} == {32}
        assert len(other.index.nearest(database, other.encoder.encode(["x"])[0], 9)) == 4
    # The one that was open with the old encoder is told, and what is unchanged stays so.
    with pytest.raises(DocumentError, match="was embedded with letters-1"):
        filled.search(QUESTION, 1)
    assert ingest.add(other, [folder], 200).unchanged == 3
    assert other.migrate() == 0
    other.close()


def test_a_migration_goes_on_where_it_was_cut_off(filled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "_BATCH", 1)
    encoder = ByLetters()
    other = Library(filled.folder, encoder)

    def interrupted(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        other.migrate(interrupted)
    assert filled.search(QUESTION, 1)[0].text == "Drain the pump before frost."
    encoder.encoded.clear()
    assert other.migrate() == 2
    assert len(encoder.encoded) == 2
    assert other.search(QUESTION, 1)[0].text == "Drain the pump before frost."
    with store.opened(other.database) as database:
        assert database.read("SELECT count(*) FROM vectors")[0][0] == 4
    other.close()


def test_the_index_is_filled_before_it_serves(filled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Library(filled.folder, ByLetters())
    ready = filled.folder / "chroma.next" / "stamp"
    changed = migrate.change_encoder
    seen: list[tuple[bool, int]] = []

    def change(database: Database, keys: Mapping[int, str], *others: Any) -> bool:
        # The old one serves to the last moment, and a document that came after the filling is not forgotten.
        (tmp_path / "late.txt").write_text("A late heron.")
        if not seen:
            ingest.add(filled, [tmp_path / "late.txt"], 200)
        seen.append((ready.exists(), len(filled.search(QUESTION, 9))))
        return changed(database, keys, *others)

    monkeypatch.setattr(migrate, "change_encoder", change)
    with store.opened(other.database) as database:
        migrate.migrate(database, other.encoder, None, partial(other.index.fill_beforehand, database))
        assert seen == [(True, 5), (True, 5)]
        # Whoever searches first only takes it and adds what is late.
        added: list[list[int]] = []
        vectors_of = store.vectors_of

        def counted(database: Database, ids: Sequence[int]) -> dict[int, Vectors]:
            added.append(list(ids))
            return vectors_of(database, ids)

        monkeypatch.setattr(store, "vectors_of", counted)
        other.index.line_up(database)
        assert added == [[5]]
        assert not ready.exists()
        assert len(other.index.nearest(database, other.encoder.encode(["x"])[0], 9)) == 5
        assert other.index.difference(database) == ""
    other.close()


def test_documents_whose_chunks_the_new_encoder_does_not_read_whole_are_cut_anew(filled: Library, folder: Path) -> None:
    (folder / "long.txt").write_text("A heron waits by the pier. " * 10)
    ingest.add(filled, [folder], 200)
    assert len(filled.chunks("long.txt")) == 1
    other = Library(filled.folder, ByCharacters())
    other.migrate()
    (finding,) = [each for each in doctor.examine(other, 200) if each.check == "encoder"]
    assert finding.documents == (str(folder / "long.txt"),)
    report = ingest.sync(other, [folder], 200)
    assert (report.indexed, report.unchanged) == (1, 3)
    assert max(other.encoder.count_tokens([chunk.text for chunk in other.chunks("long.txt")])) <= 200
    assert ingest.sync(other, [folder], 200).unchanged == 4
    other.close()


def test_a_second_migration_at_the_same_time_is_refused(filled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_MIGRATION_LOCK_SECONDS", 0.01)
    first, second = Library(filled.folder, ByLetters()), Library(filled.folder, ByCharacters())
    refused: list[str] = []

    def another(done: int, total: int) -> None:
        for library in (second, filled):  # one to a third encoder, and one back to the first
            with pytest.raises(StorageError) as caught:
                library.rebuild()
            refused.append(caught.value.message)

    assert first.migrate(another) == 4
    assert set(refused) == {"another program is embedding the library 'cabin' anew"}
    assert first.search(QUESTION, 1)[0].text == "Drain the pump before frost."
    assert second.migrate() == 4
    first.close()
    second.close()


def test_what_a_killed_migration_has_filled_goes_when_the_library_is_opened(
    filled: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, change = Library(filled.folder, ByLetters()), migrate.change_encoder
    begun = filled.folder / "chroma.next"

    def searched() -> str:
        reader = Library(filled.folder, filled.encoder)
        (found,) = reader.search(QUESTION, 1)
        reader.close()
        return found.text

    def killed(database: Database, keys: Mapping[int, str], *others: Any) -> bool:
        assert (searched(), begun.exists()) == ("Drain the pump before frost.", True)  # it is still needed
        raise KeyboardInterrupt

    monkeypatch.setattr(migrate, "change_encoder", killed)
    with pytest.raises(KeyboardInterrupt):
        other.migrate()
    assert begun.exists()
    assert (searched(), begun.exists()) == ("Drain the pump before frost.", False)
    monkeypatch.setattr(migrate, "change_encoder", change)
    assert other.migrate() == 0
    assert other.search(QUESTION, 1)[0].text == "Drain the pump before frost."
    other.close()


def test_what_was_filled_for_another_encoder_is_not_taken(filled: Library) -> None:
    other = Library(filled.folder, ByLetters())
    with store.opened(filled.database) as database:
        (chunk, *_) = store.generation_and_ids(database)[1]
        other.index.fill_beforehand(database, "letters-0", {chunk: "unknown"})
        other.rebuild()
        assert len(other.index.nearest(database, other.encoder.encode(["x"])[0], 9)) == 4
    other.close()


def test_what_is_added_meanwhile_is_embedded_too(
    filled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late.txt").write_text("A late heron.")
    other = Library(filled.folder, ByLetters())
    added: list[Any] = []

    def add(done: int, total: int) -> None:
        # While it is under way the old encoder serves, and what it adds and removes counts.
        if not added:
            added.append(ingest.add(filled, [tmp_path / "late.txt"], 200))
            filled.remove(["boat.txt"])
            assert filled.search("late heron", 1)[0].text == "A late heron."

    other.migrate(add)
    assert other.search("late heron", 1)[0].text == "A late heron."
    assert len(other.search(QUESTION, 9)) == 4
    monkeypatch.setattr(migrate, "_ROUNDS", 0)
    with pytest.raises(DocumentError, match="changes faster"):
        filled.migrate()
    other.close()


def test_vectors_that_were_taken_out_meanwhile_are_made_again(filled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """No chunk is ever left without a vector, and none is searched for in vain."""
    other, change = Library(filled.folder, ByLetters()), migrate.change_encoder
    tries = []

    def after_a_loss(database: Database, keys: Mapping[int, str], *others: Any) -> bool:
        tries.append(len(keys))
        if len(tries) == 1:
            with database.transaction() as connection:
                connection.execute("DELETE FROM vectors WHERE id NOT IN (SELECT embedding FROM chunks)")
        return change(database, keys, *others)

    monkeypatch.setattr(migrate, "change_encoder", after_a_loss)
    assert other.migrate() == 8
    assert tries == [4, 4]
    assert other.search(QUESTION, 1)[0].text == "Drain the pump before frost."
    with store.opened(other.database) as database:
        assert database.read("SELECT count(*) FROM chunks WHERE embedding IS NULL")[0][0] == 0
    other.close()


def test_a_repair_leaves_the_vectors_of_a_migration(filled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    other, change = Library(filled.folder, ByLetters()), migrate.change_encoder
    seen = []

    def after_a_repair(database: Database, keys: Mapping[int, str], *others: Any) -> bool:
        seen.append({finding.check: finding.state for finding in doctor.examine(filled, 200)}["vectors"])
        assert doctor.repair(filled, 200) == []
        return change(database, keys, *others)

    monkeypatch.setattr(migrate, "change_encoder", after_a_repair)
    assert other.migrate() == 4
    assert seen == ["note"]
    assert other.search(QUESTION, 1)[0].text == "Drain the pump before frost."
    other.close()


def test_another_programs_migration_in_between_is_one_error(filled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    other, change = Library(filled.folder, ByLetters()), migrate.change_encoder

    def after_another(database: Database, keys: Mapping[int, str], *others: Any) -> bool:
        store.set_setting(database, store.ENCODER, "third")
        return change(database, keys, *others)

    monkeypatch.setattr(migrate, "change_encoder", after_another)
    with pytest.raises(DocumentError, match="another program has given the library the encoder third"):
        other.migrate()
    other.close()

"""A document library: opened by name or folder, listed, shown, searched, and documents taken out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from fireside import paths
from fireside.database import Database
from fireside.encoder import BundledEncoder, Encoder, bundled_encoder
from fireside.errors import DocumentError, StorageError
from rag import migrate, search, store
from rag.chroma import Server, checked_address
from rag.expand import CountTokens, expand
from rag.filters import Filters
from rag.store import Record
from rag.types import Chunk, Document, Passage
from rag.vectors import VectorIndex

DEFAULT = "default"
"""The library that commands use where none is named."""


class Library:
    """One library on disk. Its methods may be called from any thread; the encoder and Chroma load at first need."""

    rerank: search.Rerank | None = None
    """Scores the best passages of every search anew, where one is set (`rag/rerank.py`)."""

    def __init__(self, folder: Path, encoder: Encoder | None = None) -> None:
        """The library in `folder`, which is made at the first use. Nothing is opened yet.

        encoder: the bundled one where None. It has to be the one that made the library's vectors; `migrate` changes it.
        """
        self.folder = folder
        self.name = folder.name
        self.database = folder / "library.db"
        self.encoder = encoder or bundled_encoder()
        self.judge: Encoder = self.encoder if isinstance(self.encoder, BundledEncoder) else bundled_encoder()
        """Weighs sentences against questions and claims: what counts as near was fitted on the bundled encoder."""
        self.index = VectorIndex(folder)
        self._idle: list[tuple[Database, tuple[int, int] | None]] = []

    @property
    def reranker(self) -> str | None:
        """The name of what scores passages anew, None where nothing does."""
        return self.rerank.name if self.rerank else None

    def documents(self) -> list[Record]:
        """Every document, by path. Raises DocumentError or StorageError, as all methods do."""
        with store.opened(self.database) as database:
            return store.records(database)

    def document(self, name: str) -> Document:
        """The document called `name`: its path, or the end of its path where only one ends so."""
        with store.opened(self.database) as database:
            (path,) = _matched(self.name, [name], [record.path for record in store.records(database)])
            found = store.document(database, path)
        if found is None:
            raise DocumentError(f"{path} has just been removed from the library", "list the library again")
        return found

    def chunks(self, name: str) -> list[Chunk]:
        """The chunks of the document called `name`, in order."""
        with store.opened(self.database) as database:
            (path,) = _matched(self.name, [name], [record.path for record in store.records(database)])
            return store.chunks_of(database, path)

    def remove(self, names: Sequence[str]) -> list[str]:
        """Take documents out of the library (not off the disk), all of them or, where one is not there, none.

        Names are as in `document`. Returns the paths.
        """
        with store.opened(self.database) as database:
            chosen = _matched(self.name, names, [record.path for record in store.records(database)])
            store.remove(database, chosen)
            self.index.line_up(database)
        return chosen

    def search(self, question: str, k: int, filters: Filters | None = None) -> list[Passage]:
        """The `k` passages that fit `question` best, best first; fewer where there are fewer.

        filters: which documents are looked into.
        """
        with self._reading() as database:
            return search.search(database, self.index, self.encoder, question, k, filters, rerank=self.rerank)

    def expand(
        self, passages: Sequence[Passage], budget: int, count_tokens: CountTokens | None = None
    ) -> list[Passage]:
        """The passages widened to their sections or neighbours, all together at most `budget` tokens (`rag/expand.py`).

        count_tokens: the encoder's, where None.
        """
        documents, chunks = {}, {}
        with store.opened(self.database) as database:
            for path in dict.fromkeys(passage.document for passage in passages):
                if found := store.document(database, path):
                    documents[path] = found
                    chunks[path] = store.chunks(database, path)
        return expand(passages, documents, chunks, budget, count_tokens or self.encoder.count_tokens)

    def tag(self, names: Sequence[str], add: Sequence[str] = (), remove: Sequence[str] = ()) -> list[str]:
        """Give documents tags and take others from them; names are as in `document`. Returns the paths."""
        with store.opened(self.database) as database:
            chosen = _matched(self.name, names, [record.path for record in store.records(database)])
            store.tag(database, chosen, add, remove)
        return chosen

    def rebuild(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Make the vector index anew from the record. Nothing is embedded, unless another encoder made the vectors
        (`migrate`). Returns the number of chunks."""
        self.migrate(progress)
        with store.opened(self.database) as database:
            store.count_stems(database)
            self.index.rebuild(database)
            return store.count_chunks(database)

    def migrate(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Embed everything with this library's encoder where another one made the vectors (`rag/migrate.py`). Until it
        is done, the old ones serve whoever has it open with the old encoder; then the new ones do, at once. Returns how
        many chunks were embedded. Raises StorageError where another program is doing the same."""
        with self.index.migrating(), store.opened(self.database) as database:
            before = self.index.place(database)
            made = migrate.migrate(database, self.encoder, progress, partial(self.index.fill_beforehand, database))
            self.index.line_up(database)
            if isinstance(before, Server) and before != self.index.place(database):
                before.clear()
        return made

    def use_server(self, address: str | None) -> None:
        """Keep the vectors on the Chroma server at `http://HOST:PORT`, or in the library's folder again where None.

        They are copied there from the record; nothing is embedded. Raises StorageError where the server does not
        answer, and then nothing has changed.
        """
        address = checked_address(address) if address else None
        with store.opened(self.database) as database:
            old, before = store.setting(database, store.SERVER), self.index.place(database)
            store.set_setting(database, store.SERVER, address)
            try:
                self.index.line_up(database)
            except StorageError:
                store.set_setting(database, store.SERVER, old)
                raise
            if before != self.index.place(database):
                with contextlib.suppress(StorageError):  # a server that is gone keeps what it has
                    before.clear()

    def check_encoder(self, database: Database) -> None:
        """Raises DocumentError where another encoder than this library's made the vectors (`rag/search.py`)."""
        search.check_encoder(database, self.encoder)

    def made_by(self) -> str | None:
        """The id of the encoder that made the vectors; None where there are none yet."""
        with store.opened(self.database) as database:
            return store.setting(database, store.ENCODER)

    def close(self) -> None:
        """Let go of Chroma's files and the record; a later call opens them again."""
        self.index.close()
        while self._idle:
            self._idle.pop()[0].close()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Database]:
        """The record, on a connection kept for the next search, which finds in memory what this one read."""
        file = _file(self.database)
        try:
            database, opened = self._idle.pop()
        except IndexError:  # none yet, or others are searching
            database, opened = store.connected(self.database), file
        if opened != file:  # another file lies there now
            database.close()
            database = store.connected(self.database)
        try:
            yield database
        except BaseException:
            database.close()
            raise
        self._idle.append((database, file or _file(self.database)))


def open_library(name: str = DEFAULT, rerank: search.Rerank | None = None, encoder: Encoder | None = None) -> Library:
    """The library called `name`. Raises DocumentError where there is none, naming those there are."""
    folder = paths.library_folder(name)
    if not (folder / "library.db").is_file():
        others = library_names()
        known = f"there are: {', '.join(others)}" if others else "there are no libraries yet"
        raise DocumentError(
            f"there is no document library {name!r}; {known}", f"make it: fireside docs add PATH --library {name}"
        )
    library = Library(folder, encoder)
    library.rerank = rerank
    return library


def create_library(name: str = DEFAULT, encoder: Encoder | None = None) -> Library:
    """The library called `name`, made if there is none. Raises StorageError where the disk does not allow it."""
    return Library(paths.ensure_folder(paths.library_folder(name)), encoder)


def library_names() -> list[str]:
    """The names of the libraries there are, in order."""
    folder = paths.libraries_folder()
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if (entry / "library.db").is_file())


def _file(path: Path) -> tuple[int, int] | None:
    """What tells the file at `path` from another put in its place, None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _matched(library: str, names: Sequence[str], known: Sequence[str]) -> list[str]:
    """The known path each name means."""
    chosen = []
    for name in names:
        absolute = str(paths.expanded(name).absolute())
        exact = [path for path in known if path in (name, absolute)]
        ending = [path for path in known if path.endswith("/" + name)]
        matches = exact[:1] or ending
        if not matches:
            raise DocumentError(
                f"there is no document {name!r} in the library {library!r}",
                f"list them: fireside docs list --library {library}",
            )
        if len(matches) > 1:
            raise DocumentError(f"{name!r} could be any of {', '.join(matches[:5])}", "give more of the path")
        chosen.append(matches[0])
    return list(dict.fromkeys(chosen))

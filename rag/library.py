"""A document library: opened by name or folder, listed, shown, searched, and documents taken out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fireside import paths
from fireside.encoder import Encoder, bundled_encoder
from fireside.errors import DocumentError
from rag import search, store
from rag.store import Record
from rag.types import Document, Passage
from rag.vectors import VectorIndex

DEFAULT = "default"
"""The library that commands use where none is named."""


class Library:
    """One library on disk. Its methods may be called from any thread; the encoder and Chroma load at first need."""

    def __init__(self, folder: Path, encoder: Encoder | None = None) -> None:
        """The library in `folder`, which is made at the first use. Nothing is opened yet."""
        self.folder = folder
        self.name = folder.name
        self.database = folder / "library.db"
        self.encoder = encoder or bundled_encoder()
        self.index = VectorIndex(folder)

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

    def remove(self, names: Sequence[str]) -> list[str]:
        """Take documents out of the library (not off the disk), all of them or, where one is not there, none.

        Names are as in `document`. Returns the paths.
        """
        with store.opened(self.database) as database:
            chosen = _matched(self.name, names, [record.path for record in store.records(database)])
            store.remove(database, chosen)
            self.index.line_up(database)
        return chosen

    def search(self, question: str, k: int) -> list[Passage]:
        """The `k` passages that fit `question` best, best first; fewer where the library holds fewer."""
        with store.opened(self.database) as database:
            return search.search(database, self.index, self.encoder, question, k)

    def rebuild(self) -> int:
        """Make the Chroma folder anew from the record, without embedding anything. Returns the number of chunks."""
        with store.opened(self.database) as database:
            self.index.rebuild(database)
            return len(store.generation_and_ids(database)[1])

    def close(self) -> None:
        """Let go of Chroma's files; a later call opens them again."""
        self.index.close()


def open_library(name: str = DEFAULT) -> Library:
    """The library called `name`. Raises DocumentError where there is none, naming those there are."""
    folder = paths.library_folder(name)
    if not (folder / "library.db").is_file():
        others = library_names()
        known = f"there are: {', '.join(others)}" if others else "there are no libraries yet"
        raise DocumentError(
            f"there is no document library {name!r}; {known}", f"make it: fireside docs add PATH --library {name}"
        )
    return Library(folder)


def create_library(name: str = DEFAULT) -> Library:
    """The library called `name`, made if there is none. Raises StorageError where the disk does not allow it."""
    return Library(paths.ensure_folder(paths.library_folder(name)))


def library_names() -> list[str]:
    """The names of the libraries there are, in order."""
    folder = paths.libraries_folder()
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if (entry / "library.db").is_file())


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

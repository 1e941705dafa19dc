"""Brings files into a library: finds them, reads what is new or changed, cuts, embeds and commits it, file by file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fireside import paths
from fireside.database import Database
from fireside.encoder import ENCODER_ID
from fireside.errors import DocumentError
from rag import store
from rag.chunk import chunks_of, context_of
from rag.library import Library
from rag.loaders.formats import is_supported, read_bytes
from rag.reader import Reader
from rag.store import Record

Progress = Callable[[int, int], None]
"""Called with the kilobytes of files done and those there are in all."""

# Part of every document's recipe: a new number makes the next run read, cut and embed everything again.
_RECIPE_VERSION = 1
# Tokens of title and headings embedded above a chunk, at most, so that the chunk itself is never cut off.
_CONTEXT_TOKENS = 48
_ENCODER_TOKENS = 254


@dataclass(frozen=True)
class Failure:
    """A file or folder that was not indexed, why, and what to do. `named`: it was given, not found in a folder."""

    document: str
    reason: str
    named: bool
    hint: str | None = None


@dataclass(frozen=True)
class Report:
    """What one run did: files indexed (new or changed), unchanged, removed from the library, failed; chunks made."""

    indexed: int
    unchanged: int
    removed: int
    failed: tuple[Failure, ...]
    chunks: int


@dataclass
class _Found:
    """Files to index, in order (the value says whether it was named itself), and what could not be looked at."""

    files: dict[str, bool] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


def add(library: Library, given: Sequence[str | Path], chunk_tokens: int, progress: Progress | None = None) -> Report:
    """Index these files and folders; documents already there that did not change are left alone.

    chunk_tokens: the longest chunk. What is committed stays if the run is interrupted, and is not read again.
    Raises StorageError where the library cannot be written; a file's own failure is in the report.
    """
    return _index(library, _find(given), chunk_tokens, progress, sweep=False)


def sync(library: Library, given: Sequence[str | Path], chunk_tokens: int, progress: Progress | None = None) -> Report:
    """Make the library hold these files and folders and nothing else: `add`, and documents not found there are removed.

    A document whose place could not be looked at (a folder that is missing or not readable) stays.
    """
    return _index(library, _find(given), chunk_tokens, progress, sweep=True)


def _index(library: Library, found: _Found, chunk_tokens: int, progress: Progress | None, sweep: bool) -> Report:
    failures = list(found.failures)
    indexed = unchanged = chunks = removed = 0
    sizes = {path: _size(path) for path in found.files}
    total, done = sum(sizes.values()), 0
    recipe = f"{_RECIPE_VERSION} {chunk_tokens} {ENCODER_ID}"
    with store.opened(library.database) as database, Reader() as reader:
        known = {record.path: record for record in store.records(database)}
        for path, named in found.files.items():

            def embedded(part: int, of: int, before: int = done, size: int = sizes[path]) -> None:
                if progress:
                    progress((before + size * part // of) // 1000, max(total // 1000, 1))

            try:
                made = _index_file(database, library, reader, path, known.get(path), recipe, chunk_tokens, embedded)
                chunks += made or 0
                indexed += made is not None
                unchanged += made is None
            except DocumentError as error:
                kept = "; the version indexed before is kept" if path in known else ""
                failures.append(Failure(path, f"{error.message}{kept}", named, error.hint))
            done += sizes[path]
            embedded(1, 1)
        if sweep:
            gone = [path for path in known if path not in found.files and not _under_any(path, found.unseen)]
            if gone:
                store.remove(database, gone)
            removed = len(gone)
        if indexed or removed:
            library.index.line_up(database)
    return Report(indexed, unchanged, removed, tuple(failures), chunks)


def _index_file(
    database: Database,
    library: Library,
    reader: Reader,
    path: str,
    known: Record | None,
    recipe: str,
    chunk_tokens: int,
    embedded: Progress,
) -> int | None:
    """Index one file; the number of its chunks, or None where it has not changed. Raises DocumentError."""
    _check_name(path)
    file = Path(path)
    sha256 = hashlib.sha256(read_bytes(file)).hexdigest()
    if known and (known.sha256, known.recipe) == (sha256, recipe):
        return None
    document = reader.read(file)
    chunks = chunks_of(document, library.encoder, chunk_tokens)
    contexts = [context_of(document.title, chunk.heading) for chunk in chunks]
    texts = _embedded_texts(library, chunks_texts=[chunk.text for chunk in chunks], contexts=contexts)
    keys = [hashlib.sha256(f"{ENCODER_ID}\n{text}".encode("utf-8", "surrogatepass")).hexdigest() for text in texts]
    vectors = store.cached_vectors(database, keys)
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in vectors}
    fresh = library.encoder.encode(list(missing.values()), embedded)
    vectors.update(zip(missing, fresh, strict=True))
    store.put(
        database,
        document,
        chunks,
        contexts,
        keys,
        [vectors[key] for key in keys],
        sha256,
        _mtime(file),
        recipe,
    )
    return len(chunks)


def _embedded_texts(library: Library, chunks_texts: Sequence[str], contexts: Sequence[str]) -> list[str]:
    """Each chunk below as much of its line of title and headings as leaves the chunk whole."""
    counts = library.encoder.count_tokens(chunks_texts)
    words: dict[str, list[tuple[int, int, int]]] = {}
    texts = []
    for text, count, context in zip(chunks_texts, counts, contexts, strict=True):
        if context not in words:
            words[context] = library.encoder.words(context)
        room = min(_CONTEXT_TOKENS, _ENCODER_TOKENS - count)
        end = 0
        for _, stop, tokens in words[context]:
            room -= tokens
            if room < 0:
                break
            end = stop
        texts.append(f"{context[:end]}\n{text}" if end else text)
    return texts


def _find(given: Sequence[str | Path]) -> _Found:
    """The files meant by these paths: named files as they are, folders with all they hold."""
    found = _Found()
    for each in given:
        path = _absolute(each)
        if path.is_dir():
            for file in _walk(path, found):
                found.files.setdefault(str(file), False)
        elif path.exists():
            found.files[str(path)] = True
        else:
            found.failures.append(Failure(str(path), f"there is no file or folder {path}", True, "check the path"))
            # A file gone from a folder that is there has vanished; of a folder that is gone nothing is known.
            found.unseen.append(str(path if path.parent.is_dir() else path.parent))
    return found


def _walk(root: Path, found: _Found) -> Iterator[Path]:
    """The supported files below `root`, in order. Hidden ones are left out, and links that lead out of it."""
    real_root = root.resolve()

    def refused(error: OSError) -> None:
        found.failures.append(Failure(str(error.filename), f"cannot open the folder: {error.strerror}", False))
        found.unseen.append(str(error.filename))

    for folder, folders, files in os.walk(root, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = Path(folder) / name
            if name.startswith(".") or not is_supported(file):
                continue
            if file.is_symlink() and not _leads_into(file, real_root):
                continue
            yield file


def _leads_into(link: Path, root: Path) -> bool:
    try:
        return link.resolve().is_relative_to(root)
    except RuntimeError:  # a link that leads round to itself
        return False


def _absolute(path: str | Path) -> Path:
    """The path from the root, "." and ".." taken out, links left in: the name the person knows the file by."""
    return Path(os.path.normpath(paths.expanded(path).absolute()))


def _check_name(path: str) -> None:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise DocumentError(f"the name of {path!r} is not valid text", "rename the file") from None


def _size(path: str) -> int:
    try:
        return max(Path(path).stat().st_size, 1)
    except OSError:
        return 1


def _mtime(file: Path) -> float:
    """Seconds since the epoch; 0 for a file that has just gone."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _under_any(path: str, folders: Sequence[str]) -> bool:
    return any(path.startswith(folder.rstrip("/") + "/") for folder in folders)

"""Brings files into a library: reads what is new or changed, cuts, embeds and commits it, file by file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fireside.database import Database
from fireside.encoder import Encoder
from fireside.errors import DocumentError
from rag import store
from rag.chunk import chunks_of, context_of
from rag.embed import embedded_texts, longest_chunk, vector_key
from rag.find import Failure, Found, find
from rag.known import Known, State, digest, is_unchanged, known_files, remember, size_kept, state_of
from rag.library import Library
from rag.reader import Reader
from rag.types import Document

Progress = Callable[[int, int], None]
"""Called with the kilobytes done of the files to read, and those there are in all."""

# Part of every document's recipe: a new number makes the next run read, cut and embed everything again.
_RECIPE_VERSION = 1
# How often a file that changes while it is read is read again before it is left to the next run.
_READINGS = 3


@dataclass(frozen=True)
class Change:
    """One document added, changed or removed, and committed so; how many chunks it has now."""

    document: str
    kind: Literal["added", "changed", "removed"]
    chunks: int


Told = Callable[[Change], None]
"""Called with each change once it is committed."""


@dataclass(frozen=True)
class Note:
    """A line on a document that was indexed: what was left out of it."""

    document: str
    note: str


@dataclass(frozen=True)
class Report:
    """What one run did: files indexed (new or changed), unchanged, removed from the library, failed; chunks made."""

    indexed: int
    unchanged: int
    removed: int
    failed: tuple[Failure, ...]
    chunks: int
    notes: tuple[Note, ...] = ()


Broken = dict[str, tuple[State, Failure]]
"""Files that failed, as they were then, for runs that follow one another: until they change they are not read again."""


@dataclass
class _Run:
    """One run over a library, and what it has done so far."""

    library: Library
    database: Database
    reader: Reader
    chunk_tokens: int
    overlap: int
    known: dict[str, Known]
    told: Told | None
    indexed: int = 0
    chunks: int = 0
    failures: list[Failure] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    seen_again: list[tuple[str, State]] = field(default_factory=list)

    @property
    def recipe(self) -> str:
        return recipe(self.chunk_tokens, self.overlap, self.library.encoder)

    def tell(self, change: Change) -> None:
        if self.told:
            self.told(change)


def add(
    library: Library,
    given: Sequence[str | Path],
    chunk_tokens: int,
    progress: Progress | None = None,
    told: Told | None = None,
    tags: Sequence[str] = (),
    overlap: int = 0,
) -> Report:
    """Index these files and folders; documents already there that did not change are left alone.

    chunk_tokens: the longest chunk. overlap: tokens that a chunk repeats of the one before it, at most. tags: given to
    all of these documents, old and new. What is committed stays if the run is interrupted, and is not read again.
    Raises StorageError where the library cannot be written; a file's own failure is in the report.
    """
    found = find(given)
    report = _index(library, found, chunk_tokens, overlap, progress, told, {}, sweep=False)
    if tags:
        with store.opened(library.database) as database:
            store.tag(database, sorted(found.files.keys() & known_files(database).keys()), tags, ())
    return report


def sync(
    library: Library,
    given: Sequence[str | Path],
    chunk_tokens: int,
    progress: Progress | None = None,
    told: Told | None = None,
    broken: Broken | None = None,
    absent: Sequence[Path] = (),
    overlap: int = 0,
) -> Report:
    """Make the library hold these files and folders and nothing else: `add`, and documents not found there are removed.

    A document whose place could not be looked at (a folder that is missing or not readable) stays.
    broken: kept by the caller from one run to the next. absent: folders to take for ones that are not there.
    """
    found = find(given)
    found.unseen += map(str, absent)
    return _index(library, found, chunk_tokens, overlap, progress, told, {} if broken is None else broken, sweep=True)


def cut_again(library: Library, database: Database, path: str, chunk_tokens: int, overlap: int = 0) -> int:
    """Cut, embed and commit a document anew from the text in the record, whatever has become of its file.

    Returns the number of its chunks, 0 where it is not there.
    """
    known, document = known_files(database).get(path), store.document(database, path)
    if known is None or document is None:
        return 0
    return _commit(library, database, document, known, chunk_tokens, overlap, lambda part, of: None)


def recipe(chunk_tokens: int, overlap: int, encoder: Encoder) -> str:
    """Names the way documents are cut and embedded now; the encoder comes last."""
    repeated = f"+{overlap}" if overlap else ""
    return f"{_RECIPE_VERSION} {longest_chunk(encoder, chunk_tokens)}{repeated} {encoder.id}"


def _index(
    library: Library,
    found: Found,
    chunk_tokens: int,
    overlap: int,
    progress: Progress | None,
    told: Told | None,
    broken: Broken,
    sweep: bool,
) -> Report:
    states = {path: state_of(Path(path)) for path in found.files}
    with store.opened(library.database) as database, Reader() as reader:
        library.check_encoder(database)
        run = _Run(
            library, database, reader, chunk_tokens, overlap, known_files(database), told, failures=found.failures
        )
        wanted = [path for path in found.files if not _is_done(run, run.known.get(path), states[path])]
        total, done = sum(max(states[path].size, 1) for path in wanted), 0
        for path in wanted:
            size = max(states[path].size, 1)

            def embedded(part: int, of: int, before: int = done, size: int = size) -> None:
                if progress:
                    progress((before + size * part // of) // 1000, max(total // 1000, 1))

            _index_or_note(run, path, found.files[path], states[path], broken, embedded)
            done += size
            embedded(1, 1)
        if run.seen_again:
            remember(database, run.seen_again)
        gone = [path for path in run.known if path not in found.files and not found.hides(path)] if sweep else []
        if gone:
            store.remove(database, gone)
            for path in gone:
                run.tell(Change(path, "removed", 0))
        if run.indexed or gone:
            library.index.line_up(database)
        store.count_stems(database)
    unchanged = len(found.files) - len(wanted) + len(run.seen_again)
    return Report(run.indexed, unchanged, len(gone), tuple(run.failures), run.chunks, tuple(run.notes))


def _is_done(run: _Run, known: Known | None, state: State) -> bool:
    return known is not None and known.recipe == run.recipe and is_unchanged(known, state)


def _index_or_note(run: _Run, path: str, named: bool, state: State, broken: Broken, embedded: Progress) -> None:
    """Index one file, or note why that was not possible."""
    before, failure = broken.get(path, (None, None))
    if failure and before == state and state.sure:
        run.failures.append(failure)
        return
    broken.pop(path, None)
    try:
        _index_file(run, path, embedded)
    except DocumentError as error:
        kept = "; the version indexed before is kept" if path in run.known else ""
        failure = Failure(path, f"{error.message}{kept}", named, error.hint)
        run.failures.append(failure)
        broken[path] = state, failure


def _index_file(run: _Run, path: str, embedded: Progress) -> None:
    """Index one file, or note that its content is the one indexed. Raises DocumentError."""
    _check_name(path)
    known = run.known.get(path)
    file = Path(path)
    for _ in range(_READINGS):
        state = state_of(file)
        try:
            sha256 = digest(file)
            if known and (known.sha256, known.recipe) == (sha256, run.recipe):
                run.seen_again.append((path, state))
                return
            document = run.reader.read(file)
        except DocumentError:
            if _is_as(file, state):
                raise
            continue  # half a file may be called damaged
        if _is_as(file, state):
            break
    else:
        raise DocumentError(f"{path} is being written: it changed while it was read", "run it again when it is ready")
    version = Known(sha256, size_kept(state), state.mtime, "")
    chunks = _commit(run.library, run.database, document, version, run.chunk_tokens, run.overlap, embedded)
    run.indexed += 1
    run.chunks += chunks
    run.notes += [Note(path, note) for note in document.notes]
    run.tell(Change(path, "changed" if known else "added", chunks))


def _commit(
    library: Library,
    database: Database,
    document: Document,
    version: Known,
    chunk_tokens: int,
    overlap: int,
    embedded: Progress,
) -> int:
    """Cut and embed a document and put it into the record as one transaction; the number of its chunks."""
    chunks = chunks_of(document, library.encoder, longest_chunk(library.encoder, chunk_tokens), overlap)
    contexts = [context_of(document.title, chunk.heading) for chunk in chunks]
    texts = embedded_texts(library.encoder, [chunk.text for chunk in chunks], contexts)
    keys = [vector_key(library.encoder.id, text) for text in texts]
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
        version.sha256,
        version.size,
        version.mtime,
        recipe(chunk_tokens, overlap, library.encoder),
        library.encoder.id,
    )
    return len(chunks)


def _is_as(file: Path, state: State) -> bool:
    """Whether the file is still as it was when its state was taken."""
    now = state_of(file)
    return (now.size, now.mtime) == (state.size, state.mtime)


def _check_name(path: str) -> None:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise DocumentError(f"the name of {path!r} is not valid text", "rename the file") from None

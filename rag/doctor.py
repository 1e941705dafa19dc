"""Checks one library from its record to its files, says what to do about each finding, and repairs what it can."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fireside.database import Database
from fireside.errors import DocumentError, StorageError
from rag import stems, store
from rag.chunk import context_of
from rag.ingest import cut_again, recipe
from rag.known import digest, is_unchanged, known_files, state_of
from rag.library import Library
from rag.relevance import passed_over

# A page or a file with fewer characters holds a stamp or a page number, and no sentence.
_NEAR_EMPTY = 50
_BYTES_PER_NUMBER = 4
_COUNTED_AT_ONCE = 500


@dataclass(frozen=True)
class Finding:
    """What one check found: `ok`; a `note`, which may be as the person wants it; or a `fault` of the library itself.

    fix: what to do where it is not ok. documents: the paths it is about.
    """

    check: str
    state: Literal["ok", "note", "fault"]
    found: str
    fix: str = ""
    documents: tuple[str, ...] = ()


def examine(library: Library, chunk_tokens: int, overlap: int = 0) -> list[Finding]:
    """Every check's finding. Raises StorageError where the record cannot be opened at all; nothing is changed."""
    with store.opened(library.database) as database:
        record = _record(database)
        if record.state == "fault":
            # Whatever else there is to see would only repeat it.
            return [record]
        if (encoder := _encoder(library, database, chunk_tokens, overlap)).state == "fault":
            return [record, encoder]
        return [
            record,
            encoder,
            _full_text(database, library.name),
            _chunks(database, library.name),
            _word_counts(database, library.name),
            _vectors(library, database),
            _chroma(library, database),
            *_files(database, library.name),
            _near_empty(database),
            _refusals(library),
        ]


def repair(library: Library, chunk_tokens: int, overlap: int = 0) -> list[str]:
    """Put right what `examine` calls a fault, from what the record holds; no file is read. Returns a line a step.

    Raises StorageError where the record itself is damaged: it cannot be repaired from itself.
    """
    done: list[str] = []
    with store.opened(library.database) as database:
        record = _record(database)
        if record.state == "fault":
            raise StorageError(record.found, record.fix)
        if _encoder(library, database, chunk_tokens, overlap).state == "fault":
            done.append(f"embedded {library.migrate():,} chunks with {library.encoder.id}")
        if not _full_text_is_sound(database):
            with database.transaction() as connection:
                connection.execute("INSERT INTO full_text (full_text) VALUES ('rebuild')")
            done.append("made the full-text index anew")
        with database.transaction() as connection:
            lost = connection.execute(f"DELETE FROM chunks WHERE {_OWNERLESS}").rowcount
            lost += connection.execute(f"DELETE FROM full_text WHERE rowid IN ({_STRAY_TEXTS})").rowcount
            sound = _sound_vectors(library)
            damaged = f"embedding NOT IN ({sound})"
            ids = connection.execute(f"SELECT DISTINCT embedding FROM chunks WHERE {damaged}").fetchall()
            connection.execute(f"UPDATE chunks SET embedding = NULL WHERE {damaged}")
            if store.setting(database, store.MIGRATING) is None:
                lost += connection.execute(f"DELETE FROM vectors WHERE id NOT IN ({sound}) OR {_UNUSED}").rowcount
            else:  # those that no chunk uses yet are the other encoder's
                connection.executemany("DELETE FROM vectors WHERE id = ?", map(tuple, ids))
                lost += len(ids)
        if lost:
            done.append(f"removed {lost:,} chunks, texts and vectors that belonged to nothing or were damaged")
        broken = {*_badly_cut(database), *_without_vectors(library, database)}
        for path in sorted(broken):
            chunks = cut_again(library, database, path, chunk_tokens, overlap)
            done.append(f"cut and embedded {path} again from the text in the record ({chunks:,} chunks)")
        if wrong := [*_wrongly_counted(database), *_stray_counts(database)]:
            with database.transaction() as connection:
                connection.executemany("DELETE FROM stem_counts WHERE chunk = ?", [(chunk,) for chunk in wrong])
            store.count_stems(database)
            done.append(f"counted the words of {len(wrong):,} chunks again")
        if broken or _chroma(library, database).state == "fault":
            library.index.rebuild(database)
            done.append("made the vector index anew")
    return done


def _record(database: Database) -> Finding:
    """SQLite's own checks of the file."""
    fix = f"move the folder {database.path.parent} away and add the documents again"
    try:
        # From 3.44 on SQLite looks into the full text, too, which has a check and a repair of its own here.
        problems = [
            row[0] for row in database.read("PRAGMA integrity_check(3)") if row[0] != "ok" and "FTS5" not in row[0]
        ]
        ((documents, chunks),) = database.read("SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM chunks)")
    except StorageError as error:
        return Finding("record", "fault", error.message, fix)
    if problems:
        return Finding("record", "fault", f"{database.path} is damaged: {'; '.join(problems)[:500]}", fix)
    return Finding("record", "ok", f"{documents:,} documents, {chunks:,} chunks")


_STRAY_TEXTS = "SELECT rowid FROM full_text WHERE rowid NOT IN (SELECT id FROM chunks)"
_OWNERLESS = "document NOT IN (SELECT id FROM documents)"
_UNUSED = "id NOT IN (SELECT embedding FROM chunks WHERE embedding IS NOT NULL)"


def _sound_vectors(library: Library) -> str:
    return f"SELECT id FROM vectors WHERE length(vector) = {library.encoder.dimension * _BYTES_PER_NUMBER}"


def _full_text(database: Database, name: str) -> Finding:
    if not _full_text_is_sound(database):
        return Finding("full text", "fault", "the index of words is damaged", _repair(name))
    stray = len(database.read(_STRAY_TEXTS))
    if stray:
        return Finding("full text", "fault", f"{stray:,} texts belong to no chunk", _repair(name))
    return Finding("full text", "ok", "as its texts are")


def _full_text_is_sound(database: Database) -> bool:
    try:
        with database.transaction() as connection:
            # https://www.sqlite.org/fts5.html#the_integrity_check_command
            connection.execute("INSERT INTO full_text (full_text) VALUES ('integrity-check')")
    except StorageError as error:
        if "damaged" in error.message:
            return False
        raise
    return True


def _chunks(database: Database, name: str) -> Finding:
    broken = tuple(_badly_cut(database))
    ((ownerless,),) = database.read(f"SELECT count(*) FROM chunks WHERE {_OWNERLESS}")
    if ownerless:
        return Finding("chunks", "fault", f"{ownerless:,} chunks belong to no document", _repair(name), broken)
    if broken:
        found = f"the chunks of {_documents(broken)} are not what was indexed of them"
        return Finding("chunks", "fault", found, _repair(name), broken)
    return Finding("chunks", "ok", "each is a stretch of its document, and indexed as such")


def _badly_cut(database: Database) -> Iterator[str]:
    """Paths of documents with a chunk that lies outside the text, or whose full text is not its own."""
    for owner, path, title in database.read("SELECT id, path, title FROM documents ORDER BY path"):
        # One text at a time: all of them together may be more than the memory holds.
        text = "".join(row[0] for row in database.read("SELECT text FROM documents WHERE id = ?", (owner,)))
        rows = database.read(
            "SELECT start, stop, heading, context, body FROM chunks LEFT JOIN full_text ON full_text.rowid = chunks.id "
            "WHERE document = ?",
            (owner,),
        )
        if not rows or any(
            not 0 <= start < stop <= len(text)
            or (context, body) != (context_of(title, json.loads(heading)), text[start:stop])
            for start, stop, heading, context, body in rows
        ):
            yield path


def _vectors(library: Library, database: Database) -> Finding:
    lacking = tuple(_without_vectors(library, database))
    if lacking:
        return Finding(
            "vectors", "fault", f"vectors are missing of {_documents(lacking)}", _repair(library.name), lacking
        )
    ((unused,),) = database.read(f"SELECT count(*) FROM vectors WHERE {_UNUSED}")
    migrating = store.setting(database, store.MIGRATING)
    if unused and migrating is not None:
        found = f"every chunk has one; {unused:,} of {migrating} wait for the rest"
        return Finding("vectors", "note", found, f"go on, or end it: fireside docs rebuild {_into(library.name)}")
    if unused:
        return Finding("vectors", "fault", f"{unused:,} vectors belong to no chunk", _repair(library.name))
    return Finding("vectors", "ok", "every chunk has one")


def _without_vectors(library: Library, database: Database) -> list[str]:
    rows = database.read(
        "SELECT DISTINCT path FROM chunks JOIN documents ON documents.id = chunks.document "
        f"WHERE embedding IS NULL OR embedding NOT IN ({_sound_vectors(library)}) ORDER BY path"
    )
    return [path for (path,) in rows]


def _word_counts(database: Database, name: str) -> Finding:
    wrong = len([*_wrongly_counted(database), *_stray_counts(database)])
    if wrong:
        return Finding("word counts", "fault", f"those of {wrong:,} chunks are not of their texts", _repair(name))
    ((missing,),) = database.read(
        "SELECT count(*) FROM chunks LEFT JOIN stem_counts ON chunk = id WHERE counts IS NULL"
    )
    if missing:
        found = f"{missing:,} chunks are not counted yet: searches count them, and take longer"
        return Finding("word counts", "note", found, f"fireside docs rebuild {_into(name)} (nothing is embedded again)")
    return Finding("word counts", "ok", "as the texts have them")


def _wrongly_counted(database: Database) -> Iterator[int]:
    """Ids of chunks whose counted stems are not those of their text; one not counted yet is not among them."""
    last = 0
    while rows := store.texts_after(database, last, _COUNTED_AT_ONCE):
        last = rows[-1][0]
        kept = store.stem_counts(database, [chunk for chunk, _, _ in rows])
        counts = stems.counted([(context, body) for _, context, body in rows])
        yield from (chunk for (chunk, _, _), count in zip(rows, counts, strict=True) if kept[chunk] != count)


def _stray_counts(database: Database) -> list[int]:
    """Ids that have counts and belong to no chunk."""
    return [
        chunk for (chunk,) in database.read("SELECT chunk FROM stem_counts WHERE chunk NOT IN (SELECT id FROM chunks)")
    ]


def _chroma(library: Library, database: Database) -> Finding:
    wrong = library.index.difference(database)
    fix = f"fireside docs rebuild --library {library.name} (nothing is embedded again)"
    return Finding("vector index", "fault" if wrong else "ok", wrong or "as the record has it", fix if wrong else "")


def _encoder(library: Library, database: Database, chunk_tokens: int, overlap: int) -> Finding:
    made_by, now = store.setting(database, store.ENCODER), library.encoder.id
    if made_by not in (None, now):
        found = f"the vectors were made by another encoder ({made_by}) than {now}: it cannot be searched"
        return Finding(
            "encoder", "fault", found, f"fireside docs rebuild {_into(library.name)} (embeds everything anew)"
        )
    others = tuple(_of_other_recipes(database, recipe(chunk_tokens, overlap, library.encoder)))
    if others:
        fix = f"the next `fireside docs sync` {_into(library.name)} cuts them anew"
        return Finding("encoder", "note", f"other settings than today's in {_documents(others)}", fix, others)
    return Finding("encoder", "ok", now)


def _of_other_recipes(database: Database, now: str) -> list[str]:
    return sorted(path for path, known in known_files(database).items() if known.recipe != now)


def _files(database: Database, name: str) -> Iterator[Finding]:
    """How the indexed files lie on the disk now."""
    gone, changed, refused = [], [], []
    for path, known in sorted(known_files(database).items()):
        file, state = Path(path), state_of(Path(path))
        try:
            if not file.exists():
                gone.append(path)
            elif not is_unchanged(known, state) and digest(file) != known.sha256:
                changed.append(path)
        except (DocumentError, OSError):
            refused.append(path)
    if gone:
        fix = f"mount the drive they lie on, or take them out: fireside docs sync PATH {_into(name)}"
        yield Finding("files", "note", f"the files of {_documents(gone)} are gone", fix, tuple(gone))
    if changed:
        fix = f"fireside docs sync PATH {_into(name)}"
        yield Finding("files", "note", f"the files of {_documents(changed)} have changed since", fix, tuple(changed))
    if refused:
        found = f"the files of {_documents(refused)} cannot be read any more"
        yield Finding("files", "note", found, "check them and their permissions", tuple(refused))
    if not gone and not changed and not refused:
        yield Finding("files", "ok", "all are there, as they were indexed")


def _near_empty(database: Database) -> Finding:
    rows = database.read(
        "SELECT path FROM documents WHERE length(trim(text)) < ? * max(1, (SELECT count(DISTINCT page) FROM chunks "
        "WHERE document = documents.id)) ORDER BY path",
        (_NEAR_EMPTY,),
    )
    paths = tuple(path for (path,) in rows)
    if paths:
        found = f"hardly any text in {_documents(paths)}: pages may be scanned pictures"
        fix = "look: fireside docs show DOCUMENT; scans have to go through OCR first"
        return Finding("text", "note", found, fix, paths)
    return Finding("text", "ok", "every document holds some")


def _refusals(library: Library) -> Finding:
    if made_for := passed_over(library):
        found = f"the threshold kept for the library is not used: it was fitted on another search ({made_for})"
        fix = f"fit it anew: fireside eval rag DATA {_into(library.name)} --calibrate"
        return Finding("refusals", "note", found, fix)
    return Finding("refusals", "ok", "decided by a threshold that belongs to this search")


def _documents(paths: Sequence[str]) -> str:
    return f"{len(paths):,} document{'' if len(paths) == 1 else 's'}"


def _into(name: str) -> str:
    return f"--library {name}"


def _repair(name: str) -> str:
    return f"fireside docs doctor --repair {_into(name)}"

"""The actions of `fireside docs` that fill, watch, check and mend a library."""

from __future__ import annotations

import argparse
import dataclasses
import functools
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from fireside.errors import DocumentError
from fireside.text import for_terminal_line
from tui.console import Progress, emit, note, say
from tui.libraries import encoder_of

if TYPE_CHECKING:
    from fireside.encoder import Encoder
    from rag.doctor import Finding
    from rag.ingest import Change, Report
    from rag.library import Library

LONGEST_PATH = 4096
"""Characters of a path that are shown."""

_DOCUMENTS_SHOWN = 5
_LABELS = {"ok": "ok   ", "note": "note ", "fault": "FAULT"}


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[Library]:
    """The library that the command line names. Raises DocumentError where there is none."""
    from rag.library import open_library

    with closing(open_library(options.library, encoder=_encoder())) as library:
        yield library


def counted(number: int, what: str) -> str:
    """The number with its noun, in the plural where it is not 1."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def add(options: argparse.Namespace) -> int:
    """`docs add`."""
    from rag import ingest

    return _index(options, functools.partial(ingest.add, tags=options.tag))


def sync(options: argparse.Namespace) -> int:
    """`docs sync`."""
    from rag import ingest

    return _index(options, ingest.sync)


def watch(options: argparse.Namespace) -> int:
    """`docs watch`: a line a change, in JSON lines with --json."""
    from rag import watch
    from rag.library import create_library

    lines = _WatchLines(options.library, options.json)
    with closing(create_library(options.library, _encoder())) as library:
        chunk_tokens, overlap = _chunk_tokens()
        watch.watch(library, options.paths, chunk_tokens, lines.reported, lines.told, lines.progressed, overlap=overlap)
    return 0


def doctor(options: argparse.Namespace) -> int:
    """`docs doctor`: 1 where a fault is left."""
    from fireside import settings
    from rag.doctor import examine, repair
    from rag.rerank import reranker

    chunk_tokens, overlap = _chunk_tokens()
    with opened(options) as library:
        library.rerank = reranker(settings.load().documents.reranker)
        done = repair(library, chunk_tokens, overlap) if options.repair else []
        findings = examine(library, chunk_tokens, overlap)
    if options.json:
        emit(
            {
                "library": options.library,
                "repaired": done,
                "findings": [dataclasses.asdict(finding) for finding in findings],
            }
        )
    else:
        for step in done:
            say(f"repaired: {for_terminal_line(step, LONGEST_PATH)}")
        for finding in findings:
            _say_finding(finding)
    return 1 if any(finding.state == "fault" for finding in findings) else 0


def rebuild(options: argparse.Namespace) -> int:
    """`docs rebuild`."""
    progress = Progress("embedding anew", "chunks")
    with opened(options) as library:
        try:
            if options.server or options.folder:
                library.use_server(options.server)
            chunks = library.rebuild(progress.update)
        finally:
            progress.finish()
    if options.json:
        emit({"library": options.library, "chunks": chunks})
    else:
        say(f"{options.library}: the index holds {counted(chunks, 'chunk')} again")
    return 0


def _chunk_tokens() -> tuple[int, int]:
    """The longest chunk, and what a chunk repeats of the one before it."""
    from fireside import settings

    documents = settings.load().documents
    return documents.chunk_tokens, documents.chunk_overlap


def _encoder() -> Encoder:
    from fireside import settings

    return encoder_of(settings.load().documents)


def _index(options: argparse.Namespace, run: Callable[..., Report]) -> int:
    from rag.library import create_library

    chunk_tokens, overlap = _chunk_tokens()
    progress = Progress("indexing", "kB")
    with closing(create_library(options.library, _encoder())) as library:
        try:
            report = run(library, options.paths, chunk_tokens, progress.update, overlap=overlap)
        except KeyboardInterrupt:
            progress.finish()
            note("interrupted: what was indexed so far is kept, and the same command goes on from there")
            raise
        finally:
            progress.finish()
    if options.json:
        emit(_fields(report))
    else:
        say(_summary(options.library, report))
    for each in report.notes:
        note(f"note: {_line(each.document)}: {_line(each.note)}")
    named = [each for each in report.failed if each.named]
    for failure in report.failed:
        # The last thing said is the error itself.
        if not named or failure is not named[0]:
            note(f"not indexed: {_line(failure.reason)}")
    if named:
        others = f" (and {len(named) - 1} more of the paths given)" if len(named) > 1 else ""
        raise DocumentError(f"{named[0].reason}{others}", named[0].hint)
    return 0


def _fields(report: Report) -> dict[str, Any]:
    return {
        "indexed": report.indexed,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "failed": [{"document": each.document, "reason": each.reason} for each in report.failed],
        "chunks": report.chunks,
        "notes": [{"document": each.document, "note": each.note} for each in report.notes],
    }


def _summary(library: str, report: Report) -> str:
    return (
        f"{library}: {counted(report.indexed, 'document')} indexed ({counted(report.chunks, 'chunk')}), "
        f"{report.unchanged} unchanged, {report.removed} removed, {len(report.failed)} failed"
    )


class _WatchLines:
    """Tells what a watch does: each change once, a failure when it is new, a summary of the first sync."""

    def __init__(self, library: str, as_json: bool) -> None:
        self._library, self._json = library, as_json
        self._progress: Progress | None = None
        self._failed: dict[str, str] = {}
        self._first = True

    def progressed(self, done: int, total: int) -> None:
        self._progress = self._progress or Progress("indexing", "kB")
        self._progress.update(done, total)

    def told(self, change: Change) -> None:
        if self._progress:
            self._progress.finish()
        if self._json:
            emit({"event": change.kind, "document": change.document, "chunks": change.chunks})
        else:
            chunks = "" if change.kind == "removed" else f" ({counted(change.chunks, 'chunk')})"
            say(f"{change.kind} {_line(change.document)}{chunks}")

    def reported(self, report: Report) -> None:
        if self._progress:
            self._progress.finish()
        self._progress = None
        for failure in report.failed:
            if self._failed.get(failure.document) == failure.reason:
                continue
            if self._json:
                emit({"event": "failed", "document": failure.document, "reason": failure.reason})
            else:
                note(f"not indexed: {_line(failure.reason)}")
        self._failed = {failure.document: failure.reason for failure in report.failed}
        for each in report.notes:
            note(f"note: {_line(each.document)}: {_line(each.note)}")
        if self._json and (self._first or report.indexed or report.removed):
            emit({"event": "synced", **_fields(report)})
        if self._first and not self._json:
            say(_summary(self._library, report))
            note("watching; Ctrl-C ends it")
        self._first = False


def _say_finding(finding: Finding) -> None:
    say(f"{_LABELS[finding.state]}  {finding.check}: {_line(finding.found)}")
    for path in finding.documents[:_DOCUMENTS_SHOWN]:
        say(f"         {_line(path)}")
    if len(finding.documents) > _DOCUMENTS_SHOWN:
        say(f"         and {len(finding.documents) - _DOCUMENTS_SHOWN:,} more (--json lists all)")
    if finding.fix:
        say(f"       fix: {_line(finding.fix)}")


def _line(text: str) -> str:
    return for_terminal_line(text, LONGEST_PATH)

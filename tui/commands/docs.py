"""`fireside docs`: document libraries on the command line."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from fireside.errors import DocumentError
from fireside.text import for_terminal_line
from tui.commands.actions import add_action
from tui.console import Progress, emit, note, say

if TYPE_CHECKING:
    from rag.ingest import Report
    from rag.library import Library
    from rag.types import Passage

_HITS = 5
_LONGEST_PATH = 4096


def add_parser(subparsers: Any) -> None:
    """Add `docs` and its actions to the command line."""
    parser = subparsers.add_parser(
        "docs", help="document libraries: add, sync, list, search, show, remove, rebuild", description=__doc__
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = _action(actions, "add", _add, "index files and folders (Markdown, text, HTML, PDF, docx)")
    add.add_argument("paths", nargs="+", type=_path, metavar="PATH", help="a file, or a folder with all that is in it")
    sync = _action(actions, "sync", _sync, "make the library hold these files and folders and nothing else")
    sync.add_argument("paths", nargs="+", type=_path, metavar="PATH", help="a file, or a folder with all that is in it")
    _action(actions, "list", _list, "list the documents")
    search = _action(actions, "search", _search, "find passages")
    search.add_argument("query", nargs="?", metavar="QUERY", help="what to look for")
    search.add_argument("-k", type=_positive, default=_HITS, metavar="N", help=f"how many passages (default {_HITS})")
    search.add_argument("--stdin", action="store_true", help="read queries from stdin, one a line")
    show = _action(actions, "show", _show, "print a document's text as it was indexed")
    show.add_argument("document", metavar="DOCUMENT", help="its path, or the end of it")
    remove = _action(actions, "remove", _remove, "take documents out of the library; the files stay")
    remove.add_argument("documents", nargs="+", metavar="DOCUMENT", help="its path, or the end of it")
    _action(actions, "rebuild", _rebuild, "make the vector index anew; nothing is embedded again")


def _action(
    actions: Any, name: str, handler: Callable[[argparse.Namespace], int], what: str
) -> argparse.ArgumentParser:
    parser = add_action(actions, name, handler, what)
    parser.add_argument("--library", default="default", metavar="NAME", help="the library (default: default)")
    return parser


def _path(text: str) -> str:
    # An empty variable in a shell is no wish to index, or with `sync` to keep, the current folder alone.
    if not text:
        raise argparse.ArgumentTypeError("a path is empty; the current folder is written '.'")
    return text


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= 1000:
        raise argparse.ArgumentTypeError("give a number from 1 to 1000")
    return number


@contextmanager
def _opened(options: argparse.Namespace) -> Iterator[Library]:
    from rag.library import open_library

    with closing(open_library(options.library)) as library:
        yield library


def _add(options: argparse.Namespace) -> int:
    from rag import ingest

    return _index(options, ingest.add)


def _sync(options: argparse.Namespace) -> int:
    from rag import ingest

    return _index(options, ingest.sync)


def _index(options: argparse.Namespace, run: Callable[..., Report]) -> int:
    from fireside import settings
    from rag.library import create_library

    chunk_tokens = settings.load().documents.chunk_tokens
    progress = Progress("indexing", "kB")
    with closing(create_library(options.library)) as library:
        try:
            report = run(library, options.paths, chunk_tokens, progress.update)
        except KeyboardInterrupt:
            progress.finish()
            note("interrupted: what was indexed so far is kept, and the same command goes on from there")
            raise
        finally:
            progress.finish()
    if options.json:
        emit(
            {
                "indexed": report.indexed,
                "unchanged": report.unchanged,
                "removed": report.removed,
                "failed": [{"document": each.document, "reason": each.reason} for each in report.failed],
                "chunks": report.chunks,
            }
        )
    else:
        say(
            f"{options.library}: {_count(report.indexed, 'document')} indexed ({_count(report.chunks, 'chunk')}), "
            f"{report.unchanged} unchanged, {report.removed} removed, {len(report.failed)} failed"
        )
    named = [each for each in report.failed if each.named]
    for each in report.failed:
        # The last thing said is the error itself.
        if not named or each is not named[0]:
            note(f"not indexed: {for_terminal_line(each.reason, _LONGEST_PATH)}")
    if named:
        others = f" (and {len(named) - 1} more of the paths given)" if len(named) > 1 else ""
        raise DocumentError(f"{named[0].reason}{others}", named[0].hint)
    return 0


def _list(options: argparse.Namespace) -> int:
    with _opened(options) as library:
        records = library.documents()
    if options.json:
        emit({"library": options.library, "documents": [_record(record) for record in records]})
    elif not records:
        say(f"the library {options.library} is empty")
    for record in [] if options.json else records:
        name = for_terminal_line(record.path, _LONGEST_PATH)
        say(f"{name}  {record.characters:,} characters, {_count(record.chunks, 'chunk')}")
    return 0


def _record(record: Any) -> dict[str, Any]:
    fields = dataclasses.asdict(record)
    return {"document": fields.pop("path"), **fields}


def _search(options: argparse.Namespace) -> int:
    if options.stdin == bool(options.query and options.query.strip()):
        note("usage: fireside docs search QUERY, or: fireside docs search --stdin")
        return 2
    with _opened(options) as library:
        for query in _queries(options):
            passages = library.search(query, options.k)
            if options.json:
                emit({"query": query, "hits": [_hit(passage) for passage in passages]})
            else:
                _print_hits(query, passages, options.stdin)
    return 0


def _queries(options: argparse.Namespace) -> Iterator[str]:
    if not options.stdin:
        yield options.query
        return
    # Read as bytes: a line that is not UTF-8 is still a query, and must not end the run.
    for line in sys.stdin.buffer:
        query = line.decode("utf-8", "replace").strip()
        if query:
            yield query


def _hit(passage: Passage) -> dict[str, Any]:
    return {
        "document": passage.document,
        "start": passage.start,
        "end": passage.end,
        "page": passage.page,
        "heading": list(passage.heading),
        "score": round(passage.score, 6),
        "similarity": round(passage.similarity, 6),
        "text": passage.text,
    }


def _print_hits(query: str, passages: list[Passage], name_query: bool) -> None:
    if name_query:
        say(f"== {query}")
    if not passages:
        say("nothing found: the library is empty")
    for number, passage in enumerate(passages, start=1):
        where = f", p. {passage.page}" if passage.page is not None else ""
        heading = f", {' > '.join(passage.heading)}" if passage.heading else ""
        say(f"{number}. {for_terminal_line(passage.document, _LONGEST_PATH)}{where}{heading}")
        say(f"   score {passage.score:.2f}, similarity {passage.similarity:.2f}, at {passage.start}-{passage.end}")
        text = textwrap.shorten(passage.text, 480, placeholder=" ...")
        say(textwrap.fill(text, 100, initial_indent="   ", subsequent_indent="   "))


def _show(options: argparse.Namespace) -> int:
    with _opened(options) as library:
        document = library.document(options.document)
    if options.json:
        blocks = [dataclasses.asdict(block) for block in document.blocks]
        emit({"document": document.path, "title": document.title, "text": document.text, "blocks": blocks})
    else:
        say(document.text)
    return 0


def _remove(options: argparse.Namespace) -> int:
    with _opened(options) as library:
        removed = library.remove(options.documents)
    if options.json:
        emit({"removed": removed})
    else:
        for path in removed:
            say(f"removed {for_terminal_line(path, _LONGEST_PATH)}")
    return 0


def _rebuild(options: argparse.Namespace) -> int:
    with _opened(options) as library:
        chunks = library.rebuild()
    if options.json:
        emit({"library": options.library, "chunks": chunks})
    else:
        say(f"{options.library}: the index holds {_count(chunks, 'chunk')} again")
    return 0


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"

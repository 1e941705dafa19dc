"""`fireside docs`: document libraries on the command line. What fills and mends them is in `docs_index`."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

from fireside.text import for_terminal_line
from tui.commands import docs_index
from tui.commands.actions import add_action
from tui.commands.docs_index import LONGEST_PATH, counted, opened
from tui.commands.reranking import add_rerank, chosen_reranker
from tui.console import emit, note, say

if TYPE_CHECKING:
    from rag.types import Passage

_HITS = 5


_RULES = (
    "Of a folder everything is read that can be, but for hidden files and what a .gitignore or .firesideignore in it "
    "leaves out. A file named itself is read in any case."
)


def add_parser(subparsers: Any) -> None:
    """Add `docs` and its actions to the command line."""
    parser = subparsers.add_parser(
        "docs",
        help="document libraries: add, sync, watch, list, search, show, remove, doctor, rebuild",
        description="Document libraries: what is asked, searched and cited. One is `default`; --library names others.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, handler, what in (
        ("add", docs_index.add, "index files and folders"),
        ("sync", docs_index.sync, "make the library hold these files and folders and nothing else"),
        ("watch", docs_index.watch, "sync now and after every change, until Ctrl-C"),
    ):
        paths = _action(actions, name, handler, what)
        paths.description = f"{what}. {_RULES}"
        paths.add_argument(
            "paths", nargs="+", type=_path, metavar="PATH", help="a file, or a folder with all that is in it"
        )
        if name == "add":
            paths.add_argument("--tag", action="append", default=[], type=_tag, help="tag them; may be given again")
    listing = _action(actions, "list", _list, "list the documents")
    listing.add_argument("--libraries", action="store_true", help="list the libraries instead")
    search = _action(actions, "search", _search, "find passages")
    search.add_argument("query", nargs="?", metavar="QUERY", help="what to look for")
    search.add_argument("-k", type=_positive, default=_HITS, metavar="N", help=f"how many passages (default {_HITS})")
    search.add_argument("--stdin", action="store_true", help="read queries from stdin, one a line")
    add_rerank(search)
    _add_filters(search)
    show = _action(actions, "show", _show, "print a document's text as it was indexed")
    show.add_argument("document", metavar="DOCUMENT", help="its path, or the end of it")
    show.add_argument("--chunks", action="store_true", help="show how it was cut")
    tag = _action(actions, "tag", _tag_documents, "tag documents, or take tags from them")
    tag.add_argument("documents", nargs="+", metavar="DOCUMENT", help="its path, or the end of it")
    tag.add_argument("--add", action="append", default=[], type=_tag, metavar="TAG", help="may be given again")
    tag.add_argument("--remove", action="append", default=[], type=_tag, metavar="TAG", help="may be given again")
    remove = _action(actions, "remove", _remove, "take documents out of the library; the files stay")
    remove.add_argument("documents", nargs="*", metavar="DOCUMENT", help="its path, or the end of it")
    remove.add_argument("--all", action="store_true", help="every document of the library")
    doctor = _action(actions, "doctor", docs_index.doctor, "check the library; each finding says what to do")
    doctor.add_argument("--repair", action="store_true", help="put right what is wrong in the library itself")
    rebuild = _action(actions, "rebuild", docs_index.rebuild, "make the vector index anew; nothing is embedded again")
    place = rebuild.add_mutually_exclusive_group()
    place.add_argument("--server", metavar="URL", help="keep it on this Chroma server from now on: http://HOST:PORT")
    place.add_argument("--folder", action="store_true", help="keep it in the library's folder again")


def _action(
    actions: Any, name: str, handler: Callable[[argparse.Namespace], int], what: str
) -> argparse.ArgumentParser:
    parser = add_action(actions, name, handler, what)
    parser.add_argument("--library", default="default", metavar="NAME", help="the library (default: default)")
    return parser


def _add_filters(search: argparse.ArgumentParser) -> None:
    only = search.add_argument_group("look only into documents")
    only.add_argument("--path", metavar="GLOB", help="whose path, or the end of it, fits a pattern: 'notes/*.md'")
    only.add_argument(
        "--type", action="append", default=[], metavar="SUFFIX", help="of a kind: pdf; may be given again"
    )
    only.add_argument("--since", type=_day, metavar="DATE", help="changed on that day or later: 2026-01-31")
    only.add_argument("--until", type=_day, metavar="DATE", help="changed on that day or earlier")
    only.add_argument("--title", metavar="TEXT", help="with this in their title")
    only.add_argument("--tag", action="append", default=[], metavar="TAG", help="with this tag; may be given again")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("give a date as 2026-01-31") from None


def _tag(text: str) -> str:
    if not text.strip() or text != for_terminal_line(text):
        raise argparse.ArgumentTypeError("a tag is one line of text")
    return text


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


def _list(options: argparse.Namespace) -> int:
    if options.libraries:
        return _libraries(options)
    with opened(options) as library:
        records, encoder = library.documents(), library.made_by()
    if options.json:
        emit({"library": options.library, "encoder": encoder, "documents": [_record(record) for record in records]})
    elif not records:
        say(f"the library {options.library} is empty")
    for record in [] if options.json else records:
        name = for_terminal_line(record.path, LONGEST_PATH)
        tags = f", {', '.join(record.tags)}" if record.tags else ""
        say(f"{name}  {record.characters:,} characters, {counted(record.chunks, 'chunk')}{tags}")
    if records and not options.json:
        note(f"encoder: {encoder}")
    return 0


def _libraries(options: argparse.Namespace) -> int:
    from rag.library import library_names, open_library

    found: list[tuple[str, int, int, str | None]] = []
    for name in library_names():
        with closing(open_library(name)) as library:
            records, encoder = library.documents(), library.made_by()
        found.append((name, len(records), sum(record.chunks for record in records), encoder))
    if options.json:
        emit(
            {
                "libraries": [
                    dict(zip(("library", "documents", "chunks", "encoder"), each, strict=True)) for each in found
                ]
            }
        )
    elif not found:
        say("there are no libraries yet; make one: fireside docs add PATH")
    for name, documents, chunks, encoder in [] if options.json else found:
        say(f"{name}  {counted(documents, 'document')}, {counted(chunks, 'chunk')}{f', {encoder}' if encoder else ''}")
    return 0


def _record(record: Any) -> dict[str, Any]:
    fields = dataclasses.asdict(record)
    return {"document": fields.pop("path"), **fields}


def _search(options: argparse.Namespace) -> int:
    if options.stdin == bool(options.query and options.query.strip()):
        note("usage: fireside docs search QUERY, or: fireside docs search --stdin")
        return 2
    from rag.filters import Filters

    filters = Filters(
        options.path, tuple(options.type), options.since, options.until, options.title, tuple(options.tag)
    )
    with opened(options) as library:
        library.rerank = chosen_reranker(options)
        for query in _queries(options):
            passages = library.search(query, options.k, filters)
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
        "rerank": None if passage.rerank is None else round(passage.rerank, 6),
        "similarity": round(passage.similarity, 6),
        "text": passage.text,
    }


def _print_hits(query: str, passages: list[Passage], name_query: bool) -> None:
    if name_query:
        say(f"== {query}")
    if not passages:
        say("nothing found: the library holds no document to look into")
    for number, passage in enumerate(passages, start=1):
        where = f", p. {passage.page}" if passage.page is not None else ""
        heading = f", {' > '.join(passage.heading)}" if passage.heading else ""
        say(f"{number}. {for_terminal_line(passage.document, LONGEST_PATH)}{where}{heading}")
        reranked = "" if passage.rerank is None else f"reranked {passage.rerank:.2f}, "
        scores = f"{reranked}score {passage.score:.2f}, similarity {passage.similarity:.2f}"
        say(f"   {scores}, at {passage.start}-{passage.end}")
        text = textwrap.shorten(passage.text, 480, placeholder=" ...")
        say(textwrap.fill(text, 100, initial_indent="   ", subsequent_indent="   "))


def _show(options: argparse.Namespace) -> int:
    with opened(options) as library:
        document = library.document(options.document)
        chunks = library.chunks(document.path) if options.chunks else []
    if options.json:
        shown = {
            "document": document.path,
            "title": document.title,
            "text": document.text,
            "notes": document.notes,
            "blocks": [dataclasses.asdict(block) for block in document.blocks],
        }
        emit(shown | ({"chunks": [dataclasses.asdict(chunk) for chunk in chunks]} if options.chunks else {}))
    elif options.chunks:
        for number, chunk in enumerate(chunks, start=1):
            page = f", p. {chunk.page}" if chunk.page is not None else ""
            say(f"== {number}, at {chunk.start}-{chunk.end}{page}, {' > '.join(chunk.heading)}".rstrip(", "))
            say(chunk.text)
    else:
        say(document.text)
    return 0


def _tag_documents(options: argparse.Namespace) -> int:
    if not options.add and not options.remove:
        note("usage: fireside docs tag DOCUMENT... --add TAG, or --remove TAG")
        return 2
    with opened(options) as library:
        tagged = library.tag(options.documents, options.add, options.remove)
        records = [record for record in library.documents() if record.path in tagged]
    if options.json:
        emit({"tagged": [{"document": record.path, "tags": record.tags} for record in records]})
    for record in [] if options.json else records:
        say(f"{for_terminal_line(record.path, LONGEST_PATH)}: {', '.join(record.tags) or 'no tags'}")
    return 0


def _remove(options: argparse.Namespace) -> int:
    if options.all == bool(options.documents):
        note("usage: fireside docs remove DOCUMENT..., or: fireside docs remove --all")
        return 2
    with opened(options) as library:
        names = [record.path for record in library.documents()] if options.all else options.documents
        removed = library.remove(names)
    if options.json:
        emit({"removed": removed})
    else:
        for path in removed:
            say(f"removed {for_terminal_line(path, LONGEST_PATH)}")
    return 0

"""`fireside data from-docs`: questions and answers about a document library, as training data."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands.actions import add_action
from tui.commands.data_sources import positive
from tui.console import Progress, emit, note, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from finetune.data.questions import Span
    from fireside.models.types import ChatModel
    from rag.library import Library


def add_from_docs(actions: Any) -> None:
    """Add the action to `fireside data`."""
    parser = add_action(
        actions, "from-docs", _from_docs, "let the model ask about a library's documents, and keep what they answer"
    )
    parser.add_argument("library", metavar="LIBRARY", help="the document library")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="a new file to write to (default: stdout)")
    parser.add_argument("--limit", type=positive, metavar="N", help="stop at so many pairs (default: all passages)")
    parser.add_argument("--model", help="the model that asks; a name or path, or remote:NAME")


def _from_docs(options: argparse.Namespace) -> int:
    from fireside.errors import DocumentError
    from fireside.settings import load
    from rag.library import open_library
    from tui.models import open_model

    library = open_library(options.library)
    try:
        spans = spans_of(library)
    finally:
        library.close()
    if not spans:
        raise DocumentError(
            f"the library {options.library!r} has no passage long enough to ask about", "add documents to it first"
        )
    model = open_model(load(), options.model)
    told = Progress("asked about", "passages")
    with _lines(options.output) as write:
        done = asyncio.run(_asked(spans, model, options.limit or len(spans), write, told))
    if options.json and options.output:
        emit(done | {"file": str(options.output)})
    elif options.output:
        say(f"{done['pairs']} pairs from {done['passages']} passages, written to {options.output}")
    return 0


def spans_of(library: Library) -> list[Span]:
    """The library's passages, documents mixed."""
    from finetune.data.questions import Span, in_mixed_order

    return in_mixed_order(
        Span(record.path, chunk.start, chunk.end, chunk.text)
        for record in library.documents()
        for chunk in library.chunks(record.path)
    )


async def _asked(
    spans: list[Span], model: ChatModel, most: int, write: Callable[[str], None], told: Progress
) -> dict[str, Any]:
    """Ask about the spans until there are enough pairs; each is written as soon as it is there."""
    from finetune.data.questions import Pair, propose

    kept = seen = 0
    refused: Counter[str] = Counter()
    try:
        async with aclosing(propose(spans, model)) as proposals:
            async for proposal in proposals:
                seen += 1
                if isinstance(proposal, Pair):
                    kept += 1
                    write(json.dumps(proposal.as_json(), ensure_ascii=False) + "\n")
                else:
                    refused[proposal.reason] += 1
                told.update(kept if most < len(spans) else seen, most)
                if kept >= most:
                    break
    finally:
        # Said where the person cancels, too: what there is stays.
        told.finish()
        for reason, count in refused.most_common():
            note(f"{count} not kept: {reason}")
        note(f"{kept} pairs kept of {seen} passages asked about")
        await model.close()
    return {"pairs": kept, "passages": seen, "refused": dict(refused.most_common())}


@contextmanager
def _lines(output: Path | None) -> Iterator[Callable[[str], None]]:
    """Writes each line at once, to a new file or to stdout. Raises StorageError."""
    from fireside.errors import StorageError

    if output is None:
        yield _to_stdout
        return
    try:
        with output.open("x", encoding="utf-8") as stream:

            def write(line: str) -> None:
                stream.write(line)
                stream.flush()

            yield write
    except FileExistsError:
        raise StorageError(f"{output} is there already", "name another --output") from None
    except OSError as error:
        raise StorageError(f"cannot write {output}: {error.strerror}", "choose another --output") from error


def _to_stdout(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()

"""The process that reads documents: a hostile or broken file can hang or crash it, and nothing else.

One JSON line in (a path), one JSON line out (the document, or what is wrong with it). It ends when its input ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from fireside.errors import DocumentError
from rag.loaders.formats import read_document

# Address space a document may make this process take: several times what an honest file of the size cap needs, and
# what a machine that runs the bundled models has.
_MAX_MEMORY = 3 << 30


def main(seconds: int) -> None:
    """Answer requests until there are no more. SIGALRM ends the process where one takes longer than `seconds`."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Whatever a library prints goes nowhere, not between the answers.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    _limit_memory()
    for line in sys.stdin:
        signal.alarm(seconds)
        answer = _answer(Path(json.loads(line)))
        signal.alarm(0)
        answers.write(answer + "\n")
        answers.flush()


def _answer(path: Path) -> str:
    """A JSON object: the document's fields, its blocks as rows, or `error` and `hint`."""
    try:
        document = read_document(path)
        # Rows without names: a table has a block a row, and there may be hundreds of thousands.
        rows = [
            (block.start, block.end, block.page, block.heading, block.level, block.line) for block in document.blocks
        ]
        return json.dumps({**vars(document), "blocks": rows})
    except DocumentError as error:
        return json.dumps({"error": error.message, "hint": error.hint})
    except MemoryError:
        message = f"{path} takes more memory to read than is allowed"
        return json.dumps({"error": message, "hint": "split it into smaller files"})


def _limit_memory() -> None:
    import resource

    try:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = _MAX_MEMORY if hard == resource.RLIM_INFINITY else min(_MAX_MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
        # A crash leaves no core file among the person's documents.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ValueError, OSError):
        return  # macOS refuses this limit; the time limit holds all the same

"""The process that reads documents: a hostile or broken file can hang or crash it, and nothing else.

One JSON line in (a path), one JSON line out (the document, or what is wrong with it). It ends when its input ends.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from fireside.errors import DocumentError
from rag.loaders.formats import read_document

# Address space a document may make this process take: far above what an honest file of the size cap needs.
_MAX_MEMORY = 6 << 30


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
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _answer(path: Path) -> dict[str, Any]:
    try:
        document = read_document(path)
    except DocumentError as error:
        return {"error": error.message, "hint": error.hint}
    except MemoryError:
        return {"error": f"{path} takes more memory to read than is allowed", "hint": "split it into smaller files"}
    # The loaders turn what they foresee into DocumentError; a broken file must not end the whole ingest either way.
    except Exception as error:
        return {"error": f"{path} cannot be read ({type(error).__name__}): it is damaged", "hint": "save it again"}
    return dataclasses.asdict(document)


def _limit_memory() -> None:
    import resource

    try:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = _MAX_MEMORY if hard == resource.RLIM_INFINITY else min(_MAX_MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    except (ValueError, OSError):
        return  # macOS refuses this limit; the time limit holds all the same

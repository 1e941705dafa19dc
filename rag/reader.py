"""Reads documents in a child process that is started once and started again where a file killed it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from fireside.errors import DocumentError
from fireside.text import for_terminal_line
from rag.types import Block, Document

SECONDS_PER_FILE = 120
"""The longest one file may take to read."""

_LONGEST_MESSAGE = 1000

# -P keeps the current folder off sys.path: a file `json.py` in a folder of documents must not run.
_PROGRAM = "import sys; sys.path.append(sys.argv[1]); from rag.loaders.child import main; main(int(sys.argv[2]))"


class Reader:
    """Turns files into documents, one at a time. Use as a context manager; not for several threads at once."""

    def __init__(self, seconds_per_file: int = SECONDS_PER_FILE) -> None:
        """Nothing is started yet."""
        self._seconds = seconds_per_file
        self._child: subprocess.Popen[str] | None = None

    def read(self, path: Path) -> Document:
        """The document at `path`. Raises DocumentError for a file that cannot be read, hangs or crashes its reader."""
        child = self._started()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(json.dumps(str(path)) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line.endswith("\n"):
            raise self._died(path, child.wait())
        answer = json.loads(line)
        if "error" in answer:
            raise _failure(answer["error"], answer["hint"])
        return _document_from(answer)

    def close(self) -> None:
        """End the child process."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def __enter__(self) -> Reader:
        """Nothing starts before the first file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the child process."""
        self.close()

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None:
            root = str(Path(__file__).resolve().parent.parent)
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, root, str(self._seconds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                # Out of Ctrl-C's reach from its first instruction on: this process decides what the key means.
                start_new_session=True,
            )
        return self._child

    def _died(self, path: Path, status: int) -> DocumentError:
        self.close()
        if status == -signal.SIGALRM:
            return _failure(
                f"{path} was given up after {self._seconds} seconds: it may be damaged, or made to hang its reader",
                "split it, or save it again from the program it comes from",
            )
        return _failure(
            f"{path} made its reader crash: it is damaged, or made to do so",
            "save it again from the program it comes from",
        )


def _failure(message: str, hint: str | None) -> DocumentError:
    """Of one line, safe to print: a file's name may hold newlines and escape sequences."""
    return DocumentError(for_terminal_line(message, _LONGEST_MESSAGE), hint)


def _document_from(fields: dict[str, Any]) -> Document:
    """The document that the child process wrote as JSON, its blocks as rows."""
    return Document(
        path=fields["path"],
        title=fields["title"],
        text=fields["text"],
        blocks=tuple(
            Block(start, end, page, tuple(heading), level, line)
            for start, end, page, heading, level, line in fields["blocks"]
        ),
        notes=tuple(for_terminal_line(note, _LONGEST_MESSAGE) for note in fields["notes"]),
    )


def blocks_from(fields: list[dict[str, Any]]) -> tuple[Block, ...]:
    """Blocks from their JSON form: a list of objects."""
    return tuple(Block(**{**block, "heading": tuple(block["heading"])}) for block in fields)

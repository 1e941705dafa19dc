"""Reads documents in a child process that is started once and started again where a file killed it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from fireside.errors import DocumentError
from rag.types import Block, Document

SECONDS_PER_FILE = 120
"""The longest one file may take to read."""

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
            raise DocumentError(answer["error"], answer["hint"])
        return document_from(answer)

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
            return DocumentError(
                f"{path} was given up after {self._seconds} seconds: it may be damaged, or made to hang its reader",
                "split it, or save it again from the program it comes from",
            )
        return DocumentError(
            f"{path} made its reader crash: it is damaged, or made to do so",
            "save it again from the program it comes from",
        )


def document_from(fields: dict[str, object]) -> Document:
    """A `Document` from what `dataclasses.asdict` made of it, back from JSON."""
    return Document(
        path=str(fields["path"]),
        title=str(fields["title"]),
        text=str(fields["text"]),
        blocks=blocks_from(fields["blocks"]),
    )


def blocks_from(fields: object) -> tuple[Block, ...]:
    """Blocks from their JSON form: a list of objects."""
    assert isinstance(fields, list)
    return tuple(Block(**{**block, "heading": tuple(block["heading"])}) for block in fields)

"""The preview in a process of its own, for the terminal's screen: a model file that breaks its reader ends that alone.

The child gets one JSON document (what to read), answers with the figures of all rows, and then with the examples of
each row whose number it is sent, one JSON line each.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finetune.data.preview import Padding, Piece, Preview, Shown
from fireside.errors import TrainingError

_LONGEST_MESSAGE = 2000


@dataclass(frozen=True)
class Looked:
    """The figures of all rows. rows: each row that is not broken by file and number. broken: the others, with why."""

    preview: Preview
    rows: tuple[str, ...]
    broken: tuple[str, ...]


class PreviewProcess:
    """Looks at one file. The methods wait, one after the other where several threads ask; `close` ends what waits."""

    def __init__(self, file: Path, base: str, max_length: int = 1024, template: str = "") -> None:
        """base, max_length, template: as of a run. Nothing is started yet."""
        self.name = file.name
        self._asked = {"file": str(file), "base": base, "max_length": max_length, "template": template}
        self._child: subprocess.Popen[str] | None = None
        self._asking = threading.Lock()

    def open(self) -> Looked:
        """Read everything. Raises TrainingError."""
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "finetune.data.preview_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            # Out of Ctrl-C's reach: the app decides what the key means.
            start_new_session=True,
        )
        answer = self._answer(self._asked)
        return Looked(_preview_from(answer["preview"]), tuple(answer["rows"]), tuple(answer["broken"]))

    def row(self, index: int) -> tuple[Shown, ...]:
        """The examples of the row at `index`, from 0. Raises TrainingError."""
        return tuple(map(_shown_from, self._answer(index)["shown"]))

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _answer(self, question: Any) -> dict[str, Any]:
        child = self._child
        line = ""
        if child is not None and child.stdin is not None and child.stdout is not None:
            try:
                with self._asking:
                    child.stdin.write(json.dumps(question) + "\n")
                    child.stdin.flush()
                    line = child.stdout.readline()
            except (OSError, ValueError):  # it died, or was closed while it was asked
                line = ""
        if not line.endswith("\n"):
            raise TrainingError(
                f"reading {self.name} ended unexpectedly", "fireside data preview may say more; try another base model"
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise TrainingError(answer["error"], answer["hint"])
        return answer


def _shown_from(fields: dict[str, Any]) -> Shown:
    return Shown(**{**fields, "pieces": tuple(Piece(**piece) for piece in fields["pieces"])})


def _preview_from(fields: dict[str, Any]) -> Preview:
    rows = {name: tuple(map(tuple, fields[name])) for name in ("lengths", "longest", "odd")}
    shown = tuple(map(_shown_from, fields["shown"]))
    padding = Padding(**fields["padding"])
    return Preview(**{**fields, **rows, "left_out": tuple(fields["left_out"]), "shown": shown, "padding": padding})


def main() -> None:
    """The child: read what is asked for, answer, until its stdin ends."""
    from finetune.base import find_base
    from finetune.data.prepare import Preparation, read_sources
    from finetune.data.preview import preview, show_row
    from finetune.data.templates import template_named
    from finetune.examples import check_template
    from finetune.vocabulary import open_vocabulary
    from fireside.errors import FiresideError

    asked = json.loads(sys.stdin.readline())
    try:
        read, _ = read_sources([asked["file"]], Preparation())
        rows = [row for row in read if row.dropped is None]
        vocabulary = open_vocabulary(find_base(asked["base"]))
        if asked["template"]:
            vocabulary.chat_template = template_named(asked["template"])
        check_template(vocabulary, rows)
        seen = preview(rows, vocabulary, asked["max_length"], show=0)
        broken = [f"{row.where}: {row.dropped}" for row in read if row.dropped is not None]
        _write({"preview": seen.as_json(), "rows": [row.where for row in rows], "broken": broken})
        for line in sys.stdin:
            shown = show_row(rows[json.loads(line)], vocabulary, asked["max_length"])
            _write({"shown": [asdict(each) for each in shown]})
    except FiresideError as error:
        _write({"error": error.message[:_LONGEST_MESSAGE], "hint": error.hint})


def _write(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

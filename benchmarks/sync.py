"""Measures the sync of a library whose files did not change, or only their times did.

    python benchmarks/sync.py [--files N] [--row NAME]

Makes N Markdown files (2,000 where not said) in a temporary folder and indexes them once with the bundled encoder.
Exits 1 where a limit is missed or an unchanged file is embedded.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fireside.encoder import BundledEncoder
from rag import ingest
from rag.library import Library

if TYPE_CHECKING:
    from fireside.encoder import Vectors

CHUNK_TOKENS = 200
LIMIT_SECONDS = 3.0
LONG_AGO = 1_600_000_000
WORDS = "the cabin stove takes birch wood and water is drained before frost comes down from the hills at night"


class Counting(BundledEncoder):
    """The bundled encoder; counts the texts it embeds."""

    def __init__(self) -> None:
        super().__init__()
        self.embedded = 0

    def encode(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Vectors:
        """As the bundled encoder does."""
        self.embedded += len(texts)
        return super().encode(texts, progress)


def made(work: Path, files: int) -> Path:
    """A tree of small documents, of 20 a folder, that were last changed long ago."""
    drawn = random.Random(0)
    for number in range(files):
        file = work / "papers" / str(number // 20) / f"{number}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# Note {number}\n\n" + " ".join(drawn.choices(WORDS.split(), k=20)) + ".\n")
        os.utime(file, (LONG_AGO, LONG_AGO))
    (work / "papers" / ".gitignore").write_text("*.log\nbuild/\n/private\n")
    return work / "papers"


def measured(name: str, library: Library, encoder: Counting, folder: Path) -> bool:
    """Whether the median of three syncs is within the limit and none of them embeds or indexes anything."""
    seconds = []
    for _ in range(3):
        encoder.embedded = 0
        began = time.perf_counter()
        report = ingest.sync(library, [folder], CHUNK_TOKENS)
        seconds.append(time.perf_counter() - began)
        print(f"  {name}: {seconds[-1]:.2f} s, {report.unchanged} unchanged, {encoder.embedded} embedded", flush=True)
        if encoder.embedded or report.indexed or report.failed:
            return False
    return sorted(seconds)[1] <= LIMIT_SECONDS


def unchanged(library: Library, encoder: Counting, folder: Path) -> bool:
    return measured("unchanged", library, encoder, folder)


def touched(library: Library, encoder: Counting, folder: Path) -> bool:
    """As after a checkout or a restored backup: every time is new at the first sync, no content is."""
    for file in folder.rglob("*.md"):
        os.utime(file, (LONG_AGO + 60, LONG_AGO + 60))
    return measured("touched", library, encoder, folder)


def command(library: Library, encoder: Counting, folder: Path) -> bool:
    """The same as a person has it, from the shell: Python's start included."""
    line = [sys.executable, "-m", "tui.cli", "docs", "sync", str(folder), "--library", library.name, "--json"]
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - began)
        print(f"  command: {seconds[-1]:.2f} s, {done.stdout.strip()}", flush=True)
        if '"indexed": 0' not in done.stdout:
            return False
    return sorted(seconds)[1] <= LIMIT_SECONDS


ROWS = {"unchanged": unchanged, "touched": touched, "command": command}


def main() -> int:
    """Run the rows asked for; 1 where one is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--row", choices=ROWS, help="run this row only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["FIRESIDE_HOME"] = home
        folder = made(Path(home), options.files)
        encoder = Counting()
        library = Library(Path(home) / "libraries" / "cabin", encoder)
        library.folder.mkdir(parents=True)
        began = time.perf_counter()
        report = ingest.sync(library, [folder], CHUNK_TOKENS)
        seconds = time.perf_counter() - began
        print(f"first: {report.indexed} files, {report.chunks} chunks in {seconds:.0f} s", flush=True)
        print(f"limit of the others: {LIMIT_SECONDS:.0f} s, median of three", flush=True)
        missed = [name for name in ([options.row] if options.row else ROWS) if not ROWS[name](library, encoder, folder)]
        library.close()
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

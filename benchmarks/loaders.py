"""Reads every file below a folder as an ingest does: one line a file, then how many became documents, and the rate.

Usage: python benchmarks/loaders.py --data FOLDER [--row SUFFIX] [--quiet]
Exits 1 where a file ends in anything but a document or one line that says why not, or where spans are wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from fireside.errors import DocumentError
from fireside.text import for_terminal_line
from rag.reader import Reader
from rag.types import Document

SECONDS_PER_FILE = 120


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="the folder")
    arguments.add_argument("--row", help="only files whose name ends so")
    arguments.add_argument("--quiet", action="store_true", help="print failures and notes only")
    options = arguments.parse_args()
    ended: Counter[str] = Counter()
    size = characters = 0
    wrong: list[str] = []
    began = time.perf_counter()
    slowest = (0.0, "")
    with Reader(SECONDS_PER_FILE) as reader:
        for path in sorted(options.data.rglob("*")):
            if not path.is_file() or (options.row and not path.name.endswith(options.row)):
                continue
            name, start = for_terminal_line(str(path.relative_to(options.data))), time.perf_counter()
            size += path.stat().st_size
            try:
                document = reader.read(path)
            except DocumentError as error:
                ended["failed"] += 1
                if "\n" in error.message:
                    wrong.append(f"{name}: its message has several lines")
                print(f"FAILED  {error.message}")
            else:
                ended["document"] += 1
                characters += len(document.text)
                wrong += [f"{name}: {fault}" for fault in faults(document)]
                if not options.quiet:
                    print(f"{len(document.text):9,} {len(document.blocks):6,}  {name}  [{document.title}]")
                for note in document.notes:
                    print(f"note    {note}")
            slowest = max(slowest, (time.perf_counter() - start, name))
    seconds = time.perf_counter() - began
    print(f"{ended['document']} documents, {ended['failed']} failed with one line each, of {sum(ended.values())} files")
    print(f"{seconds:.1f} s, {size / seconds / 1e6:.1f} MB/s of files, {characters / seconds / 1e6:.2f} M characters/s")
    print(f"slowest: {slowest[0]:.1f} s, {slowest[1]}")
    for fault in wrong:
        print(f"WRONG   {fault}")
    return 1 if wrong else 0


def faults(document: Document) -> list[str]:
    """What is wrong with a document's spans."""
    found, end = [], 0
    for block in document.blocks:
        if block.start < end or not document.text[block.start : block.end].strip():
            found.append(f"a block from {block.start} to {block.end} is empty or out of order")
        end = block.end
    return found


if __name__ == "__main__":
    sys.exit(main())

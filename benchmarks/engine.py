"""Measures the chat engine against what it stands on and what it would be replaced by; prints ratios with limits.

    python benchmarks/engine.py [--row NAME] [--model FILE] [--threads N]

Things compared take turns within one run, so that what else the machine does bears on all of them. Medians of five
runs, of three for replies of 2,000 tokens. The comparison with llama.cpp's server needs `pip install xllamacpp`.
Exits 1 where a figure is missed or could not be taken.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import engine_chat as chat
import engine_decode as decode
import engine_program as program
from engine_measure import Bench

from fireside.cores import usable_cores
from fireside.errors import FiresideError
from fireside.models.bundled import CHAT_MODEL, located

ROWS: dict[str, Callable[[Bench], Coroutine[Any, Any, bool]]] = {
    "decode-100": decode.decode_100,
    "decode-2000": decode.decode_2000,
    "lookup-copy": decode.lookup_copy,
    "lookup-prose": decode.lookup_prose,
    "turn-2": chat.turn_2,
    "restart": chat.restart,
    "grammar": chat.grammar,
    "swap": chat.swap,
    "concurrent": program.concurrent,
    "memory": program.memory,
}


def main() -> int:
    """Run the rows asked for; 1 where one misses its figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", choices=ROWS, help="run this row only")
    parser.add_argument("--model", type=Path, help="a GGUF file (default: the bundled model)")
    parser.add_argument("--threads", type=int, default=usable_cores(), help="CPU threads of everything compared")
    parser.add_argument("--runs", type=int, default=5, help="runs of each row (default 5; long rows have at most 3)")
    options = parser.parse_args()
    model = options.model.absolute() if options.model else located(CHAT_MODEL)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{platform.platform()}, {usable_cores()} cores{load}, {datetime.now(UTC):%Y-%m-%d}")
    print(f"{model.name}, {options.threads} threads")
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > usable_cores() / 2:
        # What waits for its threads by spinning, as the rivals do, suffers more from others than the engine.
        print("other programs are at work on this machine: do not trust the ratios")
    missed = []
    for name in [options.row] if options.row else ROWS:
        print(name, flush=True)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            good = False
            try:
                good = asyncio.run(ROWS[name](Bench(model, options.threads, Path(folder), options.runs)))
            except FiresideError as error:
                print(f"  FAILED {error.message}")
        if not good:
            missed.append(name)
        print(f"    {time.perf_counter() - began:.0f} s", flush=True)
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Runs the fault and fuzz suites at their full count; the ordinary tests run the same functions with a small one.

    python benchmarks/faults.py [--row NAME] [--seed N] [--count N]

Exits 1 where one finds something, and prints what. A count stands for one row; without it each has its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

TESTS = Path(__file__).parents[1] / "tests"


def headers(seed: int, count: int) -> list[str]:
    """Changed GGUF headers: read, and loaded where they pass."""
    from headers import check_headers

    tally = check_headers(seed, count)
    for end, number in tally.ends.most_common():
        print(f"  {number:6} {end}")
    if tally.lost:
        print(f"  {len(tally.lost)} ended the loading process, which the app survives; the first: {tally.lost[0]}")
    return tally.harm


def states(seed: int, count: int) -> list[str]:
    """KV states on disk, cut off or with a bit changed."""
    from fireside.models.bundled import CHAT_MODEL, located
    from fireside.models.gguf.context import Context
    from fireside.models.gguf.loading import GgufLoading
    from fireside.models.gguf.model import Model

    model = Model(located(CHAT_MODEL))
    context = Context(model, GgufLoading(located(CHAT_MODEL), context_length=512, threads=1))
    tokens = model.tokenize("The fire was warm, and the night was long. " * 4, add_special=False)
    found: list[str] = _of_tests("fireside/models/gguf/test_states.py").check_states(context, tokens, seed, count)
    context.free()
    model.free()
    return found


def schemas(seed: int, count: int) -> list[str]:
    """Random JSON schemas, and whether what a constrained reply can be is what they accept."""
    import llama_cpp

    from fireside.models.gguf import log

    log.collect(llama_cpp)
    found: list[str] = _of_tests("fireside/models/test_random_schemas.py").check_schemas(seed, count)
    return found


def ingest(seed: int, count: int) -> list[str]:
    """Libraries whose program is killed, whose disk is full, whose index is damaged, or that two programs use."""
    found: list[str] = _of_tests("rag/test_library_faults.py").check_ingest(seed, count)
    return found


def sandbox(seed: int, count: int) -> list[str]:
    """Programs that try to get out of the sandbox, each first run without it, for each mechanism and two users."""
    sys.path.insert(0, str(TESTS / "support"))
    found: list[str] = _of_tests("agents/sandbox/test_escapes.py").check_escapes(seed, count)
    return found


def agents(seed: int, count: int) -> list[str]:
    """Turns with tools whose model behaves badly at random."""
    found: list[str] = _of_tests("agents/test_random_turns.py").check_turns(seed, count)
    return found


def training(seed: int, count: int) -> list[str]:
    """Training runs that are killed at random moments, half of them while a checkpoint is written, and resumed."""
    sys.path.insert(0, str(TESTS / "support"))
    found: list[str] = _of_tests("finetune/test_run_faults.py").check_runs(seed, count)
    return found


def _of_tests(path: str) -> ModuleType:
    """A module of the tests, which are no package."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, TESTS / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ROWS: dict[str, tuple[Callable[[int, int], list[str]], int]] = {
    "headers": (headers, 2000),
    "states": (states, 1000),
    "schemas": (schemas, 1000),
    "ingest": (ingest, 30),
    "agents": (agents, 10_000),
    "sandbox": (sandbox, 100),
    "training": (training, 20),
}
"""Each suite: (seed, count) -> what it found, and its full count."""


def main() -> int:
    """Run the suites asked for; 1 where one found something."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", choices=ROWS, help="run this suite only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, help="how many cases, in place of each suite's own number")
    options = parser.parse_args()
    failed = []
    for name in [options.row] if options.row else ROWS:
        check, full = ROWS[name]
        count = options.count or full
        print(f"{name}: {count} cases, seed {options.seed}", flush=True)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as home:
            os.environ["FIRESIDE_HOME"] = home
            found = check(options.seed, count)
        for each in found:
            print(f"  FOUND {each}")
        print(f"  {len(found)} found in {time.perf_counter() - began:.0f} s", flush=True)
        if found:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

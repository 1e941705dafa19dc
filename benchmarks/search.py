"""Measures search in a library of 100,000 chunks: how fast, also with filters, and what the full-text short cut loses.

    python benchmarks/search.py [--row NAME] [--chunks N] [--work FOLDER]

The library is made up: real words in a Zipf distribution, random vectors. Nothing is embedded to build it; the bundled
encoder embeds the queries. It is built in a temporary folder, or once in the folder given. Every figure is printed with
its limit and the ratio of the two; exits 1 where one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fireside.encoder import DIMENSION, ENCODER_ID
from fireside.models import bundled
from rag import full_text, store
from rag.filters import Filters
from rag.library import Library
from rag.search import CANDIDATES, query_words
from rag.types import Block, Chunk, Document

CHUNKS_A_DOCUMENT = 50
WORDS_A_CHUNK = 120
QUERIES = 200
TOP = 5
FILTERS = {
    "no filter": None,
    "a filter that keeps 1 chunk in 200": Filters(path="rare/*"),
    "a filter that keeps 1 chunk in 3": Filters(types=("md",)),
}


def vocabulary() -> list[str]:
    """Real words, about the commonest first: those that the encoder's tokenizer knows as a whole, in its order."""
    known = json.loads(bundled.checked(bundled.ENCODER_TOKENIZER).read_text("utf-8"))["model"]["vocab"]
    return [word for word in sorted(known, key=known.__getitem__) if word.isascii() and word.isalpha()]


def built(folder: Path, chunks: int) -> None:
    """A library of `chunks` chunks in `folder`: documents of 50, one in 3 a .md, one in 200 below `rare`."""
    numbers = np.random.default_rng(0)
    words = np.array(vocabulary())
    # Zipf's law as Mandelbrot has it: frequency ~ 1 / (rank + 2.7).
    share = np.cumsum(1 / (np.arange(len(words)) + 2.7))
    share /= share[-1]
    with store.opened(folder / "library.db") as database:
        for number in range(chunks // CHUNKS_A_DOCUMENT):
            picked = words[np.searchsorted(share, numbers.random((CHUNKS_A_DOCUMENT, WORDS_A_CHUNK)))]
            texts = [" ".join(row) + "." for row in picked]
            vectors = numbers.standard_normal((CHUNKS_A_DOCUMENT, DIMENSION)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            starts = np.cumsum([0, *(len(text) + 2 for text in texts)])
            cut = [
                Chunk(int(start), int(start) + len(text), text, None, (f"Part {place}",))
                for place, (start, text) in enumerate(zip(starts, texts, strict=False))
            ]
            place = "rare" if number % 200 == 0 else f"folder{number % 7}"
            path = f"/library/{place}/{number}.{'md' if number % 3 == 0 else 'txt'}"
            blocks = tuple(Block(chunk.start, chunk.end) for chunk in cut)
            store.put(
                database,
                Document(path, f"Document {number}", "\n\n".join(texts), blocks),
                cut,
                [f"Document {number} > Part {place}" for place in range(CHUNKS_A_DOCUMENT)],
                [f"{number}-{place}" for place in range(CHUNKS_A_DOCUMENT)],
                list(vectors),
                f"{number}",
                -1,
                1_700_000_000.0 + number,
                "benchmark",
                ENCODER_ID,
            )


def queries(library: Library) -> list[str]:
    """Keywords, questions and claims: 3, 8 and 15 content words of one chunk each, in turn."""
    drawn = random.Random(1)
    asked: list[str] = []
    with store.opened(library.database) as database:
        count = store.count_chunks(database)
        while len(asked) < QUERIES:
            ((body,),) = database.read("SELECT body FROM full_text WHERE rowid = ?", (drawn.randint(1, count),))
            words = query_words(body)
            asked.append(" ".join(drawn.sample(words, min(len(words), (3, 8, 15)[len(asked) % 3]))))
    return asked


def milliseconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def within(what: str, figure: float, limit: float, unit: str) -> bool:
    print(f"  {what}: {figure:.1f} {unit} (limit {limit:g}, ratio {figure / limit:.2f})", flush=True)
    return figure <= limit


def speed(library: Library) -> bool:
    print(f"search, {QUERIES} queries of 3, 8 and 15 content words, with and without filters in turn")
    asked = queries(library)
    for query in asked[:10]:
        library.search(query, TOP)
    times: dict[str, list[float]] = {name: [] for name in FILTERS}
    for query in asked:
        for name, filters in FILTERS.items():
            times[name].append(milliseconds(partial(library.search, query, TOP, filters)))
    good = True
    for name, taken in times.items():
        if FILTERS[name] is None:
            good &= within(f"{name}, p50", statistics.median(taken), 25, "ms")
        good &= within(f"{name}, p95", percentile(taken, 0.95), 60, "ms")
    return good


def recall(library: Library) -> bool:
    print("full text: candidates, scored exactly, against bm25() over all words")
    found: dict[tuple[int, int], list[float]] = {}
    ours, theirs = [], []
    with store.opened(library.database) as database:
        for number, query in enumerate(queries(library)[:60]):
            terms = full_text.terms_of(database, query_words(query))
            best: list[int] = []

            def exact(terms: list[full_text.Term] = terms, best: list[int] = best) -> None:
                match = " OR ".join(f'"{term.word}"' for term in terms)
                rows = database.read(
                    "SELECT rowid FROM full_text WHERE full_text MATCH ? ORDER BY bm25(full_text, ?, 1.0) LIMIT 50",
                    (match, store.CONTEXT_WEIGHT),
                )
                best.extend(chunk for (chunk,) in rows)

            scored: dict[int, float] = {}

            def short_cut(query: str = query, scored: dict[int, float] = scored) -> None:
                terms = full_text.terms_of(database, query_words(query))
                named = full_text.candidates(database, terms, CANDIDATES)
                scored |= full_text.scores(database, terms, named, full_text.FTS5_K1)

            ours.append(milliseconds(short_cut))
            theirs.append(milliseconds(exact))
            ranked = sorted(scored, key=lambda chunk: -scored[chunk])
            for top in (1, 10, 50):
                shared = set(ranked[:top]) & set(best[:top])
                found.setdefault(((3, 8, 15)[number % 3], top), []).append(len(shared) / max(len(best[:top]), 1))
    for words in (3, 8, 15):
        shares = ", ".join(f"top {top} {statistics.mean(found[words, top]):.3f}" for top in (1, 10, 50))
        print(f"  {words} words: share of the best chunks found: {shares}")
    print(
        f"  p50 and p95: {statistics.median(ours):.1f} and {percentile(ours, 0.95):.1f} ms, bm25() over all words "
        f"{statistics.median(theirs):.1f} and {percentile(theirs, 0.95):.1f} ms"
    )
    return True


def first(library: Library) -> bool:
    print("first query in a fresh process: imports, encoder, index and search, the best of three")
    library.close()
    program = (
        "import sys, time; began = time.perf_counter(); from pathlib import Path; from rag.library import Library\n"
        "library = Library(Path(sys.argv[1])); library.search('pump frost', 5); print(time.perf_counter() - began)"
    )
    command = [sys.executable, "-c", program, str(library.folder)]
    taken = []
    # With bytecode, which whoever installs a package has: the first run writes it and is not counted.
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = bytecode
        for _ in range(4):
            run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            taken.append(float(run.stdout))
    taken = taken[1:]
    return within("first query", min(taken), 1.5, "s")


ROWS: dict[str, Callable[[Library], bool]] = {"speed": speed, "recall": recall, "first": first}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", choices=ROWS, help="run this row only")
    parser.add_argument("--chunks", type=int, default=100_000, help="chunks in the library (100,000)")
    parser.add_argument("--work", type=Path, help="keep the library in this folder, and use the one that is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or Path(temporary)
        if not (folder / "library.db").exists():
            began = time.perf_counter()
            folder.mkdir(parents=True, exist_ok=True)
            built(folder, options.chunks)
            Library(folder).rebuild()
            print(f"built in {time.perf_counter() - began:.0f} s", flush=True)
        library = Library(folder)
        good = True
        for name in [options.row] if options.row else ROWS:
            good &= ROWS[name](library)
        library.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

"""Measures how well documents are found and cited on public data, against what keyword search and the encoder alone do.

    python benchmarks/retrieval.py --data RETRIEVAL_FOLDER [--row NAME] [--keep FOLDER]

The folder holds `chunking_eval/` (brandonstarxel/chunking_evaluation), `scifact/` and `fairytaleqa/` (BEIR layout).
Libraries are built in a temporary folder, or in --keep, which the next run uses again: scifact and fairytaleqa take
several minutes each to embed. Exits 1 on a miss.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fireside.database import Database
from fireside.encoder import MAX_TOKENS, BundledEncoder
from fireside.models import bundled
from rag import ingest, store, testsets
from rag.cite import cite, extract
from rag.evaluate import CHARACTERS, DEPTH, TOP, citation_correctness, means, percentile, search_scores
from rag.fusion import Method
from rag.library import Library
from rag.search import query_words, search
from rag.testsets import Corpus
from rag.types import Passage

if TYPE_CHECKING:
    from fireside.encoder import Vectors

CHUNK_TOKENS = 200
SHARES = {"state_of_the_union": 0.98, "wikitexts": 0.90}
SCIFACT_NDCG = 0.73
CITED = 40
"""Questions of each corpus that the row `citations` answers."""

FOUND = 2 * DEPTH
"""Passages asked for, so that ten documents are among them where some have two."""

Search = Callable[[str], Sequence[Passage]]


def library_of(work: Path, corpus: Corpus) -> Library:
    """The corpus's library, made where it is not there yet."""
    folder = work / "libraries" / corpus.name
    folder.mkdir(parents=True, exist_ok=True)
    library = Library(folder)
    report = ingest.add(library, list(corpus.files), CHUNK_TOKENS)
    assert not report.failed, report.failed[:3]
    return library


def searches(library: Library, database: Database) -> dict[str, Search]:
    """The library's own search without a reranker, with reciprocal ranks, and both of its halves alone; and FTS5's
    `bm25()`, whose constants are those that BM25 commonly has."""

    def weighted(weight: float | None, method: Method, question: str) -> Sequence[Passage]:
        return search(database, library.index, library.encoder, question, FOUND, method=method, dense_weight=weight)

    return {
        "hybrid": partial(weighted, None, "min-max"),
        "rrf": partial(weighted, None, "rrf"),
        "bm25": partial(weighted, 0.0, "min-max"),
        "dense": partial(weighted, 1.0, "min-max"),
        "fts5": partial(by_sqlite, database),
    }


def by_sqlite(database: Database, question: str) -> list[Passage]:
    """The passages that FTS5's own `bm25()` names for the words that our search looks for."""
    match = " OR ".join(f'"{word}"' for word in query_words(question))
    rows = database.read(
        "SELECT rowid, -bm25(full_text, ?, 1.0) FROM full_text WHERE full_text MATCH ? ORDER BY 2 DESC, 1 LIMIT ?",
        (store.CONTEXT_WEIGHT, match, FOUND),
    )
    chunks = store.stored_chunks(database, [chunk for chunk, _ in rows])
    found = [(chunks[chunk], score) for chunk, score in rows]
    return [
        Passage(each.document, each.title, each.start, each.end, each.text, each.page, each.heading, score, 0.0, score)
        for each, score in found
    ]


def scored(library: Library, corpus: Corpus, found: Search) -> tuple[dict[str, float], list[float]]:
    """The mean scores over the corpus's questions, and the seconds each took."""
    names = {str(path.absolute()): name for path, name in corpus.files.items()}
    scores, seconds = [], []
    for question in corpus.questions:
        began = time.perf_counter()
        passages = found(question.text)
        seconds.append(time.perf_counter() - began)
        scores.append(search_scores(question, passages, names))
    return means(scores), seconds


def compared(work: Path, corpus: Corpus, measure: str) -> dict[str, float]:
    """Print and return one score of each search."""
    with closing(library_of(work, corpus)) as library, store.opened(library.database) as database:
        figures = {}
        for name, found in searches(library, database).items():
            scores, seconds = scored(library, corpus, found)
            figures[name] = scores[measure]
            others = "  ".join(f"{other} {value:.3f}" for other, value in scores.items() if other != measure)
            print(
                f"  {corpus.name} ({len(corpus.questions)} questions), {name}: {measure} {scores[measure]:.3f}"
                f"  {others}  p50 {percentile(seconds, 0.5) * 1000:.0f} ms"
                f"  p95 {percentile(seconds, 0.95) * 1000:.0f} ms"
            )
    return figures


def shares(work: Path, data: Path) -> bool:
    print(f"share of reference characters in the top {TOP} passages, of at most {CHARACTERS:,} characters together")
    good = True
    for corpus in testsets.read(data / "chunking_eval", work):
        figures = compared(work, corpus, "recall")
        good &= verdict(f"{corpus.name}", figures["hybrid"], SHARES[corpus.name])
    return good


def scifact(work: Path, data: Path) -> bool:
    print("scifact, train claims over all abstracts")
    (corpus,) = testsets.read(data / "scifact" / "beir", work / "scifact", "train")
    figures = compared(work, corpus, f"ndcg@{DEPTH}")
    return verdict("scifact nDCG@10", figures["hybrid"], SCIFACT_NDCG)


def fairytaleqa(work: Path, data: Path) -> bool:
    print("fairytaleqa, validation questions over the sections of all stories")
    (corpus,) = testsets.read(data / "fairytaleqa" / "beir", work / "fairytaleqa", "val")
    figures = compared(work, corpus, f"ndcg@{DEPTH}")
    alone = max(figures["bm25"], figures["dense"], figures["fts5"])
    return verdict("fairytaleqa nDCG@10, above BM25 and dense", figures["hybrid"], alone)


def citations(work: Path, data: Path) -> bool:
    print("citations whose quote is the document's characters at their span")
    right: list[float] = []
    for corpus in testsets.read(data / "chunking_eval", work):
        with closing(library_of(work, corpus)) as library:
            texts = {record.path: library.document(record.path).text for record in library.documents()}
            for path, text in texts.items():
                assert text == Path(path).read_bytes().decode(), path
            for question in corpus.questions[:CITED]:
                passages = library.search(question.text, 4)
                cited = extract(question.text, passages, library.encoder)
                # A reply as a model might write it: a passage's first sentences, and one that none supports.
                reply = f"{passages[0].text[:300]} [1] The moon is made of green cheese. [2]"
                for each in (cited, cite(reply, passages, library.encoder)):
                    right += [citation_correctness([one], texts) for one in each.citations]
    return verdict(f"citations ({len(right)})", statistics.fmean(right), 1.0)


def ingesting(work: Path, data: Path) -> bool:
    print("chunks/s of an ingest, against sentence-transformers' encode of the same chunks, taking turns")
    from sentence_transformers import SentenceTransformer

    files = [path for corpus in testsets.read(data / "chunking_eval", work) for path in corpus.files]
    # The package with the tokenizer holds the original float weights, too.
    theirs = SentenceTransformer(
        str(bundled.located(bundled.ENCODER_TOKENIZER).parent), device="cpu", local_files_only=True
    )
    theirs.max_seq_length = MAX_TOKENS
    ratios: list[float] = []
    texts: list[str] = []
    cosines = 0.0
    for turn in range(3):
        encoder = Remembering()
        library = Library(work / "libraries" / f"ingest-{turn}", encoder)
        shutil.rmtree(library.folder, ignore_errors=True)
        library.folder.mkdir(parents=True)
        BundledEncoder.encode(encoder, ["loaded"])
        began = time.perf_counter()
        chunks = ingest.add(library, files, CHUNK_TOKENS).chunks
        ours = chunks / (time.perf_counter() - began)
        library.close()
        texts = encoder.texts
        began = time.perf_counter()
        vectors = theirs.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        other = len(texts) / (time.perf_counter() - began)
        ratios.append(ours / other)
        cosines = float((np.concatenate(encoder.vectors) * vectors).sum(axis=1).mean())
        print(f"  ours {ours:.1f} chunks/s ({chunks} chunks), theirs {other:.1f}, ratio {ratios[-1]:.2f}")
    vnni = "vnni" in Path("/proc/cpuinfo").read_text("utf-8")
    least = 1.5 if vnni else 1.0
    good = verdict(f"ingest, median ratio ({'with' if vnni else 'without'} VNNI)", statistics.median(ratios), least)
    return verdict("mean cosine to their vectors", cosines, 0.99) and good


class Remembering(BundledEncoder):
    """The bundled encoder, and what it was given and made in an ingest."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.vectors: list[Vectors] = []

    def encode(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Vectors:
        """See `Encoder.encode`."""
        made = super().encode(texts, progress)
        self.texts += texts
        self.vectors.append(made)
        return made


def verdict(name: str, value: float, least: float) -> bool:
    good = value >= least
    print(f"  {'reached' if good else 'MISSED '} {name}: {value:.3f}, at least {least:.3f}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the retrieval sets")
    parser.add_argument("--keep", type=Path, help="build the libraries here, and use those that are there")
    rows: dict[str, Callable[[Path, Path], bool]] = {
        "shares": shares,
        "scifact": scifact,
        "fairytaleqa": fairytaleqa,
        "citations": citations,
        "ingest": ingesting,
    }
    parser.add_argument("--row", choices=list(rows), help="run this row only")
    options = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        work = options.keep or Path(temporary)
        for name in [options.row] if options.row else rows:
            good &= rows[name](work, options.data)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

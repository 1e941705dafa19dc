"""Measures how well documents are found and cited on public data, against what keyword search and the encoder alone do.

    python benchmarks/retrieval.py --data RETRIEVAL_FOLDER [--row NAME] [--keep FOLDER]

The folder holds `chunking_eval/` (brandonstarxel/chunking_evaluation), `scifact/` and `fairytaleqa/` (BEIR layout).
Libraries are built in a temporary folder, or in --keep, which the next run uses again: scifact and fairytaleqa take
several minutes each to embed. The row `ingest` compares vectors only with the original weights, --weights FOLDER
(all-MiniLM-L6-v2 as sentence-transformers reads it); the speed of random ones is the same. Exits 1 on a miss.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from fireside.database import Database
from fireside.encoder import Encoder, bundled_encoder
from fireside.models import bundled
from rag import ingest, store, testsets
from rag.chunk import chunks_of
from rag.cite import cite, extract
from rag.evaluate import CHARACTERS, DEPTH, TOP, citation_correctness, means, percentile, search_scores
from rag.library import Library
from rag.reader import Reader
from rag.search import search
from rag.testsets import Corpus
from rag.types import Passage

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
    """The library's own search, and both of its halves alone."""

    def alone(weight: float, question: str) -> Sequence[Passage]:
        return search(database, library.index, library.encoder, question, FOUND, dense_weight=weight)

    return {"hybrid": partial(library.search, k=FOUND), "bm25": partial(alone, 0.0), "dense": partial(alone, 1.0)}


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
    return verdict(
        "fairytaleqa nDCG@10, above BM25 and dense", figures["hybrid"], max(figures["bm25"], figures["dense"])
    )


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


def ingesting(work: Path, data: Path, weights: Path | None) -> bool:
    print("chunks/s of an ingest, against sentence-transformers' encode of the same chunks, taking turns")
    from sentence_transformers import SentenceTransformer

    files = [path for corpus in testsets.read(data / "chunking_eval", work) for path in corpus.files]
    with Reader() as reader:
        texts = [
            chunk.text for path in files for chunk in chunks_of(reader.read(path), bundled_encoder(), CHUNK_TOKENS)
        ]
    theirs = SentenceTransformer(str(weights or random_weights(work / "random-weights")), device="cpu")
    theirs.max_seq_length = 256
    ratios = []
    for turn in range(3):
        library = Library(work / "libraries" / f"ingest-{turn}", Encoder())
        library.folder.mkdir(parents=True)
        library.encoder.encode(["loaded"])
        began = time.perf_counter()
        chunks = ingest.add(library, files, CHUNK_TOKENS).chunks
        ours = chunks / (time.perf_counter() - began)
        library.close()
        began = time.perf_counter()
        theirs.encode(texts)
        other = len(texts) / (time.perf_counter() - began)
        ratios.append(ours / other)
        print(f"  ours {ours:.1f} chunks/s, theirs {other:.1f}, ratio {ratios[-1]:.2f}")
    vnni = "vnni" in Path("/proc/cpuinfo").read_text("utf-8")
    least = 1.5 if vnni else 1.0
    good = verdict(f"ingest, median ratio ({'with' if vnni else 'without'} VNNI)", statistics.median(ratios), least)
    if weights is None:
        print("  mean cosine to their vectors: not measured, give --weights")
        return good
    cosines = (bundled_encoder().encode(texts) * theirs.encode(texts, normalize_embeddings=True)).sum(axis=1)
    return verdict("mean cosine to their vectors", float(cosines.mean()), 0.99) and good


def random_weights(folder: Path) -> Path:
    """A model of the encoder's shape (6 layers of 384, its model card) and tokenizer, whose speed is that of the
    original's."""
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    config = BertConfig(num_hidden_layers=6, hidden_size=384, num_attention_heads=12, intermediate_size=1536)
    BertModel(config).save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(bundled.checked(bundled.ENCODER_TOKENIZER)),
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
    tokenizer.save_pretrained(folder)
    return folder


def verdict(name: str, value: float, least: float) -> bool:
    good = value >= least
    print(f"  {'reached' if good else 'MISSED '} {name}: {value:.3f}, at least {least:.3f}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the retrieval sets")
    parser.add_argument("--keep", type=Path, help="build the libraries here, and use those that are there")
    parser.add_argument("--weights", type=Path, help="all-MiniLM-L6-v2 for sentence-transformers, for the row ingest")
    rows: dict[str, Callable[[Path, Path], bool]] = {
        "shares": shares,
        "scifact": scifact,
        "fairytaleqa": fairytaleqa,
        "citations": citations,
    }
    parser.add_argument("--row", choices=[*rows, "ingest"], help="run this row only")
    options = parser.parse_args()
    rows["ingest"] = partial(ingesting, weights=options.weights)
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        work = options.keep or Path(temporary)
        for name in [options.row] if options.row else rows:
            good &= rows[name](work, options.data)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

"""Trains a small reranker of our own and measures it on corpora it never saw, against the fused order alone.

    python benchmarks/reranker.py --data RETRIEVAL_FOLDER --keep FOLDER [--questions N] [--training N] [--save FILE]

The folder is that of `retrieval.py`, with `xquad_en/` (SQuAD layout) beside the others; so are the libraries in --keep,
which the next run uses again. The first `RERANKED` passages of a search are ordered anew by a score that is the fused
one plus what a model adds to it: made of `FEATURES` and, in one kind, of the products of the two vectors' numbers.
Trained on the train questions of fairytaleqa and scifact; what is measured on either of these two is trained on the
other. --save keeps the gathered questions, for another run with the same libraries. No limit hangs on the outcome: it
is printed which kinds would be worth shipping.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import pickle
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from retrieval import library_of

from rag import store, testsets
from rag.evaluate import DEPTH, TOP, search_scores
from rag.library import Library
from rag.search import RERANKED
from rag.sentences import sentence_spans
from rag.testsets import Corpus, Question
from rag.types import Passage
from rag.words import STOPWORDS, all_words, content_stems, stem

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SEEDS = 3
"""Models of each kind; the figures are the means over them."""

HARM = 0.005
"""What a model may cost on one corpus, if it helps elsewhere."""

TRAINED_ON = ("fairytaleqa", "scifact")
WINDOW = 20
"""Words that count as close together."""

FEATURES = (
    "fused", "cosine", "cosine gap", "dense rank", "bm25", "bm25 gap", "bm25 rank", "covered", "covered plainly",
    "covered by a sentence", "covered in a window", "pairs", "headings", "names", "length", "number", "name", "place",
    "reason", "first",
)  # fmt: skip
"""What the model sees of a question and a passage. covered: the share of the question's words, by idf, that the passage
has (plainly: each word counting alike; by the best of its sentences; within the best `WINDOW` words). pairs: the share
of the question's neighbouring words that are neighbours there. number, name, place, reason: whether a question that
asks for it has a passage that holds one, 0 where it does not ask."""

SCALE_FREE = ("fused", "cosine gap", "bm25 gap", "covered", "headings", "names")
"""Those that mean the same in every library."""

KINDS = ("few", "linear", "network", "vectors")
"""few: a weight each of the features `SCALE_FREE`. linear: one each of all. network: all, through 16 hidden units.
vectors: linear, and a weighted sum of the vectors' products, taken through 16 directions."""

OWN = "fairytaleqa val, trained on its train"
"""For comparison: questions about the corpus that a model was trained on, though not about the same stories."""

_ASKING = (
    (" how many ", " how much ", " when ", " how long ", " how old ", " what year ", " percent"),
    (" who ", " whom ", " whose "),
    (" where ",),
    (" why ",),
)
_NUMBER = re.compile(r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|hundred|thousand|million)\b", re.I)
_NAME = re.compile(r"(?<=[\w,;] )[A-Z][\w'’-]+")
_PLACE = re.compile(r"\b(?:in|at|on|near|from|to|into|under|behind|beside) (?:the |a |an )?\w+", re.I)
_REASON = re.compile(r"\b(?:because|since|so that|in order to|as a result|therefore|due to|for the sake)\b", re.I)


@dataclass(frozen=True)
class Asked:
    """A question with the passages that the search found, best first: features (passages, len(FEATURES)), products of
    the vectors' numbers (passages, 384), and for training each passage's gain (passages,)."""

    question: Question
    passages: tuple[Passage, ...]
    features: Floats
    products: Floats
    gains: Floats


@dataclass(frozen=True)
class Set:
    """The questions of one corpus, and the names of its documents by path."""

    name: str
    names: Mapping[str, str]
    asked: tuple[Asked, ...]


def gathered(work: Path, corpus: Corpus, questions: Sequence[Question]) -> Set:
    """Ask the corpus's library these questions."""
    names = {str(path.absolute()): name for path, name in corpus.files.items()}
    with closing(library_of(work, corpus)) as library:
        idf, vectors = _weights(library)
        asked = []
        queries = library.encoder.encode_queries([question.text for question in questions])
        for question, query in zip(questions, queries, strict=True):
            passages = tuple(library.search(question.text, RERANKED))
            found = np.stack([vectors[passage.document, passage.start] for passage in passages])
            judged = [question.relevance.get(names[passage.document], 0.0) > 0 for passage in passages]
            gains = np.array(judged, dtype=np.float32)
            asked.append(Asked(question, passages, features(question.text, passages, idf), found * query, gains))
    print(f"  {corpus.name}: {len(asked)} questions")
    return Set(corpus.name, names, tuple(asked))


def _weights(library: Library) -> tuple[Mapping[str, float], Mapping[tuple[str, int], Floats]]:
    """The idf of each stem (as BM25 has it), and the vector of each chunk by document and start."""
    counts: Counter[str] = Counter()
    with store.opened(library.database) as database:
        _, ids = store.generation_and_ids(database)
        chunks, vectors = store.stored_chunks(database, ids), store.vectors_of(database, ids)
    for chunk in chunks.values():
        counts.update(set(content_stems("\n".join([chunk.title, *chunk.heading, chunk.text]))))
    idf = {word: math.log(1 + (len(ids) - count + 0.5) / (count + 0.5)) for word, count in counts.items()}
    return idf, {(chunk.document, chunk.start): vectors[number] for number, chunk in chunks.items()}


def features(question: str, passages: Sequence[Passage], idf: Mapping[str, float]) -> Floats:
    """What a model sees of them, shape (len(passages), len(FEATURES))."""
    stems = list(dict.fromkeys(content_stems(question)))
    weights = {word: idf.get(word, max(idf.values())) for word in stems}
    total, highest = sum(weights.values()) or 1.0, max(passage.bm25 for passage in passages) or 1.0
    nearest = max(passage.similarity for passage in passages)
    dense = _ranks([passage.similarity for passage in passages])
    words = _ranks([passage.bm25 for passage in passages])
    lower, pairs = f" {question.lower()} ", _pairs(question)
    names = set(content_stems(" ".join(_NAME.findall(question))))

    def covered(found: Iterable[str]) -> float:
        return sum(weights.get(word, 0.0) for word in set(found)) / total

    rows = []
    for number, passage in enumerate(passages):
        title = content_stems("\n".join([passage.title, *passage.heading]))
        text = [stem(word) for word in all_words(passage.text)]
        held = {*title, *text}
        sentences = [passage.text[start:end] for start, end in sentence_spans(passage.text)]
        best = max(sentences, key=lambda each: covered(content_stems(each)), default="")
        has = (_NUMBER.search(best), set(_NAME.findall(best)) - set(_NAME.findall(question)), _PLACE.search(best),
               _REASON.search(passage.text))  # fmt: skip
        cues = [
            (1.0 if there else -1.0) if any(each in lower for each in asking) else 0.0
            for asking, there in zip(_ASKING, has, strict=True)
        ]
        rows.append([
            passage.score, passage.similarity, passage.similarity - nearest, 1 / (1 + dense[number]),
            passage.bm25 / (2.2 * total), passage.bm25 / highest, 1 / (1 + words[number]),
            covered(held), len(held & weights.keys()) / max(len(weights), 1), covered(content_stems(best)),
            _window(text, weights) / total, len(pairs & _pairs(passage.text)) / max(len(pairs), 1), covered(title),
            len(names & held) / len(names) if names else 1.0, math.log(1 + len(text)) / 5, *cues, float(number == 0),
        ])  # fmt: skip
    return np.array(rows, dtype=np.float32)


def _ranks(scores: Sequence[float]) -> list[int]:
    """The rank of each score, from 0."""
    ranks = [0] * len(scores)
    for rank, row in enumerate(sorted(range(len(scores)), key=lambda row: -scores[row])):
        ranks[row] = rank
    return ranks


def _pairs(text: str) -> set[tuple[str, str]]:
    """Stems of words that stand side by side where the function words are left out."""
    stems = [stem(word) for word in all_words(text) if word not in STOPWORDS]
    return set(itertools.pairwise(stems))


def _window(text: Sequence[str], weights: Mapping[str, float]) -> float:
    """The highest weight that different words within `WINDOW` of each other have together."""
    places = [place for place, word in enumerate(text) if word in weights]
    return max(
        (
            sum(weights[word] for word in {text[place] for place in places[at:] if place < first + WINDOW})
            for at, first in enumerate(places)
        ),
        default=0.0,
    )


@dataclass(frozen=True)
class Model:
    """Adds to the fused score: `hidden` (features, units) or none, `last` (units or features,), and directions
    (384, 16) with their weights (16,), or none. columns: the features used; `mean` and `deviation` make them
    comparable."""

    columns: list[int]
    mean: Floats
    deviation: Floats
    hidden: Floats | None
    last: Floats
    directions: Floats | None
    weights: Floats | None

    def scores(self, asked: Asked) -> Floats:
        """A score a passage, higher is better, shape (passages,)."""
        seen = (asked.features[:, self.columns] - self.mean) / self.deviation
        if self.hidden is not None:
            seen = np.tanh(seen @ self.hidden)
        added = seen @ self.last
        if self.directions is not None and self.weights is not None:
            added = added + np.tanh(asked.products @ self.directions) @ self.weights
        total: Floats = np.asarray(_SHARPNESS * asked.features[:, 0] + added, dtype=np.float32)
        return total


_SHARPNESS = 8.0
"""Makes differences of the fused score, which are within [0, 1], differences of logits: the model starts from them."""


def trained(sets: Sequence[Set], kind: str, seed: int, decay: float = 0.02, epochs: int = 8) -> Model:
    """A model that gives the passages with a gain the highest share of the softmax (ListNet, Cao et al. 2007), each
    corpus counting alike. Questions whose answer was not found, or is all that was found, teach nothing."""
    import torch

    torch.manual_seed(seed)
    lists = [[asked for asked in each.asked if 0 < asked.gains.sum() < len(asked.gains)] for each in sets]
    columns = [FEATURES.index(name) for name in (SCALE_FREE if kind == "few" else FEATURES)]
    every = np.concatenate([asked.features[:, columns] for part in lists for asked in part])
    mean, deviation = every.mean(axis=0), every.std(axis=0) + 1e-3
    parts = [[_padded(asked, (asked.features[:, columns] - mean) / deviation) for asked in part] for part in lists]
    hidden = torch.nn.Parameter(torch.randn(len(columns), 16) * 0.1) if kind == "network" else None
    last = torch.nn.Parameter(torch.zeros(16 if hidden is not None else len(columns)))
    directions = torch.nn.Parameter(torch.randn(384, 16)) if kind == "vectors" else None
    weights = torch.nn.Parameter(torch.zeros(16)) if kind == "vectors" else None
    learned = [each for each in (hidden, last, directions, weights) if each is not None]
    optimizer = torch.optim.AdamW(learned, lr=0.01, weight_decay=decay)
    shuffled = random.Random(seed)
    steps = 1 + epochs * max(len(part) for part in parts) // 64
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        batch = [item for part in parts for item in shuffled.sample(part, min(len(part), 32))]
        fused, seen, products, gains, there = (torch.stack([item[row] for item in batch]) for row in range(5))
        added = (torch.tanh(seen @ hidden) if hidden is not None else seen) @ last
        if directions is not None and weights is not None:
            added = added + torch.tanh(products @ directions) @ weights
        logits = (_SHARPNESS * fused + added).masked_fill(~there, -1e9)
        loss = -(torch.log_softmax(logits, 1) * gains / gains.sum(1, keepdim=True)).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()

    def plain(each: torch.nn.Parameter | None) -> Floats | None:
        return None if each is None else each.detach().numpy()

    return Model(columns, mean, deviation, plain(hidden), last.detach().numpy(), plain(directions), plain(weights))


def _padded(asked: Asked, seen: Floats) -> list[torch.Tensor]:
    """Fused scores, features, products, gains and which passages there are, for `RERANKED` passages each."""
    import torch

    def rows(values: Floats | NDArray[np.bool_]) -> torch.Tensor:
        room = np.zeros((RERANKED, *values.shape[1:]), dtype=values.dtype)
        room[: len(values)] = values
        return torch.from_numpy(room)

    there = np.ones(len(asked.gains), dtype=bool)
    return [rows(each) for each in (asked.features[:, 0], seen, asked.products, asked.gains, there)]


def measured(tested: Set, model: Model | None) -> Floats:
    """A score a question: nDCG@10 where documents are judged, the share of reference characters where spans are."""
    scores = []
    for asked in tested.asked:
        order = range(len(asked.passages)) if model is None else np.argsort(-model.scores(asked), kind="stable")
        found = search_scores(asked.question, [asked.passages[row] for row in order], tested.names)
        scores.append(found["recall"] if asked.question.references else found[f"ndcg@{DEPTH}"])
    return np.array(scores, dtype=np.float32)


def sets(work: Path, data: Path, questions: int, training: int) -> dict[str, Set]:
    """The sets by name: to measure on, `fairytaleqa` to train on, and `scifact` for both."""
    chosen = random.Random(1)

    def some(corpus: Corpus, count: int) -> list[Question]:
        return chosen.sample(corpus.questions, min(count, len(corpus.questions)))

    found = {}
    for corpus in testsets.read(data / "chunking_eval", work):
        found[corpus.name] = gathered(work, corpus, corpus.questions)
    corpus = squad(data / "xquad_en" / "xquad.en.dev.json", work / "xquad")
    found["xquad"] = gathered(work, corpus, some(corpus, questions))
    (corpus,) = testsets.read(data / "scifact" / "beir", work / "scifact", "train")
    found["scifact"] = gathered(work, corpus, some(corpus, training))
    for split, name, count in (("val", "fairytaleqa val", questions), ("train", "fairytaleqa", training)):
        (corpus,) = testsets.read(data / "fairytaleqa" / "beir", work / "fairytaleqa", split)
        found[name] = gathered(work, corpus, some(corpus, count))
    return found


def squad(file: Path, work: Path) -> Corpus:
    """Each paragraph a document, each question judged by the paragraph it was asked about."""
    work.mkdir(parents=True, exist_ok=True)
    files, questions = {}, []
    for number, article in enumerate(json.loads(file.read_text("utf-8"))["data"]):
        for row, paragraph in enumerate(article["paragraphs"]):
            name = f"{number:03}-{row:03}"
            files[work / f"{name}.md"] = name
            (work / f"{name}.md").write_text(paragraph["context"], "utf-8", newline="")
            questions += [
                Question(str(each["id"]), each["question"], relevance={name: 1.0}) for each in paragraph["qas"]
            ]
    return Corpus("xquad", files, tuple(questions))


def compared(found: Mapping[str, Set]) -> list[str]:
    """Print what each kind of model adds to the fused order of each corpus; return the kinds that help."""
    tests = {name: each for name, each in found.items() if name != "fairytaleqa"}
    plain = {name: measured(each, None) for name, each in tests.items()}
    for name, values in plain.items():
        measure = f"share in the top {TOP}" if tests[name].asked[0].question.references else f"nDCG@{DEPTH}"
        print(f"  {name}, {len(values)} questions, {measure}, fused: {values.mean():.3f}")
    good = []
    for kind in KINDS:
        added: dict[str, Floats] = {}
        for name, tested in {**tests, OWN: found["fairytaleqa val"]}.items():
            # What comes of the same corpus teaches nothing about it.
            used = ["fairytaleqa"] if name == OWN else [each for each in TRAINED_ON if not name.startswith(each)]
            models = [trained([found[each] for each in used], kind, seed) for seed in range(SEEDS)]
            before = plain["fairytaleqa val" if name == OWN else name]
            added[name] = np.mean([measured(tested, model) for model in models], axis=0) - before
        print(f"  {kind}: added, with the 95 % interval over questions")
        for name, values in added.items():
            print(f"    {name}: {values.mean():+.4f} ({_shown(resampled([values]))})")
        unseen = [values for name, values in added.items() if name != OWN]
        means = resampled(unseen)
        print(f"    mean of the corpora never seen: {np.mean([each.mean() for each in unseen]):+.4f} ({_shown(means)})")
        if np.quantile(means, 0.025) > 0 and min(values.mean() for values in unseen) > -HARM:
            good.append(kind)
    return good


def resampled(values: Sequence[Floats], times: int = 2000) -> Floats:
    """The mean over corpora of the means over as many questions drawn again (Efron 1979), `times` of them."""
    chance = np.random.default_rng(1)
    means = [each[chance.integers(0, len(each), (times, len(each)))].mean(axis=1) for each in values]
    drawn: Floats = np.mean(means, axis=0)
    return drawn


def _shown(drawn: Floats) -> str:
    return f"{np.quantile(drawn, 0.025):+.4f} to {np.quantile(drawn, 0.975):+.4f}"


def timed(tested: Set) -> float:
    """Milliseconds that the features of a question's passages take."""
    began = time.perf_counter()
    for asked in tested.asked:
        features(asked.question.text, asked.passages, {"": 1.0})
    return (time.perf_counter() - began) * 1000 / len(tested.asked)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the retrieval sets")
    parser.add_argument("--keep", type=Path, required=True, help="build the libraries here, and use those there are")
    parser.add_argument("--questions", type=int, default=300, help="questions measured, of the larger corpora")
    parser.add_argument("--training", type=int, default=1200, help="questions to train on, of each corpus")
    parser.add_argument("--save", type=Path, help="keep what was gathered in this file, and use it if it is there")
    options = parser.parse_args()
    if options.save and options.save.is_file():
        found = pickle.loads(options.save.read_bytes())
    else:
        found = sets(options.keep, options.data, options.questions, options.training)
        if options.save:
            options.save.write_bytes(pickle.dumps(found))
    good = compared(found)
    print(f"  {timed(found['xquad']):.1f} ms a question for the features of {RERANKED} passages")
    print(f"  worth shipping: {', '.join(good) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

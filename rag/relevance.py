"""Decides, by scores and outside the model, whether the passages found answer a question at all."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fireside import atomic
from fireside.encoder import ENCODER_ID, Encoder
from rag.sentences import sentence_spans
from rag.types import Passage
from rag.words import content_stems

if TYPE_CHECKING:
    from rag.library import Library

LOOKED_AT = 4
"""Passages, best first, that the signs are taken from; more of them would find a chance likeness more often."""

# The lead of the only passage there is: that of an ordinary first one.
_ORDINARY_LEAD = 0.15
# The best sentence is held against the one in this place, since what many say is the subject and no answer; where there
# are fewer, it stands out as ordinary ones do.
_OTHER_SENTENCE = 4
_ORDINARILY_OUTSTANDING = 0.35
# Asked about a document itself, these find no passage that resembles the question, and are answerable all the same.
_ABOUT_DOCUMENTS = frozenset(
    content_stems(
        "summarise summarize summary summaries overview document documents text file files topic topics main points"
    )
)


@dataclass(frozen=True)
class Signs:
    """What tells that passages answer a question.

    cosine: to the question, of the sentence nearest to it. words: the largest share of the question's content words in
    one passage, title and headings included. lead: how far the highest fused score is above the second.
    outstanding: how far the best sentence is above the fourth best, in cosine plus share of the content words.
    """

    cosine: float
    words: float
    lead: float
    outstanding: float


@dataclass(frozen=True)
class Calibration:
    """A logistic model of the signs: `intercept` + weights * signs are the log-odds that the passages answer.

    A question is refused where they are below `threshold`. encoder: the encoder whose cosines they were fitted on.
    search_encoder, reranker: those that found and ordered the passages, None for no reranker.
    """

    intercept: float
    cosine: float
    words: float
    lead: float
    outstanding: float
    threshold: float = 0.0
    encoder: str = ENCODER_ID
    search_encoder: str = ENCODER_ID
    reranker: str | None = None

    def is_for(self, library: Library) -> bool:
        """Whether it was fitted on what this library's encoder and reranker find: others score passages otherwise."""
        made_with, searched_with = (self.search_encoder, self.reranker), (library.encoder.id, library.reranker)
        return self.encoder == ENCODER_ID and made_with == searched_with


BUNDLED = Calibration(intercept=-6.46, cosine=6.42, words=2.77, lead=2.76, outstanding=2.89, threshold=0.1)
"""For the bundled encoder, fitted by `benchmarks/refusal.py --fit` on a speech, encyclopedia articles, SQuAD paragraphs
and fairy tales: half of the questions answerable, a quarter without the passage that answers them, a quarter about
another corpus. A library with questions of its own can be fitted: `fireside eval rag DATA --library NAME --calibrate`.
"""

_FILE = "relevance.json"


def bears_on(question: str, passages: Sequence[Passage], encoder: Encoder, calibration: Calibration = BUNDLED) -> bool:
    """Whether the passages, best first, answer the question; False where there are none."""
    return answering(question, passages, encoder, calibration) >= calibration.threshold


def answering(
    question: str, passages: Sequence[Passage], encoder: Encoder, calibration: Calibration = BUNDLED
) -> float:
    """The log-odds that the passages, best first, answer the question: certainly not where there are none, certainly
    where it asks about a document itself."""
    if not passages:
        return -math.inf
    asked = set(content_stems(question))
    if asked and asked <= _ABOUT_DOCUMENTS:
        return math.inf
    return log_odds(signs_of(question, passages, encoder), calibration)


def log_odds(signs: Signs, calibration: Calibration = BUNDLED) -> float:
    """How likely the passages answer the question, as ln(p / (1 - p))."""
    return (
        calibration.intercept
        + calibration.cosine * signs.cosine
        + calibration.words * signs.words
        + calibration.lead * signs.lead
        + calibration.outstanding * signs.outstanding
    )


def signs_of(question: str, passages: Sequence[Passage], encoder: Encoder) -> Signs:
    """The signs of at least one passage, best first. Encodes the sentences of the first four."""
    asked = set(content_stems(question))
    looked_at = passages[:LOOKED_AT]
    sentences = [passage.text[start:end] for passage in looked_at for start, end in sentence_spans(passage.text)] or [
        passages[0].text
    ]
    vectors = encoder.encode([question, *sentences])
    cosines = vectors[1:] @ vectors[0]

    def share(text: str) -> float:
        return len(asked & set(content_stems(text))) / len(asked) if asked else 0.0

    # A reranker orders passages otherwise than their fused scores do.
    fused = sorted((passage.score for passage in passages), reverse=True)
    best = sorted((float(cosine) + share(text) for cosine, text in zip(cosines, sentences, strict=True)), reverse=True)
    return Signs(
        cosine=float(cosines.max()),
        words=max(share(" ".join([each.title, *each.heading, each.text])) for each in looked_at),
        lead=fused[0] - fused[1] if len(fused) > 1 else _ORDINARY_LEAD,
        outstanding=best[0] - best[_OTHER_SENTENCE - 1] if len(best) >= _OTHER_SENTENCE else _ORDINARILY_OUTSTANDING,
    )


def fitted_threshold(
    scores: Sequence[float], answerable: Sequence[bool], precision: float = 0.8, recall: float = 0.7
) -> float:
    """The threshold on `scores` (log-odds, one a question) whose refusals come nearest to both aims, or pass both
    furthest: the smaller of precision over its aim and recall over its aim is largest. Weighs questions alike."""
    lacking = sum(not each for each in answerable)
    best, chosen = -1.0, BUNDLED.threshold
    ordered = sorted(zip(scores, answerable, strict=True))
    right = 0
    for number, (score, answers) in enumerate(ordered, start=1):
        right += not answers
        following = ordered[number][0] if number < len(ordered) else math.inf
        if score == following or not lacking:
            continue
        quality = min(right / number / precision, right / lacking / recall)
        if quality > best:
            best, chosen = quality, (score + following) / 2 if following < math.inf else score + 1.0
    return chosen


def calibration_of(library: Library) -> Calibration:
    """The calibration that `keep` has kept with the library, or the bundled one where there is none for its search."""
    kept = _kept(library.folder)
    return kept if kept and kept.is_for(library) else BUNDLED


def passed_over(library: Library) -> str:
    """Which search the calibration kept with the library was fitted on, where that is another than the library's and so
    is not used; else empty."""
    kept = _kept(library.folder)
    if kept is None or kept.is_for(library):
        return ""
    judge = "" if kept.encoder == ENCODER_ID else f", sentences weighed by {kept.encoder}"
    return f"encoder {kept.search_encoder}, {f'reranker {kept.reranker}' if kept.reranker else 'no reranker'}{judge}"


def keep(library: Library, calibration: Calibration) -> None:
    """Keep a calibration with the library, as fitted on its search. Raises StorageError where it cannot be written."""
    made = replace(calibration, search_encoder=library.encoder.id, reranker=library.reranker)
    atomic.write_text(library.folder / _FILE, json.dumps(asdict(made)) + "\n")


def _kept(folder: Path) -> Calibration | None:
    """The calibration in a library's folder, None where there is none or it cannot be used."""
    try:
        kept = Calibration(**json.loads((folder / _FILE).read_text("utf-8")))
        numbers = (kept.intercept, kept.cosine, kept.words, kept.lead, kept.outstanding, kept.threshold)
        return kept if all(map(math.isfinite, numbers)) else None
    except (OSError, ValueError, TypeError, RecursionError):
        return None

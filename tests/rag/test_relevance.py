"""Whether passages answer a question: by what signs, and where the threshold comes from."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.encoder import ENCODER_ID, BundledEncoder, Encoder, bundled_encoder
from rag.library import Library
from rag.relevance import (
    BUNDLED,
    Calibration,
    Signs,
    answering,
    bears_on,
    calibration_of,
    fitted_threshold,
    keep,
    log_odds,
    passed_over,
    signs_of,
)
from rag.types import Passage


def passage(text: str, score: float = 1.0, title: str = "a") -> Passage:
    return Passage("a.md", title, 0, len(text), text, None, (), score, 0.5, 0.0)


def test_signs_are_of_the_nearest_sentence_the_words_and_how_both_stand_out(encoder: Encoder) -> None:
    found = [passage("The owl nests. Drain the pump before frost."), passage("Frost bites. We slept.", 0.7, "Pump")]
    signs = signs_of("When drain the pump? Frost!", found, encoder)
    question, *sentences = encoder.encode(
        ["When drain the pump? Frost!", "The owl nests.", "Drain the pump before frost.", "Frost bites.", "We slept."]
    )
    cosines = [float(sentence @ question) for sentence in sentences]
    ranked = sorted((cosine + share for cosine, share in zip(cosines, (0, 1, 1 / 3, 0), strict=True)), reverse=True)
    assert signs.cosine == pytest.approx(max(cosines))
    assert signs.outstanding == pytest.approx(ranked[0] - ranked[3])
    assert (signs.words, signs.lead) == (1.0, pytest.approx(0.3))
    assert signs_of("Pump, owl?", found[1:], encoder).words == 0.5


def test_a_rerankers_order_and_scores_leave_the_lead_as_it_was(encoder: Encoder) -> None:
    found = [passage("Drain the pump."), passage("Frost bites.", 0.7), passage("We slept.", 0.2)]
    reranked = [replace(found[place], rerank=score) for place, score in ((1, 0.99), (2, 0.6), (0, 0.01))]
    assert signs_of("Pump?", reranked, encoder).lead == signs_of("Pump?", found, encoder).lead


def test_where_there_is_nothing_to_stand_out_from_the_signs_are_ordinary(encoder: Encoder) -> None:
    signs = signs_of("Pump?", [passage("Drain the pump. Frost bites.")], encoder)
    assert 0 < signs.lead < 0.5
    assert 0 < signs.outstanding < 0.7


signs = st.builds(Signs, st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 3))


@given(signs, signs)
def test_more_of_every_sign_never_speaks_against_an_answer(some: Signs, other: Signs) -> None:
    most = Signs(
        max(some.cosine, other.cosine),
        max(some.words, other.words),
        max(some.lead, other.lead),
        max(some.outstanding, other.outstanding),
    )
    assert log_odds(most) >= max(log_odds(some), log_odds(other))


def test_nothing_found_answers_nothing_and_a_document_can_always_be_summarised(encoder: Encoder) -> None:
    assert not bears_on("Is the pump drained?", [], encoder)
    assert answering("Is the pump drained?", [], encoder) == -math.inf
    assert bears_on("Summarize this document.", [passage("The owl nests.")], encoder)


@pytest.mark.engine
@pytest.mark.parametrize(
    ("question", "answered"),
    [
        ("When does the pump have to be drained?", True),
        ("Which wood does the stove take?", True),
        ("Who won the world cup in 2018?", False),
        ("How do I cook rice?", False),
        ("hello, how are you?", False),
    ],
)
def test_questions_on_the_cabin(question: str, answered: bool) -> None:
    found = [
        passage("The pump has to be drained before the first frost. It freezes at minus ten degrees."),
        passage("The stove takes birch wood only.", 0.8),
    ]
    assert bears_on(question, found, bundled_encoder()) is answered


scored = st.lists(st.tuples(st.integers(-20, 20).map(float), st.booleans()), min_size=1, max_size=25)


@given(scored)
def test_the_fitted_threshold_is_the_best_there_is(questions: list[tuple[float, bool]]) -> None:
    scores = [score for score, _ in questions]
    answerable = [answers for _, answers in questions]

    def quality(threshold: float) -> float:
        refused = [answers for score, answers in questions if score < threshold]
        lacking = answerable.count(False)
        if not refused or not lacking:
            return 0.0
        right = refused.count(False)
        return min(right / len(refused) / 0.8, right / lacking / 0.7)

    chosen = fitted_threshold(scores, answerable)
    best = max(quality(score + 0.5) for score in scores)
    assert quality(chosen) == pytest.approx(best)


def test_without_unanswerable_questions_there_is_nothing_to_fit() -> None:
    assert fitted_threshold([1.0, 2.0], [True, True]) == BUNDLED.threshold


class Scores:
    """A reranker by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, question: str, texts: Sequence[str]) -> list[float]:
        return [0.5 for _ in texts]


class Another(BundledEncoder):
    id = "another-1"


def test_a_calibration_is_kept_with_the_library_and_for_its_search_only(tmp_path: Path) -> None:
    library, another = Library(tmp_path), Library(tmp_path, Another())
    assert (calibration_of(library), passed_over(library)) == (BUNDLED, "")
    own = Calibration(-1.0, 2.0, 3.0, 4.0, 5.0, 0.25)
    keep(library, own)
    assert (calibration_of(library), passed_over(library)) == (own, "")
    assert calibration_of(another) == BUNDLED
    assert passed_over(another) == f"encoder {ENCODER_ID}, no reranker"
    library.rerank = Scores("best")
    assert calibration_of(library) == BUNDLED
    keep(library, own)
    assert calibration_of(library) == replace(own, reranker="best")
    library.rerank = Scores("better")
    assert calibration_of(library) == BUNDLED
    assert passed_over(library) == f"encoder {ENCODER_ID}, reranker best"
    keep(another, own)
    assert calibration_of(another) == replace(own, search_encoder="another-1")
    library.rerank = None
    keep(library, replace(own, encoder="older-1"))
    assert calibration_of(library) == BUNDLED
    assert passed_over(library) == f"encoder {ENCODER_ID}, no reranker, sentences weighed by older-1"


def test_a_calibration_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    library = Library(tmp_path)
    (tmp_path / "relevance.json").write_text('{"intercept": ')
    assert calibration_of(library) == BUNDLED
    for wrong in ('"a"', "NaN", "1e999", "null", "[1]"):
        (tmp_path / "relevance.json").write_text(
            f'{{"intercept": {wrong}, "cosine": 1, "words": 1, "lead": 1, "outstanding": 1}}'
        )
        assert calibration_of(library) == BUNDLED, wrong

"""Sentences that a turn weighs more than once are encoded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rag.cite import cite, extract
from rag.encoded import EncodedOnce
from rag.relevance import bears_on
from rag.types import Passage

if TYPE_CHECKING:
    from conftest import BagOfWords

TEXT = "Drain the pump before frost. The owl nests in the barn. The boat holds four people."
FOUND = [Passage("a.md", "a", 0, len(TEXT), TEXT, None, (), 1.0, 0.5, 1.0)]
QUESTION = "When is the pump drained?"
REPLY = "The boat holds four people."


def test_the_vectors_are_the_encoders_in_the_order_asked_for(encoder: BagOfWords) -> None:
    once = EncodedOnce(encoder)
    for texts in (["pump", "owl", "pump"], ["owl", "boat"], []):
        np.testing.assert_array_equal(once.encode(texts), encoder.encode(texts))
        np.testing.assert_array_equal(once.encode_queries(texts), encoder.encode_queries(texts))
    assert (once.id, once.dimension, once.max_tokens) == (encoder.id, encoder.dimension, encoder.max_tokens)


def test_relevance_extract_and_citations_of_one_turn_share_their_sentences(encoder: BagOfWords) -> None:
    plain = bears_on(QUESTION, FOUND, encoder), extract(QUESTION, FOUND, encoder), cite(REPLY, FOUND, encoder)
    encoder.encoded.clear()
    once = EncodedOnce(encoder)
    assert plain == (bears_on(QUESTION, FOUND, once), extract(QUESTION, FOUND, once), cite(REPLY, FOUND, once))
    sentences = [text for text in encoder.encoded if text != QUESTION]
    assert sorted(sentences) == ["Drain the pump before frost.", REPLY, "The owl nests in the barn."]

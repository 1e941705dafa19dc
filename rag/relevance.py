"""Decides, by scores and outside the model, whether the passages found bear on a question at all."""

from __future__ import annotations

from collections.abc import Sequence

from rag.types import Passage
from rag.words import content_stems

WORDS_WEIGHT = 0.2
"""The share of matched words in `evidence`; the rest is the cosine. With words alone a chance word in common counts too
much, without them an exact name the encoder has never seen counts too little."""

THRESHOLD = 0.35
"""The evidence from which passages bear on a question. It belongs to this encoder (all-MiniLM-L6-v2).

Chosen on four corpora (a speech, encyclopedia articles, SQuAD paragraphs, abstracts): of 570 questions on a library's
own subject 1.8 % are refused, of 1,710 on another's 2.2 % are let through, of 96 of small talk and general knowledge
12.5 %. A question on the library's subject that it happens not to answer is let through. Measured again by
`benchmarks/documents.py --row refusal`.
"""

# Asked about a document itself, these find no passage that resembles the question, and are answerable all the same.
_ABOUT_DOCUMENTS = frozenset(
    content_stems(
        "summarise summarize summary summaries overview document documents text file files topic topics main points"
    )
)


def bears_on(question: str, passages: Sequence[Passage]) -> bool:
    """Whether any passage bears on the question; False where there are none."""
    if not passages:
        return False
    asked = set(content_stems(question))
    if asked and asked <= _ABOUT_DOCUMENTS:
        return True
    return evidence(question, passages) >= THRESHOLD


def evidence(question: str, passages: Sequence[Passage]) -> float:
    """The best cosine, and the largest share of the question's content words that one passage (title and headings
    included) holds, as one weighted mean in [-1, 1]."""
    asked = set(content_stems(question))
    similarity = max(passage.similarity for passage in passages)
    shares = [
        len(asked & set(content_stems(" ".join([passage.title, *passage.heading, passage.text])))) / len(asked)
        for passage in passages
        if asked
    ]
    return (1 - WORDS_WEIGHT) * similarity + WORDS_WEIGHT * max(shares, default=0.0)

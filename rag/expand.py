"""Widens passages to the section they stand in, or to their neighbours, as far as a budget of tokens reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rag.types import Chunk, Document, Passage

CountTokens = Callable[[Sequence[str]], list[int]]
"""How many tokens each text takes, by the model or the encoder that will read it."""


def expand(
    passages: Sequence[Passage],
    documents: Mapping[str, Document],
    chunks: Mapping[str, Sequence[Chunk]],
    budget: int,
    count_tokens: CountTokens,
) -> list[Passage]:
    """The passages, best first as they were, with text from around them; all together at most `budget` tokens.

    documents, chunks: by path, the document of each passage and its chunks in order. A passage becomes its whole
    section (the chunks beside it under the same headings and on the same page, so that both go on being right for a
    citation of any of its sentences) where the budget has room for that, otherwise neighbours of it in turn, the
    following one first. The best passage takes first; every passage given keeps its own text,
    even where those alone exceed the budget. A passage that an earlier one has swallowed is left out. Spans stay exact:
    `text == document.text[start:end]`. A passage whose document or chunk is not there is kept as it is.
    """
    room = budget - sum(count_tokens([passage.text for passage in passages])) if passages else 0
    taken: dict[str, list[tuple[int, int]]] = {}
    widened: list[Passage] = []
    for passage in passages:
        spans = taken.setdefault(passage.document, [])
        if any(start <= passage.start and passage.end <= end for start, end in spans):
            room += count_tokens([passage.text])[0]
            continue
        document, beside = documents.get(passage.document), chunks.get(passage.document, ())
        own = next((place for place, chunk in enumerate(beside) if chunk.start == passage.start), None)
        if document is None or own is None or beside[own].end != passage.end:
            spans.append((passage.start, passage.end))
            widened.append(passage)
            continue
        first, last, room = _grown(beside, own, spans, room, count_tokens)
        start, end = beside[first].start, beside[last].end
        spans.append((start, end))
        widened.append(replace(passage, start=start, end=end, text=document.text[start:end]))
    return widened


def _grown(
    chunks: Sequence[Chunk], own: int, spans: Sequence[tuple[int, int]], room: int, count_tokens: CountTokens
) -> tuple[int, int, int]:
    """The first and the last chunk of what the chunk `own` grows to, and the tokens of `room` left."""

    def free(place: int) -> bool:
        return (
            0 <= place < len(chunks)
            and (chunks[place].heading, chunks[place].page) == (chunks[own].heading, chunks[own].page)
            and not any(start < chunks[place].end and chunks[place].start < end for start, end in spans)
        )

    first = last = own
    while free(first - 1):
        first -= 1
    while free(last + 1):
        last += 1
    cost = sum(count_tokens([chunk.text for chunk in chunks[first : last + 1]])) - count_tokens([chunks[own].text])[0]
    if cost <= room:
        return first, last, room - cost
    first = last = own
    following, grew = True, [True, True]
    while any(grew):
        place = last + 1 if following else first - 1
        cost = count_tokens([chunks[place].text])[0] if free(place) else room + 1
        grew[following] = cost <= room
        if grew[following]:
            room -= cost
            first, last = min(first, place), max(last, place)
        following = not following
    return first, last, room

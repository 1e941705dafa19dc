"""What a model would be trained on: tokens with the trained ones marked, counts, lengths, padding, and the odd rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from finetune.data.clean import learnt_texts, tag_placeholders
from finetune.data.conversation import Conversation, texts
from finetune.data.render import IGNORED, Example, Vocabulary, fitted, render, stops

Mark = Literal["", "special", "end"]
"""special: a special token. end: one at which generation stops."""

_LONGEST = 5
_ODD = 10
# Below so many characters a token, a text is no prose of a language the vocabulary was made for.
_FEW_CHARACTERS = 1.5
_ENOUGH_TOKENS = 30
_SMALL_SHARE = 0.02


class ReadableVocabulary(Vocabulary, Protocol):
    """A vocabulary that also writes its tokens; `finetune.vocabulary.open_vocabulary` opens one."""

    @property
    def pad_token(self) -> int | None:
        """The id of the padding token, or None."""
        ...

    def written(self, tokens: Sequence[int]) -> str:
        """Tokens as text, special ones as they are written."""
        ...


@dataclass(frozen=True)
class Piece:
    """Neighbouring tokens that are alike, as one text. tokens: how many."""

    text: str
    trained: bool
    mark: Mark
    tokens: int


@dataclass(frozen=True)
class Shown:
    """An example as it is trained. cut: how many tokens `max_length` cut off its end; plain text is split instead."""

    where: str
    pieces: tuple[Piece, ...]
    tokens: int
    trained: int
    cut: int


@dataclass(frozen=True)
class Padding:
    """What fills a batch's shorter rows. token: its id, or None. trained: how often that token is learnt."""

    token: int | None
    text: str
    trained: int
    why: str


@dataclass(frozen=True)
class Preview:
    """The data as a training run would see it.

    rows, examples: conversations, and what they are rendered to. judged_bad: rows that are not learnt, because they are
    labelled so. left_out: rows of which nothing trained fits `max_length`. cut: examples shortened to it. endless:
    examples of conversations in which no end of turn is trained. tokens, trained: of all examples. lengths: (from, to,
    examples) with from <= tokens < to. longest: rows and their tokens, uncut. odd: rows and what is strange about them.
    """

    rows: int
    examples: int
    judged_bad: int
    left_out: tuple[str, ...]
    cut: int
    endless: int
    tokens: int
    trained: int
    by_source: Mapping[str, int]
    kinds: Mapping[str, int]
    lengths: tuple[tuple[int, int, int], ...]
    longest: tuple[tuple[str, int], ...]
    odd: tuple[tuple[str, str], ...]
    padding: Padding
    shown: tuple[Shown, ...]

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def preview(
    conversations: Sequence[Conversation], vocabulary: ReadableVocabulary, max_length: int, show: int = 3
) -> Preview:
    """Render every conversation that is not dropped, and look at it; the first `show` examples are shown whole."""
    rows = [row for row in tag_placeholders(conversations) if row.dropped is None]
    lengths: list[tuple[str, int]] = []
    odd: list[tuple[str, list[str]]] = []
    left_out: list[str] = []
    shown: list[Shown] = []
    pad, pad_trained = vocabulary.pad_token, 0
    tokens = trained = cut = endless = examples = 0
    for row in rows:
        if row.desirable is False:
            continue
        reasons = _strange_text(row, vocabulary)
        fitting = 0
        for whole in render(row, vocabulary):
            size = len(whole.input_ids)
            lengths.append((row.where, size))
            for example in fitted(row, whole, max_length):
                fitting += 1
                tokens += len(example.input_ids)
                trained += example.trained
                shortened = row.kind != "text" and len(example.input_ids) < size
                cut += shortened
                pad_trained += sum(label == pad for label in example.labels[1:])
                reasons += _strange_tokens(row, example, vocabulary)
                if row.kind != "text" and not stops(example, vocabulary):
                    endless += 1
                    reasons.append("no end of turn is trained" + (", being cut off" if shortened else ""))
                if len(shown) < show:
                    shown.append(_show(row, example, size, vocabulary))
        examples += fitting
        if not fitting:
            left_out.append(row.where)
            reasons.append(f"left out: no reply that is trained begins within {max_length} tokens")
        if reasons:
            odd.append((row.where, list(dict.fromkeys(reasons))))
    odd.sort(key=lambda each: -len(each[1]))
    return Preview(
        rows=len(rows),
        examples=examples,
        judged_bad=sum(row.desirable is False for row in rows),
        left_out=tuple(left_out),
        cut=cut,
        endless=endless,
        tokens=tokens,
        trained=trained,
        by_source=dict(Counter(row.source for row in rows)),
        kinds=dict(Counter(row.kind for row in rows)),
        lengths=_histogram([length for _, length in lengths]),
        longest=tuple(sorted(lengths, key=lambda each: -each[1])[:_LONGEST]),
        odd=tuple((where, "; ".join(reasons)) for where, reasons in odd[:_ODD]),
        padding=_padding(vocabulary, pad_trained),
        shown=tuple(shown),
    )


def show_row(row: Conversation, vocabulary: ReadableVocabulary, max_length: int) -> tuple[Shown, ...]:
    """The examples that one row becomes, as they are trained; none where it is not learnt from."""
    return tuple(
        _show(row, example, len(whole.input_ids), vocabulary)
        for whole in render(row, vocabulary)
        for example in fitted(row, whole, max_length)
    )


def _show(row: Conversation, example: Example, whole: int, vocabulary: ReadableVocabulary) -> Shown:
    special = set(vocabulary.special_tokens)
    pieces: list[Piece] = []
    begin, before = 0, None
    ids = example.input_ids
    marks = [_mark(token, special, vocabulary) for token in ids]
    kinds = [(label != IGNORED, mark) for label, mark in zip(example.labels, marks, strict=True)]
    for index, kind in enumerate([*kinds, None]):
        # A special token stands alone; a run of others is joined, so that characters of several tokens are whole.
        if index and (kind != before or (before is not None and before[1])):
            assert before is not None
            run = ids[begin:index]
            pieces.append(Piece(vocabulary.written(run), before[0], before[1], len(run)))
            begin = index
        before = kind
    cut = 0 if row.kind == "text" else whole - len(ids)
    return Shown(row.where, tuple(pieces), len(ids), example.trained, cut)


def _mark(token: int, special: set[str], vocabulary: ReadableVocabulary) -> Mark:
    if vocabulary.ends_turn(token):
        return "end"
    return "special" if vocabulary.written([token]) in special else ""


def _strange_text(row: Conversation, vocabulary: Vocabulary) -> list[str]:
    """What is strange about a row's words."""
    reasons = ["a blank in it was never filled in"] if "placeholder" in row.tags else []
    text = "\n".join(texts(row))
    found = [token for token in vocabulary.special_tokens if len(token) > 2 and token in text]
    if found:
        reasons.append(f"its text holds the special token {found[0]}, which is written as plain text")
    if "\ufffd" in text:
        reasons.append("it holds characters that were lost in decoding (U+FFFD)")
    return reasons


def _strange_tokens(row: Conversation, example: Example, vocabulary: ReadableVocabulary) -> list[str]:
    """What is strange about a row's tokens."""
    reasons = []
    size = len(example.input_ids)
    # Of a text in pieces, one piece is only a part of the characters.
    characters = sum(map(len, learnt_texts(row))) if row.kind != "text" else len(vocabulary.written(example.input_ids))
    if example.trained > _ENOUGH_TOKENS and characters < _FEW_CHARACTERS * example.trained:
        reasons.append(f"only {characters / example.trained:.1f} characters a token")
    if example.trained < _SMALL_SHARE * size:
        reasons.append(f"only {example.trained} of {size} tokens are trained")
    return reasons


def _histogram(lengths: Sequence[int]) -> tuple[tuple[int, int, int], ...]:
    """Counts of lengths between powers of two, from the shortest to the longest."""
    counts = Counter(max(length, 1).bit_length() for length in lengths)
    if not counts:
        return ()
    return tuple((2 ** (bits - 1), 2**bits, counts[bits]) for bits in range(min(counts), max(counts) + 1))


def _padding(vocabulary: ReadableVocabulary, trained: int) -> Padding:
    """Why what fills up a batch cannot be learnt, and what another trainer would make of it."""
    token = vocabulary.pad_token
    here = "padding goes on the right, behind the attention mask, with labels that do not count"
    if token is None:
        return Padding(None, "", 0, f"the model has no padding token and needs none: {here}; nothing is resized")
    text = vocabulary.written([token])
    if vocabulary.ends_turn(token):
        why = (
            f"{text} is padding and the end of a turn in one, and is trained {trained} times. That is safe here: "
            f"{here} by its place. A trainer that masks padding by its id would never teach this model to stop"
        )
    elif trained:
        why = f"{text} is padding and is trained {trained} times too. That is safe here: {here} by its place"
    else:
        why = f"{text} is padding alone and never trained: {here}"
    return Padding(token, text, trained, why)

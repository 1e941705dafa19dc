"""Rows that come twice, exactly or nearly, and rows that hold evaluation items: found, and dropped with the reason.

Near copies are told by the Jaccard index of the pairs of neighbouring words: MinHash signatures in bands (Broder 1997;
Leskovec et al., Mining of Massive Datasets, chapter 3) propose rows, and the exact index decides. An edited word breaks
two pairs, so that of a share e of words edited the index is about (1 - e)^2 / (2 - (1 - e)^2): 0.68 for 10 %, 0.22 for
40 %.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.data.conversation import Conversation, all_messages, content_sha256, dropped, with_texts
from fireside.errors import TrainingError

THRESHOLD = 0.5
"""A row this similar to an earlier one is its copy: between 10 % and 40 % of the words edited."""

SHORT, SHORT_THRESHOLD = 30, 0.75
"""Of two texts of which one has fewer pairs of words than the first, the index must reach the second: two questions of
one form ("the largest planet", "the smallest planet") share as much as a copy does."""

LEAK_WORDS = 13
"""So many words in a row from an evaluation item make a leak: Brown et al. 2020 (GPT-3), appendix C."""

_SHORTEST_ITEM = 8  # words below which an item must be a whole message: the lower bound of the same appendix
_COMMON_ROWS, _COMMON_SHARE = 10, 0.01  # what stands in more rows than both is a template's wording
_OWN_SHARE = 0.1  # a text with less of its own is compared whole: so a row that comes often keeps what it is

_PERMUTATIONS, _SEED = 256, 1
_BANDS_MISS = 0.02  # of pairs at the threshold, so many may share no band
_ESTIMATE_MARGIN = 0.12  # four standard deviations of the estimate from 256 permutations
_BATCH = 1000
_SHOWN = 160  # characters of an example

# Scripts written without spaces: Thai, Lao, Burmese, Khmer, kana, Han. There each character counts as a word.
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Signs of arithmetic are words ("12 + 7" is no copy of "12 - 7"), and so are currencies, arrows and emoji.
_WORD = re.compile(rf"[{_SPACELESS}]|[^\W{_SPACELESS}]+|[-+*/=<>^%\u20a0-\u20cf\u2190-\u2bff\U0001f000-\U0001faff]")


@dataclass(frozen=True)
class NearCopy:
    """A text that nearly repeats an earlier one. row, of: their positions. jaccard: exact, of their pairs of words."""

    row: int
    of: int
    jaccard: float


@dataclass(frozen=True)
class Leak:
    """A text that holds part of an evaluation item. row, item: their positions. words: what they share."""

    row: int
    item: int
    words: str


def drop_exact_copies(rows: Iterable[Conversation]) -> Iterator[Conversation]:
    """The rows, each that repeats an earlier one dropped; case, spacing and the form of accents do not count."""
    first: dict[str, Conversation] = {}
    for row in rows:
        if row.dropped is None:
            earlier = first.setdefault(_normalised_hash(row), row)
            if earlier is not row:
                yield dropped(row, f"a copy (of {earlier.where})")
                continue
        yield row


def drop_near_copies(rows: Iterable[Conversation], threshold: float = THRESHOLD) -> Iterator[Conversation]:
    """The rows, each that is nearly an earlier one dropped. threshold: the least Jaccard index, 0 to 1; of short rows
    at least SHORT_THRESHOLD.

    The system's messages do not count: a long one would make all rows alike. Rows of different kinds or labels are
    never copies of each other.
    """
    held = list(rows)
    living = [index for index, row in enumerate(held) if row.dropped is None]
    groups: dict[tuple[str, bool | None], list[int]] = {}
    for index in living:
        groups.setdefault((held[index].kind, held[index].desirable), []).append(index)
    copies: dict[int, tuple[int, float]] = {}
    for group in groups.values():
        for copy in near_copies((spoken(held[index]) for index in group), threshold):
            copies[group[copy.row]] = (group[copy.of], copy.jaccard)
    for index, row in enumerate(held):
        if index in copies:
            of, jaccard = copies[index]
            why = f"{jaccard:.2f} like {held[of].where}: {_shown(row)!r} and {_shown(held[of])!r}"
            yield dropped(row, f"nearly a copy ({why})")
        else:
            yield row


def drop_leaks(rows: Iterable[Conversation], items: Sequence[str]) -> Iterator[Conversation]:
    """The rows, each that holds part of an evaluation item dropped. items: their texts, one each."""
    held = list(rows)
    living = [index for index, row in enumerate(held) if row.dropped is None]
    leaks = {living[leak.row]: leak for leak in find_leaks([_parts(held[index]) for index in living], items)}
    for index, row in enumerate(held):
        leak = leaks.get(index)
        if leak is None:
            yield row
        else:
            yield dropped(row, f"holds an evaluation item (item {leak.item + 1}: {_cut(leak.words)!r})")


def near_copies(texts: Iterable[str], threshold: float = THRESHOLD) -> Iterator[NearCopy]:
    """Each text whose Jaccard index with an earlier one, itself no copy, is at least `threshold`, in order.

    Where one of the two is short, the index must reach SHORT_THRESHOLD too.

    What many texts share (more than ten of them, and more than 1 %) is a template's wording and does not count, except
    in a text that has little else: otherwise twenty copies of one row would make all of it a template.
    """
    from rensa import RMinHash, RMinHashLSH

    if not 0 < threshold <= 1:
        raise TrainingError(f"the similarity of near copies is {threshold}", "give one above 0, up to 1")
    whole = _pair_sets(texts)
    compared = _without_templates(whole)
    index = RMinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS, num_bands=_bands(threshold))
    kept: dict[int, Any] = {}
    for start in range(0, len(compared), _BATCH):
        batch = [_as_tokens(pairs) for pairs in compared[start : start + _BATCH]]
        for row, signature in enumerate(RMinHash.from_token_sets(batch, num_perm=_PERMUTATIONS, seed=_SEED), start):
            if not compared[row].size:
                continue
            best = NearCopy(row, -1, 0.0)
            for other in sorted(index.query(signature)):
                if signature.jaccard(kept[other]) >= threshold - _ESTIMATE_MARGIN:
                    jaccard = _jaccard(compared[row], compared[other])
                    short = min(whole[row].size, whole[other].size) < SHORT
                    if jaccard > best.jaccard and jaccard >= max(threshold, SHORT_THRESHOLD if short else 0.0):
                        best = NearCopy(row, other, jaccard)
            if best.of >= 0:
                yield best
            else:
                index.insert(row, signature)
                kept[row] = signature


def find_leaks(rows: Sequence[Sequence[str]], items: Sequence[str]) -> Iterator[Leak]:
    """Each row that shares 13 words in a row with an item, or all of an item that has 8 to 12, in order.

    rows: the texts of each row. A shorter item leaks where it is one of those texts. Words that stand in more than
    ten rows, or items, and in more than 1 % of them, are a template's.
    """
    grams: dict[str, int] = {}
    in_items: Counter[str] = Counter()
    lengths: set[int] = set()
    whole: dict[str, int] = {}
    for number, item in enumerate(items):
        said = words(item)
        length = min(LEAK_WORDS, len(said))
        if length < _SHORTEST_ITEM:
            if said:
                whole.setdefault(" ".join(said), number)
            continue
        lengths.add(length)
        of_item = set(_grams(said, length))
        in_items.update(of_item)
        for gram in of_item:
            grams.setdefault(gram, number)
    in_rows: Counter[str] = Counter()
    found: list[tuple[int, list[str]]] = []
    for row, texts in enumerate(rows):
        shared: dict[str, None] = {}
        for said in map(words, texts):
            for length in lengths:
                shared.update(dict.fromkeys(gram for gram in _grams(said, length) if gram in grams))
            if len(said) < _SHORTEST_ITEM and (text := " ".join(said)) in whole:
                shared[text] = None
        if shared:
            in_rows.update(shared.keys())
            found.append((row, list(shared)))
    most_rows, most_items = (max(_COMMON_ROWS, _COMMON_SHARE * len(each)) for each in (rows, items))
    for row, candidates in found:
        for gram in candidates:
            if in_rows[gram] <= most_rows and in_items[gram] <= most_items:
                yield Leak(row, grams.get(gram, whole.get(gram, -1)), gram)
                break


def spoken(row: Conversation) -> str:
    """All that is said in a row, but for the system's messages."""
    return "\n".join(_parts(row))


def words(text: str) -> list[str]:
    """The words of a text as they are compared: without case and punctuation, but with signs of arithmetic."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _parts(row: Conversation) -> list[str]:
    """The texts of a row, but for the system's messages; calls count with their arguments."""
    parts = [row.text] if row.text else []
    for message in all_messages(row):
        if message.role != "system":
            calls = [f"{call.name} {json.dumps(call.arguments, ensure_ascii=False)}" for call in message.calls]
            parts.append("\n".join([message.content, *calls]))
    return parts


def _normalised_hash(row: Conversation) -> str:
    """A hash of what is learnt from a row that case, spacing and the form of accents leave as it is."""
    return content_sha256(
        with_texts(row, lambda text: " ".join(unicodedata.normalize("NFKC", text).casefold().split()))
    )


def _pair_sets(texts: Iterable[str]) -> list[NDArray[np.int64]]:
    """Of each text the sorted set of its pairs of neighbouring words, as two word numbers in one; of one word, that."""
    numbers: dict[str, int] = {}
    sets = []
    for text in texts:
        said = np.array([numbers.setdefault(word, len(numbers)) for word in words(text)], np.int64)
        sets.append(np.unique((said[:-1] << 32) | said[1:]) if said.size > 1 else said)
    return sets


def _without_templates(sets: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Each set without what many of them share, where that leaves enough of it."""
    if len(sets) <= _COMMON_ROWS:
        return sets
    pairs, counts = np.unique(np.concatenate(sets), return_counts=True)
    common = pairs[counts > max(_COMMON_ROWS, _COMMON_SHARE * len(sets))]
    own = [each[~np.isin(each, common, assume_unique=True)] for each in sets]
    return [mine if mine.size >= _OWN_SHARE * each.size else each for mine, each in zip(own, sets, strict=True)]


def _as_tokens(pairs: NDArray[np.int64]) -> list[bytes]:
    """The pairs as the signature's library takes them."""
    flat = pairs.tobytes()
    return [flat[start : start + 8] for start in range(0, len(flat), 8)]


def _grams(said: Sequence[str], length: int) -> Iterator[str]:
    """Each run of `length` words."""
    return (" ".join(said[start : start + length]) for start in range(len(said) - length + 1))


def _bands(threshold: float) -> int:
    """The fewest bands that propose enough of the pairs at the threshold: 1 - (1 - t^r)^b, r rows in each of b."""
    for rows in (32, 16, 8, 4, 2):
        bands = _PERMUTATIONS // rows
        if (1 - threshold**rows) ** bands <= _BANDS_MISS:
            return bands
    return _PERMUTATIONS


def _jaccard(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """|A and B| / |A or B| of two sorted sets."""
    shared = int(np.intersect1d(first, second, assume_unique=True).size)
    return shared / (first.size + second.size - shared)


def _shown(row: Conversation) -> str:
    return _cut(spoken(row))


def _cut(text: str) -> str:
    """A text's beginning, for a person."""
    text = " ".join(text[: 2 * _SHOWN].split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"

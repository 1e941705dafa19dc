"""The lorebook: entries about a story's world, shown to the model when the story speaks of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from fireside.stories.lore_keys import Scanned
from fireside.stories.prose import paragraph_starts, sentence_ends

SCAN_DEPTH = 8
"""Paragraphs at the story's end that keys are looked for in, where an entry says nothing else."""

ROUNDS = 3
"""How often the texts of entries are looked through for keys of further entries."""

_LORE_REACH = 100_000  # characters of lore texts looked through in a round

Logic = Literal["any", "all", "not_any", "not_all"]
"""What must hold of the secondary keys: any is there, all are, none is, not all are."""


@dataclass(frozen=True)
class LoreEntry:
    """One entry.

    text: what the model is shown. keys: one of them must be in the last `scan_depth` paragraphs (0: the whole story);
    a key is plain words, or a regular expression as `/pattern/flags` (i s m; RE2's syntax). secondary, logic: what must
    hold beside, where there are secondary keys. case, whole_words: how plain keys match. order: the higher, the more
    it matters: it gets room first and stands nearer to the story's end. constant: always shown. group: of the entries
    of one group only one is shown, by order, then group_weight. budget: most tokens of its text, 0 no limit.
    triggered_by_lore: other entries' texts can trigger it. triggers_lore: its text can trigger others. comment: for the
    person.
    """

    name: str
    text: str
    keys: tuple[str, ...] = ()
    secondary: tuple[str, ...] = ()
    logic: Logic = "any"
    case: bool = False
    whole_words: bool = True
    scan_depth: int = SCAN_DEPTH
    order: int = 100
    enabled: bool = True
    constant: bool = False
    group: str = ""
    group_weight: int = 100
    budget: int = 0
    triggered_by_lore: bool = True
    triggers_lore: bool = True
    comment: str = ""


@dataclass(frozen=True)
class Trigger:
    """Why an entry is shown.

    index: its place among the entries. key: the key that was found, empty for a constant entry; it stands from `start`
    to `end` (characters) in the story, or in the text of the entry at index `by`. beaten_by: the index of the entry of
    its group that is shown instead.
    """

    entry: LoreEntry
    index: int
    key: str = ""
    start: int = 0
    end: int = 0
    by: int | None = None
    beaten_by: int | None = None


@dataclass(frozen=True)
class Placed:
    """An entry that is shown: its text, maybe cut to its own budget, of so many tokens."""

    trigger: Trigger
    text: str
    tokens: int


@dataclass(frozen=True)
class LeftOut:
    """An entry that was triggered and is not shown, and the reason in one line."""

    trigger: Trigger
    reason: str


@dataclass(frozen=True)
class Lore:
    """constant: for the top of the prompt, in the order of the book, so that it changes seldom. triggered: for near the
    end, what matters most last. left_out: the rest, what matters most first. tokens: of all that is shown."""

    constant: tuple[Placed, ...] = ()
    triggered: tuple[Placed, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    tokens: int = field(default=0)


def would_trigger(entries: Sequence[LoreEntry], text: str) -> list[Trigger]:
    """Which entries `text` (the story) calls up, and why, in the order they were found. Always the same for the same.

    The story is looked through first, then up to `ROUNDS` times the texts of the entries just found. An entry of a
    group that already has one from an earlier round does not replace it.
    """
    found: dict[int, Trigger] = {}
    shown: dict[str, int] = {}
    for round_number in range(ROUNDS + 1):
        if round_number == 0:
            new = _in_story(entries, text)
        else:
            new = _in_lore(entries, [each.index for each in new if each.beaten_by is None], found.keys())
        new = _one_a_group(new, shown)
        if not new:
            break
        found.update((each.index, each) for each in new)
    return list(found.values())


async def triggered(
    entries: Sequence[LoreEntry], text: str, budget_tokens: int, count: Callable[[str], Awaitable[int]]
) -> Lore:
    """The lore for going on with `text`, of at most `budget_tokens` tokens, counted by `count` for each entry alone.

    Constant entries get room first, then the others, by order; one for which there is no room is left out, and smaller
    ones behind it may still be shown.
    """
    placed: list[Placed] = []
    left_out: list[LeftOut] = []
    room = budget_tokens
    ranked = sorted(
        would_trigger(entries, text), key=lambda each: (not each.entry.constant, -each.entry.order, each.index)
    )
    for trigger in ranked:
        entry = trigger.entry
        if trigger.beaten_by is not None:
            name = entries[trigger.beaten_by].name
            left_out.append(LeftOut(trigger, f"{name} is shown for the group {entry.group}"))
            continue
        shown, tokens = await _within(entry.text, entry.budget, count)
        if not shown:
            reason = f"its own budget of {entry.budget} tokens holds no sentence of it" if entry.text.strip() else ""
            left_out.append(LeftOut(trigger, reason or "it has no text"))
        elif tokens > room:
            left_out.append(LeftOut(trigger, f"{tokens} tokens, and the lore has room for {max(0, room)} more"))
        else:
            placed.append(Placed(trigger, shown, tokens))
            room -= tokens
    constant = sorted((each for each in placed if each.trigger.entry.constant), key=lambda each: each.trigger.index)
    others = [each for each in reversed(placed) if not each.trigger.entry.constant]
    return Lore(tuple(constant), tuple(others), tuple(left_out), sum(each.tokens for each in placed))


def _in_story(entries: Sequence[LoreEntry], text: str) -> list[Trigger]:
    starts = paragraph_starts(text)
    windows = {
        depth: starts[-depth] if 0 < depth < len(starts) else 0 for depth in {entry.scan_depth for entry in entries}
    }
    first = min(windows.values(), default=0)
    scanned = Scanned(text[first:])
    triggers = []
    for index, entry in enumerate(entries):
        if not entry.enabled:
            continue
        if entry.constant:
            triggers.append(Trigger(entry, index))
        elif match := _match(entry, scanned, windows[entry.scan_depth] - first):
            key, start, end = match
            triggers.append(Trigger(entry, index, key, start + first, end + first))
    return triggers


def _in_lore(entries: Sequence[LoreEntry], sources: Iterable[int], known: Iterable[int]) -> list[Trigger]:
    """What the texts of the entries at `sources` call up that is not `known` yet."""
    texts: list[str] = []
    begins: list[int] = []
    origins: list[int] = []
    length = 0
    for source in sources:
        if entries[source].triggers_lore and length < _LORE_REACH:
            texts.append(entries[source].text[: _LORE_REACH - length])
            begins.append(length)
            origins.append(source)
            length += len(texts[-1]) + 2
    scanned = Scanned("\n\n".join(texts))
    already = set(known)
    triggers = []
    for index, entry in enumerate(entries):
        if index in already or not entry.enabled or not entry.triggered_by_lore:
            continue
        if match := _match(entry, scanned, 0):
            key, start, end = match
            source = bisect_right(begins, start) - 1
            begin = begins[source]
            triggers.append(Trigger(entry, index, key, start - begin, end - begin, by=origins[source]))
    return triggers


def _match(entry: LoreEntry, scanned: Scanned, start: int) -> tuple[str, int, int] | None:
    """The first key of `entry` that is there, and its place, if the secondary keys agree."""

    def place(key: str) -> tuple[int, int] | None:
        return scanned.find(key, start, case=entry.case, whole_words=entry.whole_words)

    match = next(((key, *found) for key in entry.keys if (found := place(key))), None)
    if match is None or not entry.secondary:
        return match
    there = (place(key) is not None for key in entry.secondary)
    holds = {
        "any": lambda: any(there),
        "all": lambda: all(there),
        "not_any": lambda: not any(there),
        "not_all": lambda: not all(there),
    }
    return match if holds[entry.logic]() else None


def _one_a_group(triggers: list[Trigger], shown: dict[str, int]) -> list[Trigger]:
    """`triggers`, those marked that another of their group beats; `shown` learns whom each group shows."""
    best = sorted(triggers, key=lambda each: (-each.entry.order, -each.entry.group_weight, each.index))
    for each in best:
        if each.entry.group:
            shown.setdefault(each.entry.group, each.index)
    return [
        replace(each, beaten_by=winner)
        if each.entry.group and (winner := shown[each.entry.group]) != each.index
        else each
        for each in triggers
    ]


async def _within(text: str, budget: int, count: Callable[[str], Awaitable[int]]) -> tuple[str, int]:
    """As many whole sentences from the beginning of `text` as have at most `budget` tokens (0: all), and how many."""
    text = text.strip()
    if not text:
        return "", 0
    tokens = await count(text)
    if not budget or tokens <= budget:
        return text, tokens
    ends = sentence_ends(text)
    low, high, best = 0, len(ends), 0
    while low < high:
        middle = (low + high) // 2
        counted = await count(text[: ends[middle]])
        if counted <= budget:
            low, best = middle + 1, counted
        else:
            high = middle
    return (text[: ends[low - 1]], best) if low else ("", 0)

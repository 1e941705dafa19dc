"""Measures search over 100,000 messages of chats: how long until the first results are there.

    python benchmarks/terminal_search.py [--messages N] [--work FOLDER]

The chats are made up: pronounceable words in a Zipf distribution, questions of 5 to 40 words and replies of 20 to 300,
one chat of 5,000 messages and the others of 2 to 400. They are written into a temporary folder, or once into the folder
given. Each kind of query is asked with words of every frequency, the commonest among them, which is in nearly every
message; the figure of a kind is its slowest query (the best of three runs, so that another program's work does not
count). Every figure is printed with its limit and the ratio of the two; exits 1 where one is missed.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from fireside.conversations.store import ConversationStore
from fireside.conversations.types import Conversation, SearchFilter, StoredMessage

LIMIT_MS = 100.0
LONG_CHAT = 5000
FIRST = 50  # results, a screenful and more
RUNS = 3


def vocabulary() -> list[str]:
    """19,200 words, the short first; the commonest are those of English."""
    syllables = ["".join(pair) for pair in itertools.product("bcdfghklmnprstvw", "aeiou")]
    made = [*syllables, *("".join(pair) for pair in itertools.product(syllables, repeat=2))]
    made += ["".join(three) for three in itertools.islice(itertools.product(syllables, repeat=3), 12_710)]
    return ["the", "of", "and", "to", "a", "in", "is", "it", "you", "that", *made]


def texts(drawn: random.Random, words: list[str]) -> Iterator[tuple[str, str]]:
    """Questions and replies without end."""
    # Zipf's law as Mandelbrot has it: frequency ~ 1 / (rank + 2.7).
    shares = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(len(words))))
    while True:
        for role, shortest, longest in (("user", 5, 40), ("assistant", 20, 300)):
            yield role, " ".join(drawn.choices(words, cum_weights=shares, k=drawn.randint(shortest, longest)))


def build(store: ConversationStore, messages: int) -> None:
    """Fill an empty store with `messages` messages; the first chat is the long one, one chat in 20 has a tag."""
    drawn = random.Random(0)
    stream = texts(drawn, vocabulary())
    number, written = 0, 0
    while written < messages:
        count = min(messages - written, LONG_CHAT if number == 0 else drawn.randint(2, 400))
        began = 1_600_000_000.0 + number * 86_400
        tree = [
            StoredMessage(place + 1, 0, place or None, role, text, "complete", began + place, {})  # type: ignore[arg-type]
            for place, (role, text) in enumerate(itertools.islice(stream, count))
        ]
        tags = ("rare",) if number % 20 == 7 else ()
        chat = Conversation(0, f"Chat {number}", "", "m", None, None, count, began, began + count, tags=tags)
        store.restore(chat, tree)
        number, written = number + 1, written + count


def milliseconds(call: Callable[[], object]) -> float:
    """The shortest of a few runs."""
    taken = []
    for _ in range(RUNS):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
    return min(taken)


def kinds(store: ConversationStore) -> dict[str, list[Callable[[], object]]]:
    """The calls to measure, by what they are."""
    words = vocabulary()
    ranks = (0, 3, 20, 100, 1000, 10_000)
    single = [words[rank] for rank in ranks]
    pairs = [f"{words[first]} {words[second]}" for first, second in itertools.combinations(ranks, 2)]
    beginnings = ["t", "th", "b", "ba", "bab", "the b", "the ba"]
    (long_chat,) = (each.id for each in store.conversations(10_000) if each.title == "Chat 0")
    filters = [
        SearchFilter(tag="rare"),
        SearchFilter(role="user"),
        SearchFilter(archived=True),
        SearchFilter(since=1_600_000_000.0, until=1_600_000_000.0 + 10 * 86_400),
    ]

    def searches(queries: list[str], only: SearchFilter) -> list[Callable[[], object]]:
        return [partial(store.search, query, FIRST, only=only) for query in queries]

    everything = SearchFilter()
    return {
        "one word": searches(single, everything),
        "two words": searches(pairs, everything),
        "a phrase": searches([f'"{pair}"' for pair in pairs], everything),
        "the beginning of a word": searches(beginnings, everything),
        "with a filter": [call for only in filters for call in searches([*single, *pairs[:5]], only)],
        "in a chat of 5,000 messages": [
            partial(store.find, long_chat, query, FIRST) for query in [*single, *pairs, *beginnings]
        ],
    }


def within(what: str, figure: float, limit: float, unit: str) -> bool:
    """Print a figure beside its limit; whether it is kept."""
    print(f"  {what}: {figure:.1f} {unit} (limit {limit:g}, ratio {figure / limit:.2f})", flush=True)
    return figure <= limit


def measured(path: Path, messages: int) -> bool:
    """Build the database where there is none, measure every kind, print; whether every limit was kept."""
    fresh = not path.exists()
    with closing(ConversationStore(path)) as store:
        if fresh:
            build(store, messages)
        print(f"search over {messages} messages, the slowest query of each kind, {FIRST} results")
        kept = [
            within(what, max(milliseconds(call) for call in calls), LIMIT_MS, "ms")
            for what, calls in kinds(store).items()
        ]
    return all(kept)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    if options.work is not None:
        return int(not measured(options.work / "search.db", options.messages))
    with tempfile.TemporaryDirectory() as folder:
        return int(not measured(Path(folder) / "search.db", options.messages))


if __name__ == "__main__":
    sys.exit(main())

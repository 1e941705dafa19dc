"""Measures the removal of near copies on made rows: recall, precision, time.

    python benchmarks/dedup.py [--rows 20000] [--seed N]

Of 20,000 conversations a fifth are copies of earlier ones of which 1 to 10 % of the words were edited (replaced, left
out, added, or swapped with the next), and a fifth are hard negatives, of which 40 % were. Half of the copies lie before
their originals. A removed row counts as right where it is a copy or a copied row, once for each pair. Exits 1 where
recall or precision is below 0.95 or the time above 20 s.
"""

from __future__ import annotations

import argparse
import itertools
import random
import resource
import sys
import time
from dataclasses import dataclass

from finetune.data.conversation import Conversation
from finetune.data.dedup import THRESHOLD, drop_exact_copies, drop_near_copies
from fireside.models.types import Message

RECALL, PRECISION, SECONDS = 0.95, 0.95, 20.0
COPIES, NEGATIVES = 0.2, 0.2
FEWEST_WORDS, MOST_WORDS = 20, 200
EDITED, EDITED_NEGATIVE = (0.01, 0.10), 0.40
VOCABULARY = 8000


@dataclass(frozen=True)
class Row:
    """A made row. of: the number of the row it was edited from. edited: the share of its words."""

    words: list[str]
    of: int | None = None
    edited: float = 0.0

    @property
    def copy(self) -> bool:
        """Whether it should be found."""
        return self.of is not None and self.edited < EDITED_NEGATIVE


def make(count: int, rng: random.Random) -> list[Row]:
    """Originals, then their copies and the hard negatives; words are drawn by Zipf's law."""
    syllables = [c + v for c in "bdfgklmnprst" for v in "aeiou"]
    vocabulary = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(VOCABULARY)]
    weights = list(itertools.accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))
    copies, negatives = int(COPIES * count), int(NEGATIVES * count)

    def text(length: int) -> list[str]:
        return rng.choices(vocabulary, cum_weights=weights, k=length)

    def edit(words: list[str], share: float) -> list[str]:
        changed = list(words)
        places = rng.sample(range(len(words)), max(1, round(share * len(words))))
        for place in sorted(places, reverse=True):
            kind = rng.randrange(4)
            if kind == 0:
                changed[place : place + 1] = text(1)
            elif kind == 1:
                del changed[place]
            elif kind == 2:
                changed[place:place] = text(1)
            else:
                changed[place : place + 2] = changed[place : place + 2][::-1]
        return changed

    rows = [Row(text(rng.randint(FEWEST_WORDS, MOST_WORDS))) for _ in range(count - copies - negatives)]
    for number, of in enumerate(rng.sample(range(len(rows)), copies + negatives)):
        share = rng.uniform(*EDITED) if number < copies else EDITED_NEGATIVE
        rows.append(Row(edit(rows[of].words, share), of, share))
    return rows


def conversation(row: Row, number: int) -> Conversation:
    """The row as a question and an answer."""
    asked = len(row.words) // 3
    messages = (Message("user", " ".join(row.words[:asked])), Message("assistant", " ".join(row.words[asked:]) + "."))
    return Conversation(messages, number)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threshold", type=float, default=THRESHOLD)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    rows = make(arguments.rows, rng)
    order = list(range(len(rows)))
    rng.shuffle(order)
    conversations = [conversation(rows[number], number) for number in order]

    began = time.perf_counter()
    result = list(drop_near_copies(drop_exact_copies(conversations), arguments.threshold))
    seconds = time.perf_counter() - began

    removed = {row.row for row in result if row.dropped is not None}
    copies = [number for number, row in enumerate(rows) if row.copy]
    found = {number for number in copies if number in removed or rows[number].of in removed}
    recall, precision = len(found) / len(copies), len(found) / max(1, len(removed))
    print(f"rows {len(rows)}, copies {len(copies)}, removed {len(removed)}, threshold {arguments.threshold}")
    for low, high in ((0.01, 0.04), (0.04, 0.07), (0.07, 0.10)):
        inside = [number for number in copies if low <= rows[number].edited <= high]
        print(f"  {low:.0%} to {high:.0%} of the words edited: recall {len(found & set(inside)) / len(inside):.4f}")
    print(f"recall {recall:.4f}, precision {precision:.4f}, {seconds:.1f} s", end=", ")
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most")
    met = recall >= RECALL and precision >= PRECISION and seconds <= SECONDS
    print("met" if met else "MISSED")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())

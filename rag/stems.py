"""Words as the full text has them, and how often each stands in a chunk: all that BM25 needs of the chunk's text."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fireside.interrupts import interrupts_held

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOKENIZER = "porter unicode61 remove_diacritics 2"
"""How the full text is cut into words and stemmed (https://www.sqlite.org/fts5.html#tokenizers)."""

# The number of a stem (`number_of`), how often it occurs in the context, and in the body.
_ENTRY = [("stem", "<u4"), ("context", "u1"), ("body", "u1")]
_MOST = 255
# Of the longest document (30 million characters) all at once takes 500 MB, and half as long again as in parts.
_COUNTED_AT_ONCE = 2000
# In-memory tables to cut words with, one for each thread that does so at the moment: making one takes a millisecond.
_idle: list[sqlite3.Connection] = []


def stems(words: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of a word and its stem; a word that is no token of its own has none."""
    with _tokenized([(row, "", word) for row, word in enumerate(words)]) as tokens:
        rows = tokens.execute("SELECT doc, term FROM tokens ORDER BY doc, offset").fetchall()
    return [(words[row], stem) for row, stem in rows]


def number_of(stem: bytes) -> int:
    """The 32-bit number that stands for a stem, in UTF-8 (CRC-32).

    That a word asked for shares it with another stem of a chunk of 100 happens once in 40 million times.
    """
    return zlib.crc32(stem)


def counted(texts: Sequence[tuple[str, str]]) -> list[bytes]:
    """How often each stem occurs in each of these texts (context, body): bytes for `entries`."""
    parts = (texts[first : first + _COUNTED_AT_ONCE] for first in range(0, len(texts), _COUNTED_AT_ONCE))
    return [count for part in parts for count in _counted_at_once(part)]


def _counted_at_once(texts: Sequence[tuple[str, str]]) -> list[bytes]:
    with interrupts_held():
        import numpy as np

    with _tokenized((row, context, body) for row, (context, body) in enumerate(texts)) as tokens:
        # One string a stem is faster to fetch than a row an occurrence. Bytes: a word of over 32 kB is cut anywhere.
        rows = tokens.execute(
            "SELECT CAST(term AS BLOB), count(*), group_concat(2 * doc + (col = 'body')) FROM tokens GROUP BY term"
        ).fetchall()
    numbers = np.array([number_of(stem) for stem, _, _ in rows], dtype=np.uint64)
    places = np.fromstring(",".join(places for _, _, places in rows), dtype=np.uint64, sep=",")
    stem = np.repeat(numbers, [count for _, count, _ in rows])
    pairs, pair = np.unique(places >> 1 << 32 | stem, return_inverse=True)
    body = np.bincount(pair, weights=places & 1, minlength=len(pairs)).astype(np.int64)
    context = np.bincount(pair, minlength=len(pairs)) - body
    # What occurs more often than one entry can say has several.
    several = np.maximum(-(-np.maximum(context, body) // _MOST), 1)
    which = np.repeat(np.arange(len(pairs)), several)
    before = _MOST * (np.arange(len(which)) - np.repeat(np.cumsum(several) - several, several))
    made = np.empty(len(which), dtype=_ENTRY)
    made["stem"] = pairs[which] & 0xFFFFFFFF
    made["context"] = np.clip(context[which] - before, 0, _MOST)
    made["body"] = np.clip(body[which] - before, 0, _MOST)
    ends = np.searchsorted(pairs[which] >> 32, np.arange(1, len(texts)))
    return [part.tobytes() for part in np.split(made, ends)]


def entries(counts: Sequence[bytes]) -> tuple[NDArray[np.void], NDArray[np.intp]]:
    """What `counted` has written for several texts, and for each entry the place in `counts` of its text.

    An entry has the fields stem (`number_of`), context and body; a stem that occurs more than 255 times has several.
    """
    with interrupts_held():
        import numpy as np

    every = np.frombuffer(b"".join(counts), dtype=_ENTRY)
    return every, np.repeat(np.arange(len(counts)), [len(count) // every.itemsize for count in counts])


@contextmanager
def _tokenized(texts: Iterable[tuple[int, str, str]]) -> Iterator[sqlite3.Connection]:
    """The tokens of these texts (id, context, body), cut as the library's are, as the table `tokens` in memory."""
    try:
        connection = _idle.pop()
    except IndexError:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.execute(
            "CREATE VIRTUAL TABLE texts USING fts5 "
            f'(context, body, content = "", columnsize = 0, tokenize = "{TOKENIZER}")'
        )
        connection.execute("CREATE VIRTUAL TABLE tokens USING fts5vocab (texts, instance)")
    try:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO texts (rowid, context, body) VALUES (?, ?, ?)", texts)
        yield connection
        connection.execute("ROLLBACK")
    except BaseException:
        connection.close()
        raise
    _idle.append(connection)

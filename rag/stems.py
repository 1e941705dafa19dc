"""Words as the full text has them, and how often each stands in a chunk: all that BM25 needs of the chunk's text."""

from __future__ import annotations

import sqlite3
import struct
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

# The number of a stem, how often it occurs in the context, and in the body.
_ENTRY = struct.Struct("<IBB")
_ENTRY_FIELDS = [("stem", "<u4"), ("context", "u1"), ("body", "u1")]
_MOST = 255
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


def counted(texts: Sequence[tuple[int, str, str]]) -> dict[int, bytes]:
    """How often each stem occurs in each of these texts (id, context, body), by id: bytes for `entries`."""
    found = {row: bytearray() for row, _, _ in texts}
    with _tokenized(texts) as tokens:
        # As bytes: a word of more than 32 kB is cut anywhere (https://www.sqlite.org/fts5.html).
        rows = tokens.execute(
            "SELECT doc, CAST(term AS BLOB), sum(col = 'context'), sum(col = 'body') FROM tokens GROUP BY doc, term"
        )
        for row, stem, context, body in rows:
            number = number_of(stem)
            while context > _MOST or body > _MOST:
                found[row] += _ENTRY.pack(number, min(context, _MOST), min(body, _MOST))
                context, body = max(context - _MOST, 0), max(body - _MOST, 0)
            found[row] += _ENTRY.pack(number, context, body)
    return {row: bytes(entry) for row, entry in found.items()}


def entries(counts: Sequence[bytes]) -> tuple[NDArray[np.void], NDArray[np.intp]]:
    """What `counted` has written for several chunks, and for each entry the place in `counts` of its chunk.

    An entry has the fields stem (`number_of`), context and body; a stem has several where it occurs more than 255 times.
    """
    with interrupts_held():
        import numpy as np

    every = np.frombuffer(b"".join(counts), dtype=_ENTRY_FIELDS)
    return every, np.repeat(np.arange(len(counts)), [len(count) // _ENTRY.size for count in counts])


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

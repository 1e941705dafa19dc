"""Comma-, semicolon-, tab- and bar-separated tables: a block a row, with the header's names before its values."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from rag.loaders.assemble import Assembly
from rag.loaders.charset import decoded
from rag.loaders.rows import add_table
from rag.types import Document

_DELIMITERS = ",;\t|"
_SAMPLED_ROWS = 50
# A quote that is never closed makes one field of the rest of the file.
_LONGEST_FIELD = 1_000_000


def load(path: str, data: bytes) -> Document:
    """A `Document` of the table's rows. Raises DocumentError for a binary file."""
    text = decoded(path, data)
    csv.field_size_limit(_LONGEST_FIELD)
    try:
        rows = list(_reader(text, delimiter_of(text)))
    except csv.Error:
        # Not quoted as CSV is (RFC 4180): each line is taken as it stands.
        rows = [line.split(delimiter_of(text)) for line in text.splitlines()]
    assembly = Assembly(path)
    add_table(assembly, rows)
    return assembly.document()


def delimiter_of(text: str) -> str:
    """The delimiter by which the first rows have the most columns that agree."""

    def columns(delimiter: str) -> float:
        try:
            widths = [len(row) for row in islice(_reader(text[:200_000], delimiter), _SAMPLED_ROWS) if row]
        except csv.Error:
            return 0.0
        if not widths:
            return 0.0
        width, times = Counter(widths).most_common(1)[0]
        return (min(width, 10) - 1) * times / len(widths)

    return max(_DELIMITERS, key=columns)


def _reader(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)

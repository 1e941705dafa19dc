"""Excel (.xlsx): each sheet a heading, each row a block with the header's names before its values."""

from __future__ import annotations

import datetime
import io
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from rag.loaders import archive
from rag.loaders.assemble import Assembly
from rag.loaders.rows import add_table
from rag.types import Document

# A sheet may declare a million formatted rows and say nothing: beyond so many empty ones in a row nothing is expected.
_MOST_EMPTY_ROWS = 10_000


def load(path: str, data: bytes) -> Document:
    """A `Document` of all sheets; formulas as the values last computed; Strict Office Open XML, too.

    Raises DocumentError for an encrypted, damaged or oversized file, and whatever openpyxl raises on a broken one.
    """
    import openpyxl

    with warnings.catch_warnings():
        # openpyxl warns of what it does not keep (print settings, conditional formats): none of it is text.
        warnings.simplefilter("ignore")
        source = io.BytesIO(archive.transitional(path, data, "an Excel workbook"))
        workbook = openpyxl.load_workbook(source, read_only=True, data_only=True)
        assembly = Assembly(path)
        try:
            for sheet in workbook.worksheets:
                for number, table in enumerate(_tables(sheet.iter_rows(values_only=True))):
                    if number == 0:
                        assembly.add(sheet.title, level=1)
                    add_table(assembly, table)
            title = workbook.properties.title
        finally:
            workbook.close()
    return assembly.document(title)


def _tables(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[list[str]]]:
    """The stretches between empty rows; a sheet often holds several tables."""
    table: list[list[str]] = []
    empty = 0
    for row in rows:
        cells = [_shown(value) for value in row]
        if any(cells):
            table.append(cells)
            empty = 0
            continue
        if table:
            yield table
        table = []
        empty += 1
        if empty > _MOST_EMPTY_ROWS:
            return
    if table:
        yield table


def _shown(value: Any) -> str:
    """A cell as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        return str(value.date()) if value.time() == datetime.time() else value.isoformat(" ", "minutes")
    return str(value)

"""Tables as text: each row on one line with its headers, so that a row found alone still says what its cells are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rag.loaders.assemble import Assembly

_LONGEST_HEADER = 100


def add_table(assembly: Assembly, rows: Sequence[Sequence[str]], page: int | None = None) -> None:
    """A block a row: `header: value | header: value` where the first row is a header, else `value | value`.

    Empty rows and columns are left out; the cells' white space becomes single spaces.
    """
    rows = [[" ".join(cell.split()) for cell in row] for row in rows]
    rows = [row for row in rows if any(row)]
    header = rows[0] if has_header(rows) else None
    gap = "\n\n"
    for row in rows[1:] if header else rows:
        line = row_line(row, header)
        before = len(assembly)
        assembly.add(line, page=page, gap=gap)
        if len(assembly) > before:
            gap = "\n"


def row_line(row: Sequence[str], header: Sequence[str] | None) -> str:
    """One row, its empty cells left out; a cell beyond the header stands alone."""
    cells = []
    for index, cell in enumerate(row):
        if cell:
            name = header[index] if header and index < len(header) else ""
            cells.append(f"{name}: {cell}" if name else cell)
    return " | ".join(cells)


def plain_table(rows: Iterable[Sequence[str]]) -> str:
    """One line a row, cells between bars, empty rows left out: for small tables within running text."""
    lines = []
    for row in rows:
        line = " | ".join(" ".join(cell.split()) for cell in row).rstrip(" |")
        if line:
            lines.append(line)
    return "\n".join(lines)


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first of several rows names the columns: short texts, no number, none twice, few missing."""
    if len(rows) < 2:
        return False
    names = [cell for cell in rows[0] if cell]
    width = max(len([cell for cell in row if cell]) for row in rows[:50])
    return (
        2 * len(names) > width
        and len({name.lower() for name in names}) == len(names)
        and all(len(name) <= _LONGEST_HEADER and not _is_number(name) for name in names)
    )


def _is_number(text: str) -> bool:
    """Whether a cell is a number, an amount, a date or a time, and so no column's name."""
    return any(character.isdigit() for character in text) and not any(character.isalpha() for character in text)

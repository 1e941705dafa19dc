"""PDF: pages, passwords, headings, tables, running heads, and what is said of scans."""

from __future__ import annotations

import pytest
from made_documents import outline
from made_pdfs import Text, pdf_file

from fireside.errors import DocumentError
from rag.loaders import pdf
from rag.loaders.pdf_layout import Line, parts, without_running_lines

PROSE = "The stove takes birch wood and nothing but birch wood, said the note on the door."


def at(top: float, *lines: str, size: float = 10, left: float = 50) -> list[Text]:
    """Lines below each other, at the distance that goes with their size."""
    return [(left, top - 1.2 * size * index, size, line) for index, line in enumerate(lines)]


@pytest.mark.parametrize("password", [None, b""])
def test_pdf_pages_and_an_empty_password(password: bytes | None) -> None:
    document = pdf.load("a.pdf", pdf_file(["Wood is dry.", "", "Water is cold."], password))
    assert [(block.page, document.text[block.start : block.end]) for block in document.blocks] == [
        (1, "Wood is dry."),
        (3, "Water is cold."),
    ]


def test_larger_lines_are_headings_where_there_is_no_outline() -> None:
    page = [
        *at(760, "Cabin rules", size=24),
        *at(720, "Fire", size=16),
        *at(690, PROSE, "It was signed.", PROSE),
        *at(600, "Water", size=16),
        *at(580, PROSE),
    ]
    document = pdf.load("a.pdf", pdf_file([page]))
    assert outline(document) == [
        (1, "Cabin rules"),
        (2, "Fire"),
        (0, f"{PROSE}\nIt was signed."),
        (0, PROSE),
        (2, "Water"),
        (0, PROSE),
    ]
    assert document.blocks[-1].heading == ("Cabin rules", "Water")


def test_the_outline_names_the_headings() -> None:
    pages = [at(700, "1 Fire", PROSE), at(700, PROSE)]
    document = pdf.load("a.pdf", pdf_file([pages[0], pages[1]], outline=[("Fire", 0), ("Water", 1)]))
    # The second title stands nowhere on its page: it begins it.
    assert [text for level, text in outline(document) if level == 1] == ["1 Fire", "Water"]
    assert [(block.page, block.heading) for block in document.blocks if not block.level] == [
        (1, ("1 Fire",)),
        (2, ("Water",)),
    ]


def test_a_table_keeps_its_cells_apart() -> None:
    rows = [("Part", "Price", "Stock"), ("pump", "12.50", "3"), ("stove pipe", "8.00", "12")]
    table = [text for index, row in enumerate(rows) for text in _row(600 - 14 * index, row)]
    document = pdf.load("a.pdf", pdf_file([[*at(700, PROSE), *table]]))
    assert outline(document) == [(0, PROSE), (0, "Part | Price | Stock\npump | 12.50 | 3\nstove pipe | 8.00 | 12")]


def _row(bottom: float, cells: tuple[str, ...]) -> list[Text]:
    return [(50 + 150 * column, bottom, 10, cell) for column, cell in enumerate(cells)]


def test_an_exponent_stays_in_its_line() -> None:
    page = [*at(700, PROSE), (50, 600, 10, "The plane R"), (105, 604, 6, "2"), (112, 600, 10, "is flat.")]
    assert outline(pdf.load("a.pdf", pdf_file([page])))[-1] == (0, "The plane R2 is flat.")


def test_running_heads_and_page_numbers_are_left_out() -> None:
    body = [f"{PROSE} It was the {count} note" for count in ("first", "second", "third", "fourth")]
    pages = [[*at(780, f"Cabin manual - {number}"), *at(700, *body), *at(30, str(number))] for number in range(1, 5)]
    assert [text for _, text in outline(pdf.load("a.pdf", pdf_file(pages)))] == ["\n".join(body)] * 4


def test_a_line_at_the_edge_of_two_pages_in_many_is_kept() -> None:
    pages = [[Line("Note"), Line("text")], [Line("Note")], [Line("other")], [Line("more")], [Line("and more")]]
    assert without_running_lines(pages) == pages


def test_paragraphs_end_at_short_lines_that_end_a_sentence() -> None:
    text = "The stove takes birch wood and nothing\nbut birch wood.\nDrain the pump before the frost comes in\nOctober."
    assert [part.text for part in parts([Line(line, (line,)) for line in text.split("\n")])] == [
        "The stove takes birch wood and nothing\nbut birch wood.",
        "Drain the pump before the frost comes in\nOctober.",
    ]


@pytest.mark.usefixtures("no_ocr")
def test_scanned_pages_are_noted_and_a_scan_is_refused() -> None:
    document = pdf.load("a.pdf", pdf_file([None, "Wood is dry.", None, None]))
    assert document.text == "Wood is dry."
    assert document.notes == ("a.pdf holds pictures and no text on pages 1, 3-4",)
    with pytest.raises(DocumentError, match="holds no text, only pictures on pages 1-2") as caught:
        pdf.load("a.pdf", pdf_file([None, None]))
    assert caught.value.hint
    assert "OCR" in caught.value.hint

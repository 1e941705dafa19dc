"""Word, PowerPoint, Excel and OpenDocument, the Strict variant included."""

from __future__ import annotations

import datetime
import io

import docx
import pptx
import pytest
from docx.oxml import parse_xml
from made_documents import odt_file, outline, slides_file, strict, word_file, workbook_file
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE

from rag.loaders import docx as word
from rag.loaders import odt, xlsx
from rag.loaders import pptx as slides
from rag.loaders.docx_numbers import formatted

NAMES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
)


@pytest.mark.parametrize("made", [word_file(), strict(word_file())], ids=["transitional", "strict"])
def test_docx_in_the_order_of_the_document(made: bytes) -> None:
    document = word.load("a.docx", made)
    assert outline(document) == [
        (1, "Cabin"),
        (0, "Before the table."),
        (0, "pump | drain"),
        (2, "After"),
        (0, "After the table."),
    ]
    assert document.blocks[-1].heading == ("Cabin", "After")
    assert word.load("a.docx", word_file(title="Rules of the cabin")).title == "Rules of the cabin"


def word_body(markup: str) -> bytes:
    made = docx.Document()
    for element in parse_xml(f"<w:body {NAMES}>{markup}</w:body>"):
        made.element.body.insert(len(made.element.body) - 1, element)
    stream = io.BytesIO()
    made.save(stream)
    return stream.getvalue()


def run(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        (f"<w:p><w:hyperlink>{run('a link')}</w:hyperlink>{run(' follows')}</w:p>", "a link follows"),
        (f"<w:sdt><w:sdtContent><w:p>{run('in a control')}</w:p></w:sdtContent></w:sdt>", "in a control"),
        (f"<w:p><w:ins>{run('put in')}</w:ins><w:del>{run('taken out')}</w:del></w:p>", "put in"),
        (
            f"<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr>{run('a')}<w:r><w:tab/><w:br/></w:r>{run('b')}</w:p>",
            "a\t\nb",
        ),
        (
            "<w:p><m:oMath><m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup>"
            "</m:oMath></w:p>",
            "x^2",
        ),
        (
            f"<w:p>{run('beside')}<w:r><w:pict><w:txbxContent><w:p>{run('in a box')}</w:p></w:txbxContent></w:pict>"
            "</w:r></w:p>",
            "beside\n\nin a box",
        ),
    ],
    ids=["link", "control", "changes", "tabs", "formula", "box"],
)
def test_docx_text_in_all_its_wrappings(markup: str, text: str) -> None:
    assert word.load("a.docx", word_body(markup)).text == text


def test_a_paragraph_of_an_own_style_is_a_heading_by_what_its_style_comes_from() -> None:
    made = docx.Document()
    made.styles.add_style("Appendix", 1).base_style = made.styles["Heading 2"]
    made.add_paragraph("Glossary", style="Appendix")
    outlined = made.add_paragraph("Index")
    outlined._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {NAMES} w:val="0"/>'))
    made.add_paragraph("Body")
    stream = io.BytesIO()
    made.save(stream)
    assert outline(word.load("a.docx", stream.getvalue())) == [(2, "Glossary"), (1, "Index"), (0, "Body")]


def test_docx_numbers_of_lists_and_headings_are_written_out() -> None:
    made = docx.Document()
    levels = [(0, "decimal", "%1."), (1, "lowerLetter", "%1%2)"), (2, "upperRoman", "(%3)"), (3, "bullet", "-")]
    markup = "".join(
        f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/></w:lvl>'
        for level, form, text in levels
    )
    numbering = made.part.numbering_part.element
    numbering.insert(0, parse_xml(f'<w:abstractNum {NAMES} w:abstractNumId="90">{markup}</w:abstractNum>'))
    restart = '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride>'
    for number, more in ((90, ""), (91, restart)):
        num = f'<w:num {NAMES} w:numId="{number}"><w:abstractNumId w:val="90"/>{more}</w:num>'
        numbering.append(parse_xml(num))
    for number, level, text in [
        (90, 0, "a"), (90, 1, "b"), (90, 1, "c"), (90, 2, "d"), (90, 3, "e"), (90, 0, "f"), (90, 1, "g"), (91, 0, "h"),
        (91, 0, "i"), (0, 0, "j"), (99, 0, "k"),
    ]:  # fmt: skip
        properties = made.add_paragraph(text)._p.get_or_add_pPr()
        numbered = f'<w:numPr {NAMES}><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'
        properties.append(parse_xml(numbered))
    stream = io.BytesIO()
    made.save(stream)
    assert [text for _, text in outline(word.load("a.docx", stream.getvalue()))] == [
        "1. a", "1a) b", "1b) c", "(I) d", "e", "2. f", "2a) g", "7. h", "8. i", "j", "k",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "form", "text"),
    [(4, "upperRoman", "IV"), (1999, "lowerRoman", "mcmxcix"), (28, "lowerLetter", "bb"), (7, "decimalZero", "07")],
)
def test_how_word_writes_numbers(number: int, form: str, text: str) -> None:
    assert formatted(number, form) == text


def test_a_word_cell_over_several_rows_is_in_each() -> None:
    made = docx.Document()
    table = made.add_table(rows=3, cols=3)
    for row, texts in enumerate([("year", "month", "sold"), ("2025", "May", "3"), ("", "June", "4")]):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    stream = io.BytesIO()
    made.save(stream)
    assert word.load("a.docx", stream.getvalue()).text == "year | month | sold\n2025 | May | 3\n2025 | June | 4"


def test_docx_comments_come_at_the_end() -> None:
    made = docx.Document()
    paragraph = made.add_paragraph("The stove takes birch.")
    made.add_comment(paragraph.runs, text="Or beech?", author="Ada")
    stream = io.BytesIO()
    made.save(stream)
    assert outline(word.load("a.docx", stream.getvalue())) == [
        (0, "The stove takes birch."),
        (1, "Comments"),
        (0, "Or beech?"),
    ]


@pytest.mark.parametrize("variant", [bytes, strict], ids=["transitional", "strict"])
def test_pptx_slides_are_pages(variant: type[bytes]) -> None:
    document = slides.load("a.pptx", variant(slides_file([("Stove", "Birch only."), ("", "No title")])))
    assert [(block.page, *each) for block, each in zip(document.blocks, outline(document), strict=True)] == [
        (1, 1, "Stove"),
        (1, 0, "Birch only."),
        (2, 1, "Slide 2"),
        (2, 0, "No title"),
    ]
    assert document.title == "a"


def test_pptx_charts_are_read_as_their_values() -> None:
    deck = pptx.Presentation()
    data = CategoryChartData()
    data.categories = ["2023", "2024"]
    data.add_series("Birch", (3, None))
    data.add_series("Pine", (1.5, 2))
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 3_000_000, 5_000_000, 3_000_000, data)
    stream = io.BytesIO()
    deck.save(stream)
    assert outline(slides.load("a.pptx", stream.getvalue()))[-1] == (
        0,
        "Birch: 2023 3, 2024 no value\nPine: 2023 1.5, 2024 2",
    )


def test_pptx_tables_and_notes_in_reading_order() -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    low = slide.shapes.add_textbox(0, 5_000_000, 100, 100)
    low.text_frame.text = "below"
    table = slide.shapes.add_table(1, 2, 0, 1_000_000, 100, 100).table
    table.cell(0, 0).text, table.cell(0, 1).text = "pump", "drain"
    group = slide.shapes.add_group_shape([])
    group.shapes.add_textbox(0, 0, 100, 100).text_frame.text = "in a group"
    assert slide.notes_slide.notes_text_frame is not None
    slide.notes_slide.notes_text_frame.text = "say hello"
    stream = io.BytesIO()
    deck.save(stream)
    assert [text for _, text in outline(slides.load("a.pptx", stream.getvalue()))] == [
        "Slide 1",
        "in a group",
        "pump | drain",
        "below",
        "Notes: say hello",
    ]


@pytest.mark.parametrize("variant", [bytes, strict], ids=["transitional", "strict"])
def test_xlsx_rows_carry_their_headers(variant: type[bytes]) -> None:
    day = datetime.datetime(2024, 5, 1)
    stock = [["Part", "Price", "Bought"], ["pump", 12.5, day], ["pipe", None, None], [], ["only", "text"], [1, True]]
    document = xlsx.load("a.xlsx", variant(workbook_file({"Stock": stock, "Empty": []})))
    assert outline(document) == [
        (1, "Stock"),
        (0, "Part: pump | Price: 12.5 | Bought: 2024-05-01"),
        (0, "Part: pipe"),
        (0, "only: 1 | text: yes"),
    ]


def test_odt_headings_lists_tables_and_spaces() -> None:
    body = """<text:h text:outline-level="1">Cabin</text:h><text:p>two<text:s text:c="2"/>spaces<text:tab/>tab</text:p>
      <text:list><text:list-item><text:p>birch</text:p></text:list-item></text:list>
      <text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>
      <text:h text:outline-level="2">Parts</text:h>
      <table:table><table:table-row><table:table-cell><text:p>pump</text:p></table:table-cell>
      <table:table-cell><text:p>12</text:p></table:table-cell></table:table-row></table:table>"""
    document = odt.load("a.odt", odt_file(body))
    assert outline(document) == [
        (1, "Cabin"),
        (0, "two  spaces\ttab"),
        (0, "birch"),
        (2, "Parts"),
        (0, "pump | 12"),
    ]
    assert document.blocks[-1].heading == ("Cabin", "Parts")

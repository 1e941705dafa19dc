"""Tables, JSON and notebooks: each row says what its cells are, each value where it stands."""

from __future__ import annotations

import json

import pytest
from made_documents import notebook_file, outline

from fireside.errors import DocumentError
from rag.loaders import csv, ipynb
from rag.loaders import json as json_loader


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_rows_carry_their_headers_whatever_the_delimiter(delimiter: str) -> None:
    rows = [
        ["name", "price", "note"],
        ["pump", "12", f'a "good{delimiter}\none"'],
        ["pipe", "", "spare", "more"],
        ["", ""],
    ]
    text = "\r\n".join(delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    document = csv.load("a.csv", text.encode())
    assert [text.replace(f"{delimiter} ", " ").replace(delimiter, "") for _, text in outline(document)] == [
        text.replace(delimiter, "")
        for text in ('name: pump | price: 12 | note: a "good one"', "name: pipe | note: spare | more")
    ]
    assert "\n\n" not in document.text


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("1,2\n3,4\n", ["1 | 2", "3 | 4"]),
        ("a,a\n3,4\n", ["a | a", "3 | 4"]),
        ("only one row,of words\n", ["only one row | of words"]),
        ("2024-05-01,rain\n2024-05-02,sun\n", ["2024-05-01 | rain", "2024-05-02 | sun"]),
        ("name\npump\n", ["name: pump"]),
        ('a,b\n"never closed,1\n2,3\n', ["a: never closed,1 2,3"]),
    ],
)
def test_csv_without_a_header_is_no_guesswork(text: str, blocks: list[str]) -> None:
    assert [text for _, text in outline(csv.load("a.csv", text.encode()))] == blocks


def test_a_field_without_an_end_does_not_lose_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.loaders.csv._LONGEST_FIELD", 20)
    document = csv.load("a.csv", b'a,b\n1,"' + b"x" * 30 + b"\n2,3\n")
    assert [text for _, text in outline(document)] == ['a: 1 | b: "' + "x" * 30, "a: 2 | b: 3"]


def test_json_small_objects_are_lines_and_large_ones_have_headings() -> None:
    value = {
        "name": "Cabin",
        "size": {"rooms": 2, "area": {"text": "30 sq m"}},
        "guests": ["Ada", "Grace"],
        "nothing": None,
        "rules": {"fire": "Birch only. " * 60, "water": {"pump": "Drain it. " * 80, "tap": True}},
    }
    document = json_loader.load("a.json", json.dumps(value).encode())
    assert outline(document) == [
        (0, "name: Cabin\nsize > rooms: 2\nsize > area: 30 sq m\nguests: Ada, Grace"),
        (1, "rules"),
        (
            0,
            f"fire: {'Birch only. ' * 60}".strip()
            + f"\nwater > pump: {'Drain it. ' * 80}".rstrip()
            + "\nwater > tap: true",
        ),
    ]
    assert document.blocks[-1].heading == ("rules",)


@pytest.mark.parametrize("form", ["list", "lines"])
def test_json_records_are_blocks(form: str) -> None:
    records = [{"q": "Which wood?", "a": "birch"}, {"q": "When?", "a": ["before", "frost"]}]
    text = json.dumps(records) if form == "list" else "\n".join(map(json.dumps, records)) + "\n\n"
    assert outline(json_loader.load("a.json", text.encode())) == [
        (0, "q: Which wood?\na: birch"),
        (0, "q: When?\na: before, frost"),
    ]


def test_large_json_records_are_headed_by_their_names() -> None:
    records = [{"title": "Fire", "text": "Birch. " * 200, "year": 1}, {"text": "short", "year": 2}]
    assert [
        text[:12] for level, text in outline(json_loader.load("a.json", json.dumps(records).encode())) if level
    ] == [
        "Fire",
        "item 2",
    ]


def test_what_is_no_json_is_read_as_text() -> None:
    document = json_loader.load("a.json", b'{\n // a comment\n "a": 1\n}\n')
    assert outline(document) == [(0, '{\n // a comment\n "a": 1\n}')]


def test_notebook_cells_in_order_with_what_they_printed() -> None:
    cells = [("markdown", "# Heat\n\n- birch"), ("code", "print(1)"), ("markdown", "## More\nend"), ("raw", "raw")]
    document = ipynb.load("a.ipynb", notebook_file(cells, printed="1\n2\n"))
    assert outline(document) == [
        (1, "Heat"),
        (0, "- birch"),
        (0, "print(1)"),
        (0, "1\n2"),
        (2, "More"),
        (0, "end"),
        (0, "raw"),
    ]
    with pytest.raises(DocumentError, match="is damaged"):
        ipynb.load("a.ipynb", b'{"metadata": {}}')

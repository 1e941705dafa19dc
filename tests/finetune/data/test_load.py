"""Rows are read by a file's content, whatever it is called, and a broken row costs only itself."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.data.load import BrokenRow, Row, read_rows
from fireside.errors import TrainingError

ROWS = [{"prompt": "a, b\nc", "completion": "d"}, {"prompt": "e", "completion": 'f "g" ü'}]
MESSAGES = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


def rows_of(file, data: bytes) -> list[Row | BrokenRow]:
    file.write_bytes(data)
    return list(read_rows(str(file)))


@pytest.mark.parametrize("name", ["x.json", "x.jsonl", "x.dat", "x"])
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2, ensure_ascii=False),
        "[\n" + ",\n".join(json.dumps(row) for row in ROWS) + "\n]\n",
        "[" + ",\n".join(json.dumps(row) for row in ROWS) + "]",
        json.dumps({"data": ROWS}, indent=1),
        json.dumps({"train": ROWS}),
        "\ufeff" + "\n".join(json.dumps(row) for row in ROWS),
        "\r\n".join(json.dumps(row) for row in ROWS) + "\r\n",
    ],
)
def test_json_in_all_its_layouts(tmp_path, name, text):
    assert rows_of(tmp_path / name, text.encode()) == [Row(1, ROWS[0]), Row(2, ROWS[1])]


def test_one_conversation_is_one_row_as_a_list_and_as_an_object(tmp_path):
    for value in (MESSAGES, {"messages": MESSAGES}):
        for indent in (None, 1):
            assert rows_of(tmp_path / "x.json", json.dumps(value, indent=indent).encode()) == [Row(1, value)]
    lines = "\n".join(json.dumps(MESSAGES) for _ in range(3)).encode()
    assert [row.value for row in rows_of(tmp_path / "x.jsonl", lines)] == [MESSAGES] * 3


def test_csv_tsv_gzip_utf_16_and_parquet(tmp_path):
    as_csv = 'prompt,completion\n"a, b\nc",d\ne,"f ""g"" ü"\n'
    whole = [Row(1, ROWS[0]), Row(2, ROWS[1])]
    for name in ("x.csv", "x"):
        assert rows_of(tmp_path / name, as_csv.encode("utf-8-sig")) == whole
    assert rows_of(tmp_path / "x.tsv", b"q\ta\n1\t2\n") == [Row(1, {"q": "1", "a": "2"})]
    lines = "\n".join(json.dumps(row) for row in ROWS)
    assert rows_of(tmp_path / "x.jsonl.gz", gzip.compress(lines.encode())) == whole
    assert rows_of(tmp_path / "x.jsonl", lines.encode("utf-16")) == whole
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "x.bin")
    assert list(read_rows(str(tmp_path / "x.bin"))) == whole


def test_a_broken_row_is_left_out_with_its_number_and_the_others_are_read(tmp_path):
    data = b'{"a": 1}\n{"a": \n\n\xff\xfe\n{"a": 2}\n'
    first, broken, undecodable, last = rows_of(tmp_path / "x.jsonl", data)
    assert (first, last) == (Row(1, {"a": 1}), Row(5, {"a": 2}))
    assert isinstance(broken, BrokenRow)
    assert (broken.number, broken.reason[:9]) == (2, "not JSON ")
    assert isinstance(undecodable, BrokenRow)
    assert undecodable == BrokenRow(4, "not UTF-8 text (invalid start byte at byte 0)")
    assert rows_of(tmp_path / "x.csv", b"a,b\n1,2\n1,2,3\n4,5\n") == [
        Row(1, {"a": "1", "b": "2"}),
        BrokenRow(2, "3 cells under a header of 2"),
        Row(3, {"a": "4", "b": "5"}),
    ]


def test_text_becomes_rows_at_its_paragraphs(tmp_path):
    paragraph = "Once upon a time, there was a mill. " * 20
    rows = rows_of(tmp_path / "tale.txt", "\n\n".join([paragraph] * 7).encode())
    assert [(row.number, row.ends) for row in rows] == [(1, False), (2, False), (3, True)]
    assert "".join(row.value for row in rows).replace("\n", "") == paragraph * 7
    prose = "Dear reader, this is no table.\nIt has commas, and lines, though."
    assert rows_of(tmp_path / "letter", prose.encode()) == [Row(1, prose)]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.json", b'[{"a": 1},\n {"a": }]', "not JSON: .* in line 2, column 8"),
        ("x.json", b"[" * 100_000, "nested too deeply"),
        ("x.bin", b"\x7fELF\0\0\0", "is not text"),
        ("x.parquet", b"PAR1 and then nothing", "damaged Parquet"),
        ("x.txt", b"caf\xe9", "not UTF-8"),
        ("x.jsonl.gz", b"\x1f\x8b broken", "cannot read"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_refused(tmp_path, name, data, message):
    with pytest.raises(TrainingError, match=message):
        rows_of(tmp_path / name, data)


def test_a_missing_file_is_refused_with_the_form_of_a_hub_name(tmp_path):
    with pytest.raises(TrainingError) as caught:
        list(read_rows(str(tmp_path / "none.jsonl")))
    assert "hf:" in str(caught.value.hint)


def test_an_empty_file_has_no_rows(tmp_path):
    for data in (b"", b"\n \n", b"[]"):
        assert rows_of(tmp_path / "x.json", data) == []


def test_a_damaged_gzip_file_is_told_and_a_text_without_line_breaks_is_text(tmp_path):
    packed = bytearray(gzip.compress(json.dumps(ROWS[0]).encode() * 500))
    packed[20:26] = b"\xff" * 6
    with pytest.raises(TrainingError, match="cannot read"):
        rows_of(tmp_path / "x.jsonl.gz", bytes(packed))
    # Longer than what the csv module takes for one cell; a comma and a second line, as a table has them.
    assert rows_of(tmp_path / "book", b"w" * 200_000 + b",\nthe, end") == [
        Row(1, "w" * 200_000 + ",", ends=False), Row(2, "the, end"),
    ]  # fmt: skip


def test_a_data_set_of_the_hub_is_streamed(tmp_path, monkeypatch):
    # A folder of files is what the library takes for a data set without a network.
    folder = tmp_path / "tales"
    folder.mkdir()
    (folder / "train.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS), "utf-8")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    assert list(read_rows(f"hf:{folder}")) == [Row(1, ROWS[0]), Row(2, ROWS[1])]
    with pytest.raises(TrainingError, match="cannot stream the data set"):
        list(read_rows(f"hf:{folder}@test"))
    with pytest.raises(TrainingError, match="cannot stream the data set"):
        list(read_rows(f"hf:{tmp_path / 'none'}"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=20)
@given(st.lists(st.dictionaries(st.text(max_size=8), json_values, min_size=1, max_size=4), min_size=2, max_size=6))
def test_any_objects_written_as_lines_are_read_back(tmp_path_factory, values):
    file = tmp_path_factory.getbasetemp() / "any.jsonl"
    rows = rows_of(file, "\n".join(json.dumps(value) for value in values).encode())
    assert rows == [Row(number, value) for number, value in enumerate(values, start=1)]

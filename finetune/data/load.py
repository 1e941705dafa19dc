"""Reads rows from JSON, JSON lines, CSV, Parquet and text files, told apart by their content, and from Hugging Face."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from fireside.errors import TrainingError

HUB_PREFIX = "hf:"
"""What begins a source that is a data set's name on Hugging Face and no file: hf:OWNER/NAME, hf:OWNER/NAME:SUBSET,
either with @SPLIT behind it."""

_SAMPLE_BYTES = 256 * 1024
_SAMPLE_LINES = 20
# Text is cut into rows at blank lines, not below this many characters: about 500 tokens.
_TEXT_ROW_CHARACTERS = 2000
# Names under which a JSON document holds its rows, where it is an object and not a list.
_ROWS_KEYS = ("data", "train", "rows", "examples", "records")


@dataclass(frozen=True)
class Row:
    """A row as it was read: a JSON value, or a string in a text file. number: 1-based, in JSON lines the line. ends:
    False in a text file where the text goes on in the next row."""

    number: int
    value: Any
    ends: bool = True


@dataclass(frozen=True)
class BrokenRow:
    """A row that cannot be read or used, and why."""

    number: int
    reason: str


def read_rows(source: str) -> Iterator[Row | BrokenRow]:
    """The rows of a file, or of a data set on Hugging Face (`HUB_PREFIX`), streamed.

    Raises TrainingError: no such file, one that cannot be read at all, a name the Hub does not know, no network.
    """
    if source.startswith(HUB_PREFIX):
        yield from _hub_rows(source.removeprefix(HUB_PREFIX))
        return
    file = Path(source)
    try:
        with file.open("rb") as stream:
            yield from _file_rows(file, stream)
    except FileNotFoundError:
        raise TrainingError(
            f"there is no training data file {file}", f"check the path; a data set of Hugging Face is {HUB_PREFIX}NAME"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TrainingError(f"cannot read {file}: {reason}", "check the path and its permissions") from error


def _file_rows(file: Path, stream: BinaryIO) -> Iterator[Row | BrokenRow]:
    beginning = stream.read(4)
    stream.seek(0)
    if beginning == b"PAR1":
        yield from _parquet_rows(file)
        return
    if beginning[:2] == b"\x1f\x8b":
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=stream))
    elif beginning[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            stream = io.BytesIO(stream.read().decode("utf-16").encode("utf-8"))
        except UnicodeError as error:
            raise TrainingError(f"{file} begins as UTF-16 but is not: {error}", "save it as UTF-8") from error
    sample = stream.read(_SAMPLE_BYTES)
    stream.seek(0)
    if b"\0" in sample:
        raise TrainingError(f"{file} is not text", "JSON, JSON lines, CSV, Parquet and text files can be read")
    name = file.name.lower().removesuffix(".gz")
    if sample.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        yield from _json_lines(stream) if _is_json_lines(sample) else _json_document(file, stream)
    elif name.endswith((".json", ".jsonl", ".ndjson")):
        yield from _json_lines(stream)
    elif delimiter := _delimiter(sample, name):
        yield from _csv_rows(stream, delimiter)
    else:
        yield from _text_rows(file, stream)


def _is_json_lines(sample: bytes) -> bool:
    """Whether most of the first lines are JSON values of their own; the last of a long sample may be cut off."""
    lines = sample.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if len(sample) == _SAMPLE_BYTES and len(lines) > 1:
        lines.pop()
    lines = [line for line in lines if line.strip()][:_SAMPLE_LINES]
    values = [value for value in map(_json_value, lines) if isinstance(value, dict | list)]
    if len(lines) == 1 and values:
        # One line may be a whole file of rows; a list of messages is one row.
        value = values[0]
        return (isinstance(value, dict) and not _rows_of(value)) or _is_messages(value)
    # A list printed with one row a line ends its lines with commas, so those are no values.
    return 2 * len(values) > len(lines) or (bool(values) and not _is_document(sample))


def _is_document(sample: bytes) -> bool:
    """Whether the sample can be the beginning of one JSON document: a list or object that goes on over lines."""
    first = sample.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0].strip()
    return first in (b"[", b"{") or (first.startswith((b"[{", b'{"')) and not first.endswith((b"}", b"]")))


def _json_value(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _is_messages(value: Any) -> bool:
    """Whether a list is one conversation: messages with roles, and not rows."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(item, dict) and ("role" in item or "from" in item) and ("content" in item or "value" in item)
            for item in value
        )
    )


def _rows_of(value: dict[str, Any]) -> list[Any]:
    """The rows in a JSON object that only wraps them, else nothing."""
    for key in _ROWS_KEYS:
        rows = value.get(key)
        if isinstance(rows, list) and rows and all(isinstance(row, dict | list) for row in rows):
            return rows
    return []


def _json_lines(stream: Iterable[bytes]) -> Iterator[Row | BrokenRow]:
    """Only LF ends a line: JSON strings may hold other Unicode separators. Blank lines are skipped."""
    for number, line in enumerate(stream, start=1):
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not line.strip():
            continue
        try:
            yield Row(number, json.loads(line.decode("utf-8")))
        except UnicodeDecodeError as error:
            yield BrokenRow(number, f"not UTF-8 text ({error.reason} at byte {error.start})")
        except json.JSONDecodeError as error:
            yield BrokenRow(number, f"not JSON ({error.msg} at character {error.colno})")
        except RecursionError:
            yield BrokenRow(number, "not JSON (nested too deeply)")
        except ValueError as error:
            # An integer of thousands of digits.
            yield BrokenRow(number, f"not JSON ({error})")


def _json_document(file: Path, stream: BinaryIO) -> Iterator[Row | BrokenRow]:
    data = stream.read()
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise TrainingError(f"{file} is not UTF-8 text: {error.reason}", "save it as UTF-8") from error
    except json.JSONDecodeError as error:
        if file.name.lower().endswith((".jsonl", ".ndjson")):
            yield from _json_lines(io.BytesIO(data))
            return
        raise TrainingError(
            f"{file} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}",
            "mend it there; in JSON lines, where each line is a row, a broken row is only left out",
        ) from error
    except (RecursionError, ValueError) as error:
        raise TrainingError(
            f"{file} is not JSON: it is nested too deeply or holds a huge number",
            "in JSON lines, where each line is a row, such a row is only left out",
        ) from error
    if isinstance(document, dict):
        document = _rows_of(document) or [document]
    elif _is_messages(document):
        document = [document]
    yield from itertools.starmap(Row, enumerate(document, start=1))


def _delimiter(sample: bytes, name: str) -> str:
    """What separates the columns of a CSV file; "" for a text that is none."""
    if name.endswith((".txt", ".md")):
        return ""
    lines = sample.decode("utf-8", "ignore").removeprefix("\ufeff").splitlines()
    if not lines:
        return ""
    best = max((",", "\t", ";"), key=lines[0].count)
    if name.endswith((".csv", ".tsv")):
        return best
    try:
        rows = list(itertools.islice(csv.reader(lines, delimiter=best), 3))
    except csv.Error:
        # Cells longer than the module's limit: a text without line breaks.
        return ""
    # A header is a line of short names; more than one record must agree with it.
    named = all(0 < len(cell.strip()) <= 40 and cell.strip()[-1] not in ".!?" for cell in rows[0])
    return best if len(rows[0]) > 1 and named and len({len(row) for row in rows}) == 1 and len(rows) > 1 else ""


def _csv_rows(stream: BinaryIO, delimiter: str) -> Iterator[Row | BrokenRow]:
    csv.field_size_limit(sys.maxsize)
    # Bytes that are not UTF-8 become lone surrogates, which the mapping of the row refuses.
    with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter)
        header = next(reader, [])
        for number in itertools.count(1):
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield BrokenRow(number, f"not CSV ({error})")
                continue
            if len(cells) == len(header):
                yield Row(number, dict(zip(header, cells, strict=True)))
            elif cells:
                yield BrokenRow(number, f"{len(cells)} cells under a header of {len(header)}")


def _parquet_rows(file: Path) -> Iterator[Row | BrokenRow]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        number = 0
        with ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(batch_size=1000):
                for value in batch.to_pylist():
                    number += 1
                    yield Row(number, value)
    except ArrowException as error:
        raise TrainingError(
            f"{file} is a damaged Parquet file: {str(error).splitlines()[0]}", "get it again, or write it anew"
        ) from error


def _text_rows(file: Path, stream: BinaryIO) -> Iterator[Row | BrokenRow]:
    """Paragraphs, together until they are long enough to learn from. A file without blank lines is cut at its lines."""
    try:
        text = stream.read().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise TrainingError(f"{file} is not UTF-8 text: {error.reason}", "save it as UTF-8") from error
    separator = "\n\n" if "\n\n" in text.strip() else "\n"
    number, gathered = 0, ""
    parts = text.rstrip("\n").split(separator)
    for index, paragraph in enumerate(parts):
        gathered = f"{gathered}{separator}{paragraph}" if gathered else paragraph
        if len(gathered) >= _TEXT_ROW_CHARACTERS and index < len(parts) - 1:
            number += 1
            # The text goes on: no end of it is learnt here.
            yield Row(number, gathered, ends=False)
            gathered = ""
    if gathered.strip():
        yield Row(number + 1, gathered)


def _hub_rows(name: str) -> Iterator[Row | BrokenRow]:
    path, _, split = name.partition("@")
    path, _, subset = path.partition(":")
    hint = f"check the name and the network, or download the data set and name its files; it is {HUB_PREFIX}OWNER/NAME"
    from datasets import load_dataset

    try:
        rows = load_dataset(path, subset or None, split=split or "train", streaming=True)
        for number, value in enumerate(rows, start=1):
            yield Row(number, value)
    except Exception as error:  # the Hub, the network and each file format fail with classes of their own
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise TrainingError(f"cannot stream the data set {path} from Hugging Face: {reason}", hint) from error

"""Reads questions with known answers: the BEIR layout (judged documents) and the span layout (exact characters)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fireside.errors import DocumentError
from rag.evaluate import Span

_LAYOUTS = (
    "it needs corpus.jsonl, queries.jsonl and qrels/*.tsv (BEIR), or questions.jsonl and corpora/ (spans; see "
    "`fireside eval rag --help`)"
)


@dataclass(frozen=True)
class Question:
    """A question and what answers it.

    references: the spans that hold the answer (span layout). relevance: the grade of each judged document by its id
    (BEIR layout). With neither, or grades of 0 alone, nothing in the corpus answers it.
    """

    id: str
    text: str
    references: tuple[Span, ...] = ()
    relevance: Mapping[str, float] = field(default_factory=dict)

    @property
    def answerable(self) -> bool:
        """Whether the corpus holds an answer."""
        return bool(self.references) or any(grade > 0 for grade in self.relevance.values())


@dataclass(frozen=True)
class Corpus:
    """Documents, and the questions asked about them. files: the document's id (BEIR) or file name (spans), by path."""

    name: str
    files: Mapping[Path, str]
    questions: tuple[Question, ...]


def read(folder: Path, work: Path, split: str | None = None) -> list[Corpus]:
    """The corpora of a test set, one for BEIR and one a name for spans.

    BEIR keeps its documents in one file: they are written below `work`, one Markdown file each (title, then text).
    split: which of `qrels/SPLIT.tsv` to read; all of them where None. Raises DocumentError for a folder of neither
    layout, a missing split, and a line that is not as it should be, which it names.
    """
    if (folder / "corpus.jsonl").is_file() and (folder / "queries.jsonl").is_file():
        return [_beir(folder, work, split)]
    if (folder / "questions.jsonl").is_file():
        return _spans(folder)
    raise DocumentError(f"{folder} holds no test set that can be read", _LAYOUTS)


def _beir(folder: Path, work: Path, split: str | None) -> Corpus:
    judged: dict[str, dict[str, float]] = {}
    tables = sorted((folder / "qrels").glob("*.tsv"))
    chosen = [table for table in tables if split is None or table.stem == split]
    if not chosen:
        known = ", ".join(table.stem for table in tables) or "none"
        raise DocumentError(f"{folder / 'qrels'} has no table {split or '*'}.tsv", f"splits there: {known}")
    for table in chosen:
        for number, line in enumerate(table.read_text("utf-8").splitlines(), start=1):
            if number == 1 or not line.strip():
                continue
            cells = line.split("\t")
            try:
                judged.setdefault(cells[0], {})[cells[1]] = float(cells[2])
            except (IndexError, ValueError):
                raise DocumentError(
                    f"{table}, line {number}: not a query, a document and a grade with tabs between", _LAYOUTS
                ) from None
    questions = tuple(
        Question(query, text, relevance=judged[query])
        for query, text in _fields(folder / "queries.jsonl", "_id", "text")
        if query in judged
    )
    work.mkdir(parents=True, exist_ok=True)
    files: dict[Path, str] = {}
    for number, (name, title, text) in enumerate(_fields(folder / "corpus.jsonl", "_id", "title", "text")):
        # The id may hold any character; a number is a file name everywhere.
        file = work / f"{number:07}.md"
        heading = " ".join(title.split())
        file.write_text(f"# {heading}\n\n{text}\n" if heading else f"{text}\n", "utf-8", newline="")
        files[file] = name
    return Corpus(folder.parent.name if folder.name == "beir" else folder.name, files, questions)


def _spans(folder: Path) -> list[Corpus]:
    questions: dict[str, list[Question]] = {}
    table = folder / "questions.jsonl"
    paths: dict[str, Path] = {}
    for number, item in _lines(table):
        try:
            corpus, text = str(item["corpus"]), str(item["question"])
            spans = [(int(each["start_index"]), int(each["end_index"])) for each in item["references"]]
        except (KeyError, TypeError, ValueError):
            raise DocumentError(f"{table}, line {number}: no corpus, question and references", _LAYOUTS) from None
        if corpus not in paths:
            found = sorted(path for path in (folder / "corpora").glob("*") if path.stem == corpus)
            if not found:
                raise DocumentError(f"{table}, line {number}: there is no file corpora/{corpus}.*", _LAYOUTS)
            paths[corpus] = found[0]
        references = tuple(Span(paths[corpus].name, start, end) for start, end in spans)
        questions.setdefault(corpus, []).append(Question(str(item.get("id", number)), text, references))
    return [Corpus(name, {paths[name]: paths[name].name}, tuple(asked)) for name, asked in questions.items()]


def _fields(path: Path, *names: str) -> Iterator[tuple[str, ...]]:
    """These fields of each line; only `title` may be missing."""
    for number, item in _lines(path):
        try:
            yield tuple(str(item.get(name, "") if name == "title" else item[name]) for name in names)
        except KeyError as error:
            raise DocumentError(f"{path}, line {number}: there is no {error}", _LAYOUTS) from None


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file of JSON lines, with their line numbers."""
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                item = json.loads(line)
            except ValueError:
                item = None
            if not isinstance(item, dict):
                raise DocumentError(f"{path}, line {number}: not a JSON object", _LAYOUTS)
            yield number, item

"""Prepares data for training: reads sources, runs the steps one after another, splits, and writes what came of it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from finetune.data.clean import (
    drop_repetition,
    limit_lengths,
    pair_turns,
    repair,
    tag_languages,
    tag_placeholders,
)
from finetune.data.conversation import Conversation, as_json
from finetune.data.dedup import THRESHOLD, drop_exact_copies, drop_leaks, drop_near_copies
from finetune.data.load import HUB_PREFIX, read_rows
from finetune.data.map import Fields, Format, map_rows
from finetune.data.report import Step, StepReport, apply
from finetune.data.safe import drop_personal, mask_personal, tag_toxic
from finetune.data.split import Split, mix, split_by_hash
from fireside import atomic
from fireside.errors import StorageError, TrainingError

TRAIN, HELD_BACK, DROPPED, REPORT = "train.jsonl", "held_back.jsonl", "dropped.jsonl", "report.json"

Personal = Literal["mask", "drop", "keep"]


@dataclass(frozen=True)
class Preparation:
    """How data is prepared.

    form, fields: of the rows, where they are not to be told by themselves. languages: ISO 639-1 codes to keep, none
    for all. shortest, longest: characters to learn, and of a whole row. near: the least likeness of a copy, 0 to 1, or
    None to keep near copies. personal: what becomes of personal data. evaluation: texts that must not be trained on.
    weights: of sources by name, 1 where not named. held_back: share of the rows. limit: rows of each source, or None.
    """

    form: Format | None = None
    fields: Fields = field(default_factory=Fields)
    languages: tuple[str, ...] = ()
    shortest: int = 1
    longest: int = 200_000
    near: float | None = THRESHOLD
    personal: Personal = "mask"
    evaluation: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    held_back: float = 0.1
    limit: int | None = None


@dataclass(frozen=True)
class Prepared:
    """All rows, the dropped ones too, the split of the others, and what each step did."""

    rows: tuple[Conversation, ...]
    split: Split
    reports: tuple[StepReport, ...]


def prepare(
    sources: Sequence[str], preparation: Preparation, told: Callable[[StepReport], None] = lambda report: None
) -> Prepared:
    """Read, clean, mix and split `sources`. told: called with each step's report as soon as there is one.

    Raises TrainingError: a source cannot be read, or nothing is left to train on.
    """
    rows, report = read_sources(sources, preparation)
    reports = [report]
    told(report)
    for name, step in steps(preparation):
        rows, report = apply(name, step, rows)
        reports.append(report)
        told(report)
    kept = [row for row in rows if row.dropped is None]
    if not kept:
        raise TrainingError(
            "no row is left to train on", "see above which step dropped them, and set it otherwise: data prepare --help"
        )
    split = split_by_hash(kept, preparation.held_back)
    return Prepared(tuple(rows), split, tuple(reports))


def read_sources(sources: Sequence[str], preparation: Preparation) -> tuple[list[Conversation], StepReport]:
    """The rows of all sources as conversations, broken ones dropped, and how many there were of each kind.

    Raises TrainingError: a source cannot be read, holds no rows, or none of all rows can be used.
    """
    rows: list[Conversation] = []
    read = hashlib.sha256()
    names = source_names(sources)
    for source, name in zip(sources, names, strict=True):
        raw = read_rows(source)
        found = list(map_rows(_first(raw, preparation.limit), name, preparation.form, preparation.fields))
        if not found:
            raise TrainingError(f"{source} holds no rows", "check that it is the right file")
        rows += found
        if not source.startswith(HUB_PREFIX):
            with Path(source).open("rb") as stream:
                read.update(hashlib.file_digest(stream, "sha256").digest())
    kept, report = apply("load and map", list, rows)
    broken = [row for row in kept if row.dropped is not None]
    if len(broken) == len(kept):
        first = broken[0]
        more = f"; the other {len(broken) - 1} neither" if len(broken) > 1 else ""
        raise TrainingError(
            f"{first.where} cannot be used: {_reason(first)}{more}",
            "if other fields hold its parts, name them, as --field prompt=FIELD --field completion=FIELD",
        )
    details: dict[str, Any] = {
        "sources": dict(Counter(row.source for row in kept)),
        "kinds": dict(Counter(row.kind for row in kept if row.dropped is None)),
    }
    report = StepReport(
        step=report.step,
        entered=len(kept),
        kept=report.kept,
        dropped={"broken": len(broken)} if broken else {},
        tagged=dict(Counter(tag for row in kept for tag in row.tags)),
        examples={"broken": [f"{row.where}: {row.dropped}" for row in broken[:5]]} if broken else {},
        details=details,
        sha256_in=read.hexdigest(),
        sha256_out=report.sha256_out,
    )
    return kept, report


def _reason(row: Conversation) -> str:
    """Why a broken row is, without the words that mark it as one."""
    return (row.dropped or "").removeprefix("broken (").removesuffix(")")


def source_names(sources: Sequence[str]) -> list[str]:
    """What each source is called in rows and weights: its file's name, or where two have the same, its path."""
    short = [source if source.startswith(HUB_PREFIX) else Path(source).name for source in sources]
    return [name if short.count(name) == 1 else source for name, source in zip(short, sources, strict=True)]


def steps(preparation: Preparation) -> Iterator[tuple[str, Step]]:
    """The steps in their order: what is alike is looked for in clean text, and masked before it is written."""
    p = preparation
    yield "repair", repair
    yield "turns", pair_turns
    yield "lengths", partial(limit_lengths, shortest=p.shortest, longest=p.longest)
    yield "repetition", drop_repetition
    yield "languages", partial(tag_languages, keep=p.languages)
    yield "placeholders", tag_placeholders
    yield "copies", drop_exact_copies
    if p.near is not None:
        yield "near copies", partial(drop_near_copies, threshold=p.near)
    if p.evaluation:
        yield "evaluation items", partial(drop_leaks, items=p.evaluation)
    if p.personal != "keep":
        yield "personal data", mask_personal if p.personal == "mask" else drop_personal
    yield "toxic language", tag_toxic
    if p.weights:
        yield "mix", partial(mix, weights=p.weights)


def write_prepared(folder: Path, prepared: Prepared) -> dict[str, Any]:
    """Write the rows to train on, those held back, the dropped ones and the report; return the report.

    Each file is written whole or not at all. Raises StorageError.
    """
    files = {
        TRAIN: _lines(prepared.split.train, repeated=True),
        HELD_BACK: _lines(prepared.split.held_back, repeated=False),
        DROPPED: _lines([row for row in prepared.rows if row.dropped is not None], repeated=False),
    }
    report = report_json(prepared) | {
        "files": {name: hashlib.sha256(text.encode("utf-8")).hexdigest() for name, text in files.items()}
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            atomic.write_text(folder / name, text)
        atomic.write_text(folder / REPORT, json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        raise StorageError(f"cannot write the data to {folder}: {error.strerror}", "choose another --output") from error
    return report


def report_json(prepared: Prepared) -> dict[str, Any]:
    """What was done and what came of it, as JSON."""
    by_side = {"train": prepared.split.train, "held_back": prepared.split.held_back}
    return {
        "rows": len(prepared.rows),
        **{side: len(rows) for side, rows in by_side.items()},
        "dropped": sum(row.dropped is not None for row in prepared.rows),
        "by_source": {
            source: {side: sum(row.source == source for row in rows) for side, rows in by_side.items()}
            for source in dict.fromkeys(row.source for row in prepared.rows)
        },
        "steps": [report.as_json() for report in prepared.reports],
    }


def _lines(rows: Iterable[Conversation], *, repeated: bool) -> str:
    """Rows as JSON lines; repeated: each as often as it comes in an epoch."""
    lines = [json.dumps(as_json(row), ensure_ascii=False) for row in rows for _ in range(row.copies if repeated else 1)]
    return "".join(f"{line}\n" for line in lines)


def _first(rows: Iterator[Any], limit: int | None) -> Iterator[Any]:
    for index, row in enumerate(rows):
        if limit is not None and index >= limit:
            return
        yield row

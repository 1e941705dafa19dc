"""What the person decided about tools for good, kept for each folder in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from agents.approval import Rule
from fireside import paths
from fireside.database import Database, Migration

APPLICATION_ID = 0x46495241
"""Marks the file as Fireside's approvals ("FIRA") in SQLite's header."""

_MIGRATIONS: Sequence[Migration] = (
    (
        """
        CREATE TABLE rules (
            id INTEGER PRIMARY KEY,
            folder TEXT NOT NULL,
            tool TEXT NOT NULL,
            arguments TEXT NOT NULL,
            decision TEXT NOT NULL CHECK (decision IN ('allow', 'ask', 'deny')),
            decided REAL NOT NULL,
            UNIQUE (folder, tool, arguments)
        )
        """,
    ),
    ("ALTER TABLE rules ADD COLUMN exactly INTEGER NOT NULL DEFAULT 0",),
)


@dataclass(frozen=True)
class Remembered:
    """A rule that is kept. folder: where it holds, "" for a chat without a folder. decided: Unix time."""

    id: int
    folder: str
    rule: Rule
    decided: float


def rules_for(folder: Path | None) -> tuple[Rule, ...]:
    """The rules that hold for this folder; those of other folders do not, not even of the ones around it.

    Raises StorageError.
    """
    return tuple(each.rule for each in everything() if each.folder == _key(folder))


def everything() -> list[Remembered]:
    """All that is kept, by folder, the oldest first. Raises StorageError."""
    if not paths.approvals_database().is_file():
        return []
    with _opened() as database:
        rows = database.read("SELECT * FROM rules ORDER BY folder, id")
    return [Remembered(row["id"], row["folder"], _rule(row), row["decided"]) for row in rows]


def remember(rule: Rule, folder: Path | None) -> None:
    """Keep a rule for this folder, in the place of an earlier one about the same calls. Raises StorageError."""
    arguments = json.dumps(dict(rule.arguments), ensure_ascii=False, sort_keys=True)
    with _opened() as database, database.transaction() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO rules (folder, tool, arguments, decision, decided, exactly) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (_key(folder), rule.tool, arguments, rule.decision, time.time(), rule.exactly),
        )


def forget(number: int) -> bool:
    """Drop the rule of this id; False where there is none. Raises StorageError."""
    with _opened() as database, database.transaction() as connection:
        return connection.execute("DELETE FROM rules WHERE id = ?", (number,)).rowcount > 0


def _rule(row: sqlite3.Row) -> Rule:
    return Rule(row["tool"], row["decision"], json.loads(row["arguments"]), bool(row["exactly"]))


def _key(folder: Path | None) -> str:
    return "" if folder is None else str(folder.resolve())


def _opened() -> closing[Database]:
    # FULL: what was decided about a tool must not be lost in a power cut.
    return closing(
        Database(paths.approvals_database(), application_id=APPLICATION_ID, migrations=_MIGRATIONS, synchronous="FULL")
    )

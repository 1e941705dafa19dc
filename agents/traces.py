"""The runs that are kept: every turn that could call tools, its events with their times, approvals and last state."""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents import event_json
from agents.events import ApprovalAsked, Event, TurnFinished
from agents.state import VERSION as STATE_VERSION
from agents.state import RunState, from_json
from fireside import paths
from fireside.database import Database, Migration, storable
from fireside.errors import FiresideError
from fireside.models.sampling import Sampling
from fireside.models.types import Message, Usage

if TYPE_CHECKING:
    from pydantic import TypeAdapter

APPLICATION_ID = 0x46495254
"""Marks the file as Fireside's traces ("FIRT") in SQLite's header."""

MOST_RUNS = 1000
"""Runs that are kept; older ones go when a new one begins."""
MOST_CHARACTERS = 200_000_000
"""Of JSON in all runs together, at most, by the same rule."""

_MIGRATIONS: Sequence[Migration] = (
    (
        """
        CREATE TABLE runs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            parent INTEGER REFERENCES runs (id) ON DELETE SET NULL,
            origin TEXT NOT NULL,
            conversation INTEGER,
            message INTEGER,
            question TEXT NOT NULL,
            model TEXT NOT NULL,
            held TEXT NOT NULL,
            started REAL NOT NULL,
            ended REAL,
            finish TEXT,
            usage TEXT,
            state TEXT,
            size INTEGER NOT NULL DEFAULT 0
        )
        """,
        "CREATE INDEX runs_of_a_message ON runs (conversation, message)",
        """
        CREATE TABLE events (
            run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            at REAL NOT NULL,
            tokens INTEGER NOT NULL,
            version INTEGER NOT NULL,
            kind TEXT NOT NULL,
            event TEXT NOT NULL,
            PRIMARY KEY (run, number)
        )
        """,
        # A state grows with every step; its messages are kept one by one, so that a step writes what is new.
        """
        CREATE TABLE messages (
            run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            message TEXT NOT NULL,
            PRIMARY KEY (run, number)
        )
        """,
        """
        CREATE TABLE approvals (
            id INTEGER PRIMARY KEY,
            run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            asked TEXT NOT NULL,
            answer TEXT NOT NULL,
            answered_by TEXT NOT NULL,
            at REAL NOT NULL
        )
        """,
        "CREATE INDEX approvals_of_a_run ON approvals (run)",
    ),
)


@dataclass(frozen=True)
class Held:
    """What a run is held with, as far as it can be found again by name to go on.

    sampling, max_tokens: the turn's; None in runs of a Fireside that did not keep them.
    """

    tools: tuple[str, ...] = ()
    folder: str | None = None
    library: str | None = None
    adapters: tuple[str, ...] = ()
    plans: bool = False
    delegates: bool = False
    sampling: Sampling | None = None
    max_tokens: int | None = None


@dataclass(frozen=True)
class Run:
    """One turn that is kept.

    parent: the run that this one goes on from. origin: "chat" or "ask". started, ended: Unix time; not ended: it is
    under way, or its program died. finish: the turn's, or "failed", or "stopped" where it was closed early.
    """

    id: int
    parent: int | None
    origin: str
    conversation: int | None
    message: int | None
    question: str
    model: str
    held: Held
    started: float
    ended: float | None
    finish: str | None
    usage: Usage | None


@dataclass(frozen=True)
class KeptEvent:
    """An event, `at` seconds after the run began, when the model had written so many tokens as far as was known."""

    at: float
    tokens: int
    event: Event


@dataclass(frozen=True)
class Answered:
    """What became of a question to the person: the answer, by whom, and how many seconds after the run began."""

    asked: ApprovalAsked
    answer: str
    by: str
    at: float


@dataclass(frozen=True)
class Begun:
    """What is known of a run when it begins."""

    origin: str
    question: str
    model: str
    held: Held = field(default_factory=Held)
    conversation: int | None = None
    message: int | None = None
    parent: int | None = None


class Traces:
    """The open file of traces. Any thread may call any method; every one raises StorageError."""

    def __init__(self, path: Path | None = None) -> None:
        """Open or create the file, by default in FIRESIDE_HOME."""
        self._path = path or paths.traces_database()
        self._database = Database(self._path, application_id=APPLICATION_ID, migrations=_MIGRATIONS)
        self._durable: Database | None = None

    def close(self) -> None:
        """Close the file."""
        self._database.close()
        if self._durable is not None:
            self._durable.close()

    def begin(self, begun: Begun, most_runs: int = MOST_RUNS, most_characters: int = MOST_CHARACTERS) -> int:
        """Begin a run and return its id; the oldest ones go where there are too many."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM runs WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER newest AS place, "
                "sum(size) OVER newest AS total FROM runs WINDOW newest AS (ORDER BY id DESC)) "
                "WHERE place >= ? OR total > ?)",
                (most_runs, most_characters),
            )
            row = connection.execute(
                "INSERT INTO runs (parent, origin, conversation, message, question, model, held, started) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    begun.parent,
                    begun.origin,
                    begun.conversation,
                    begun.message,
                    storable(begun.question),
                    begun.model,
                    _json(dataclasses.asdict(begun.held)),
                    time.time(),
                ),
            )
        assert row.lastrowid is not None
        return row.lastrowid

    def add(self, run: int, first: int, events: Iterable[KeptEvent]) -> None:
        """Keep events, numbered from `first`."""
        rows = [
            (run, first + place, each.at, each.tokens, event_json.VERSION, type(each.event).__name__, text)
            for place, each in enumerate(events)
            for text in (_json(event_json.pack(each.event)),)
        ]
        with self._database.transaction() as connection:
            connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            connection.execute("UPDATE runs SET size = size + ? WHERE id = ?", (sum(len(row[6]) for row in rows), run))

    def keep_state(self, run: int, state: RunState, kept: Sequence[Message] = ()) -> None:
        """Keep where the run stands. kept: the messages of the state that was kept before."""
        new = [
            (run, number, text)
            for number, message in enumerate(state.messages)
            if number >= len(kept) or message is not kept[number]
            for text in (_json({**vars(message), "calls": [vars(call) for call in message.calls]}),)
        ]
        # `asdict` would copy every argument of every call, each time.
        rest = {**vars(state), "version": STATE_VERSION, "spent": vars(state.spent)}
        rest |= {name: [vars(call) for call in rest[name]] for name in ("calls", "pending")}
        del rest["messages"]
        with self._database.transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO messages VALUES (?, ?, ?)", new)
            if len(kept) > len(state.messages):
                connection.execute("DELETE FROM messages WHERE run = ? AND number >= ?", (run, len(state.messages)))
            size = sum(len(row[2]) for row in new)
            connection.execute("UPDATE runs SET state = ?, size = size + ? WHERE id = ?", (_json(rest), size, run))

    def keep_answer(self, run: int, answered: Answered) -> None:
        """Keep an answer for good: on disk, and not only on its way there, when this returns."""
        if self._durable is None:
            self._durable = Database(
                self._path, application_id=APPLICATION_ID, migrations=_MIGRATIONS, synchronous="FULL"
            )
        asked = _json(event_json.pack(answered.asked))
        with self._durable.transaction() as connection:
            connection.execute(
                "INSERT INTO approvals (run, asked, answer, answered_by, at) VALUES (?, ?, ?, ?, ?)",
                (run, asked, answered.answer, answered.by, answered.at),
            )
            connection.execute("UPDATE runs SET size = size + ? WHERE id = ?", (len(asked), run))

    def end(self, run: int, finish: str, finished: TurnFinished | None = None) -> None:
        """Note the run's end."""
        usage = None if finished is None else _json(dataclasses.asdict(finished.usage))
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE runs SET ended = ?, finish = ?, usage = ? WHERE id = ?", (time.time(), finish, usage, run)
            )

    def runs(self, most: int = MOST_RUNS) -> list[Run]:
        """The runs, the newest first."""
        return [_run(row) for row in self._database.read("SELECT * FROM runs ORDER BY id DESC LIMIT ?", (most,))]

    def run(self, number: int) -> Run:
        """One run. Raises FiresideError where there is none."""
        rows = self._database.read("SELECT * FROM runs WHERE id = ?", (number,))
        if not rows:
            raise FiresideError(f"there is no run {number}", "fireside traces list shows those that are kept")
        return _run(rows[0])

    def run_of(self, conversation: int, message: int) -> Run | None:
        """The last run that wrote this message."""
        rows = self._database.read(
            "SELECT * FROM runs WHERE conversation = ? AND message = ? ORDER BY id DESC LIMIT 1",
            (conversation, message),
        )
        return _run(rows[0]) if rows else None

    def events(self, run: int) -> list[KeptEvent]:
        """What happened, in order. Raises FiresideError where a newer Fireside kept it."""
        rows = self._database.read("SELECT * FROM events WHERE run = ? ORDER BY number", (run,))
        return [KeptEvent(row["at"], row["tokens"], event_json.unpack(json.loads(row["event"]))) for row in rows]

    def answers(self, run: int) -> list[Answered]:
        """The answers to what was asked, in order."""
        rows = self._database.read("SELECT * FROM approvals WHERE run = ? ORDER BY id", (run,))
        answered = []
        for row in rows:
            asked = event_json.unpack(json.loads(row["asked"]))
            assert isinstance(asked, ApprovalAsked)
            answered.append(Answered(asked, row["answer"], row["answered_by"], row["at"]))
        return answered

    def state(self, run: int) -> RunState | None:
        """Where the run stood last; None where it had not come so far. Raises FiresideError for a newer one."""
        row = self._database.read("SELECT state FROM runs WHERE id = ?", (run,))[0]
        if row["state"] is None:
            return None
        messages = self._database.read("SELECT message FROM messages WHERE run = ? ORDER BY number", (run,))
        document = json.loads(row["state"]) | {"messages": [json.loads(each["message"]) for each in messages]}
        return from_json(_json(document))

    def forget(self, *, run: int | None = None, conversation: int | None = None) -> int:
        """Drop one run, or those of a conversation; return how many these were."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM runs WHERE id = ? OR conversation = ?", (run, conversation)).rowcount


def forget_conversation(conversation: int) -> None:
    """Drop the runs of a conversation that is deleted. Raises StorageError."""
    if paths.traces_database().is_file():
        with closing(Traces()) as traces:
            traces.forget(conversation=conversation)


def _run(row: Any) -> Run:
    values = {key: row[key] for key in row.keys() if key not in ("held", "usage", "state", "size")}  # noqa: SIM118 - a row is no dict
    held = _held().validate_python(json.loads(row["held"]))
    usage = None if row["usage"] is None else Usage(**json.loads(row["usage"]))
    return Run(**values, held=held, usage=usage)


@functools.cache
def _held() -> TypeAdapter[Held]:
    from pydantic import TypeAdapter

    return TypeAdapter(Held)


def _json(document: object) -> str:
    return storable(json.dumps(document, ensure_ascii=False, default=str))

"""What the worker sends for a reply: text is collected, and nothing of it is lost at the end."""

from __future__ import annotations

import json
import os
from typing import Any

from fireside.errors import ModelError
from fireside.models.types import Delta, Finished, Thinking, Timings, Usage
from fireside.models.worker import Worker, _Outgoing


def sent(*outcomes: Any) -> list[dict[str, Any]]:
    """The answers to one request with these outcomes, told at once."""
    reading, writing = os.pipe()
    worker = Worker(writing)
    worker._outgoing[1] = _Outgoing()
    for outcome in outcomes:
        worker._tell(1, outcome)
        worker._send_texts()
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        return [json.loads(line) for line in stream]


def text(answers: list[dict[str, Any]]) -> str:
    return "".join(answer.get("text", "") for answer in answers)


def test_text_that_waits_is_sent_before_the_end_and_before_an_error() -> None:
    pieces = [Delta(letter) for letter in "fire\x1b"]
    finished = sent(*pieces, Finished("stop", Usage(1, 0, 5), Timings(0.0, 0.0, 0.0)))
    failed = sent(*pieces, ModelError("no luck", "try again"))
    assert text(finished) == text(failed)
    assert text(failed).startswith("fire")
    assert "error" in failed[-1]
    assert len(failed) < 5


def test_a_thought_cut_before_the_reply_is_told_before_it() -> None:
    answers = sent(Thinking("hm\r"), Delta("Hi"), Delta("!"), Finished("stop", Usage(1, 0, 3), Timings(0.0, 0.0, 0.0)))
    told = [next(key for key in ("thinking", "text", "finished") if key in answer) for answer in answers]
    assert told == sorted(told, key=["thinking", "text", "finished"].index)
    assert text(answers) == "Hi!"


def test_replies_at_once_are_told_in_one_write() -> None:
    reading, writing = os.pipe()
    worker = Worker(writing)
    for number in (1, 2):
        worker._outgoing[number] = _Outgoing()
        worker._tell(number, Delta(f"reply {number}"))
    worker._send_texts()
    data = os.read(reading, 65536)
    assert [json.loads(line)["id"] for line in data.splitlines()] == [1, 2]
    os.close(reading)
    os.close(writing)

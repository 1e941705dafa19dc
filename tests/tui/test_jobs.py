"""Work in threads: how far it is, cancelling, ends of every kind."""

from __future__ import annotations

import threading

import pytest

from fireside.errors import FiresideError, StorageError
from tui.jobs import Cancelled, Job, Jobs, Update
from tui.listed.job_line import duration, written
from tui.theme import DARK

COLOURS = {**DARK.variables, "foreground": "#ffffff", "error": "#ff0000", "success": "#00ff00"}


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def ended(job: Job) -> Job:
    assert job.wait(10)
    return job


def test_what_comes_of_the_work_is_kept() -> None:
    jobs = Jobs()
    assert jobs.of("pull") is None
    job = jobs.begin("pull", Job("pulling"), lambda update: "all is here")
    assert (ended(job).state, job.text, jobs.of("pull")) == ("done", "all is here", job)


def test_a_failure_and_a_fault_are_problems_not_tracebacks() -> None:
    def fails(update: Update) -> str:
        raise StorageError("the disk is full", "make room")

    def breaks(update: Update) -> str:
        raise ZeroDivisionError("division by zero")

    jobs = Jobs()
    failed, broken = jobs.begin("a", Job("a"), fails), jobs.begin("b", Job("adding"), breaks)
    assert (ended(failed).state, ended(broken).state) == ("failed", "failed")
    assert failed.problem is not None
    assert failed.problem.hint == "make room"
    assert broken.problem is not None
    assert broken.problem.message == "adding ended by itself: division by zero"
    assert "✗ the disk is full; make room" in written(failed, 80, COLOURS).plain


def test_one_at_a_time_on_one_thing_and_it_ends_when_it_is_cancelled() -> None:
    def work(update: Update) -> str:
        while True:
            update(1, 2)

    jobs = Jobs()
    job = jobs.begin("pull", Job("pulling"), work)
    with pytest.raises(FiresideError, match="pulling is under way"):
        jobs.begin("pull", Job("pulling"), work)
    job.cancel()
    assert ended(job).state == "cancelled"
    assert ended(jobs.begin("pull", Job("pulling"), lambda update: "")).state == "done"


async def test_closing_cancels_what_runs() -> None:
    go = threading.Event()

    def work(update: Update) -> str:
        go.wait(10)
        update(0, 0)
        return "never"

    jobs = Jobs()
    job = jobs.begin("pull", Job("pulling"), work)
    go.set()
    await jobs.close()
    assert job.state in ("cancelled", "done")


def test_rate_and_time_left_are_of_what_it_has_done_itself() -> None:
    clock = Clock()
    job = Job("pulling qwen", "MB", scale=1000, clock=clock)
    assert (job.rate, job.seconds_left) == (0, None)
    job.update(40_000, 100_000)  # that much was there already
    clock.now += 10
    job.update(60_000, 100_000)
    assert job.rate == 2000
    assert job.seconds_left == 20
    line = written(job, 100, COLOURS).plain
    assert line.startswith("pulling qwen  ━━━")
    assert line.endswith("60%  60 of 100 MB  2.0 MB/s  20 s left")
    assert len(line) <= 100
    assert written(job, 40, COLOURS).plain.endswith("60%  20 s left")


def test_without_a_total_the_time_is_told() -> None:
    clock = Clock()
    job = Job("checking", clock=clock)
    clock.now += 65
    assert written(job, 60, COLOURS).plain == "checking  1 min …"
    job.cancel()
    assert written(job, 60, COLOURS).plain == "checking  cancelling …"
    with pytest.raises(Cancelled):
        job.update(0, 0)


def test_a_name_from_elsewhere_is_harmless() -> None:
    assert "\x1b" not in written(Job("pulling \x1b[2Jx"), 60, COLOURS).plain


@pytest.mark.parametrize(("seconds", "told"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min"), (7500, "2 h 5 min")])
def test_durations(seconds: float, told: str) -> None:
    assert duration(seconds) == told

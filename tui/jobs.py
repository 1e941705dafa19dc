"""Work that takes minutes, in threads that outlive the screen that began them: how far each is, and how it ended."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from fireside.errors import FiresideError

State = Literal["running", "done", "failed", "cancelled"]
Update = Callable[[int, int], None]
"""Called by the work with what is done and what there is in all; raises Cancelled where the person has had enough."""

_CLOSING_S = 2.0
_TELLING_S = 0.5  # so long a rate has to be watched before it says anything


class Cancelled(FiresideError):
    """The person has ended the work. What it had done is kept as far as the work says."""


@dataclass
class Job:
    """One piece of work. title: what it does, `pulling qwen`. unit: of `done` and `total`, "" where it cannot tell.

    scale: how many of the work's own steps a unit has. total: in steps, 0 until it is known. text: what came of it, in
    a line. problem: why it failed.
    """

    title: str
    unit: str = ""
    scale: int = 1
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    total: int = 0
    state: State = "running"
    text: str = ""
    problem: FiresideError | None = None
    began: float = field(init=False)
    _first: tuple[float, int] | None = None
    _enough: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """The time counts from now on."""
        self.began = self.clock()

    def start(self, work: Callable[[Update], str]) -> None:
        """Begin `work` in a thread; what it returns is the job's text. Whatever it raises is the job's problem."""
        threading.Thread(target=self._run, args=(work,), name=self.title, daemon=True).start()

    def update(self, done: int, total: int) -> None:
        """Told by the work. Raises Cancelled."""
        self.done, self.total = done, total
        if self._first is None:
            self._first = self.clock(), done
        if self._enough.is_set():
            raise Cancelled(f"{self.title} was cancelled")

    def cancel(self) -> None:
        """Ask it to end at its next step."""
        self._enough.set()

    @property
    def cancelling(self) -> bool:
        """Whether it was asked to end and has not yet."""
        return self._enough.is_set() and self.state == "running"

    @property
    def rate(self) -> float:
        """Steps a second since the first step; 0 where that is not known yet."""
        if self._first is None:
            return 0.0
        seconds = self.clock() - self._first[0]
        return (self.done - self._first[1]) / seconds if seconds >= _TELLING_S else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Until it is done, at the rate it has had; None where nobody can tell."""
        rate = self.rate
        return max(self.total - self.done, 0) / rate if rate > 0 and self.total else None

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self.clock() - self.began

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within so many seconds."""
        return self._over.wait(seconds)

    def _run(self, work: Callable[[Update], str]) -> None:
        try:
            self.text = work(self.update)
            self.state = "done"
        except Cancelled as cancelled:
            self.text, self.state = cancelled.hint or "", "cancelled"
        except FiresideError as error:
            self.problem, self.state = error, "failed"
        except Exception as error:  # a thread's own traceback would be written over the screen
            self.problem = FiresideError(f"{self.title} ended by itself: {error}", "try again")
            self.state = "failed"
        finally:
            self._over.set()


class Jobs:
    """The jobs of a chat, by what each works on; one at a time for each."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def begin(self, key: str, job: Job, work: Callable[[Update], str]) -> Job:
        """Start `job` on `key`. Raises FiresideError where one is at work on it already."""
        running = self._jobs.get(key)
        if running is not None and running.state == "running":
            raise FiresideError(f"{running.title} is under way", "wait until it has ended, or cancel it")
        self._jobs[key] = job
        job.start(work)
        return job

    def of(self, key: str) -> Job | None:
        """The last job on `key`."""
        return self._jobs.get(key)

    async def close(self) -> None:
        """Cancel what runs, and give it a moment to let go of its files."""
        running = [job for job in self._jobs.values() if job.state == "running"]
        for job in running:
            job.cancel()
        for job in running:
            await asyncio.to_thread(job.wait, _CLOSING_S)

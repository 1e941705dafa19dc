"""Word goals: how far the writing has come, in this session, today and in all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, tzinfo


@dataclass(frozen=True)
class Progress:
    """Words written of words wanted; `wanted` 0: no goal. `written` is below 0 where more was cut than written."""

    written: int
    wanted: int = 0

    @property
    def share(self) -> float:
        """From 0 to 1; 0 without a goal."""
        return min(1.0, max(0.0, self.written / self.wanted)) if self.wanted > 0 else 0.0

    @property
    def reached(self) -> bool:
        """Whether there is a goal, and it is reached."""
        return self.wanted > 0 and self.written >= self.wanted


@dataclass(frozen=True)
class Count:
    """How many words a story had at `time` (seconds since the epoch)."""

    time: float
    words: int


def written_since(counts: Iterable[Count], since: float, now: int) -> int:
    """Words that came since `since`, where the story has `now` words; below 0 where it became shorter.

    counts: in order of time. A story that is younger than `since` began with 0 words.
    """
    before = [count.words for count in counts if count.time <= since]
    return now - (before[-1] if before else 0)


def written_on(counts: Iterable[Count], day: date, zone: tzinfo | None = None) -> int:
    """Words that came on `day`, in time zone `zone` (None: this machine's)."""
    known = list(counts)
    until = [count.words for count in known if _day(count.time, zone) <= day]
    before = [count.words for count in known if _day(count.time, zone) < day]
    return (until[-1] if until else 0) - (before[-1] if before else 0)


def days_in_a_row(counts: Iterable[Count], today: date, goal: int, zone: tzinfo | None = None) -> int:
    """Days up to today on which at least `goal` words (1 without a goal) came; today breaks nothing while it lasts."""
    known = list(counts)
    day = today.toordinal()
    row = 0
    if written_on(known, today, zone) >= max(1, goal):
        row = 1
    for earlier in range(day - 1, 0, -1):
        if written_on(known, date.fromordinal(earlier), zone) < max(1, goal):
            break
        row += 1
    return row


def _day(time: float, zone: tzinfo | None) -> date:
    return datetime.fromtimestamp(time, zone).date()

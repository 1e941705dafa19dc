"""Word goals."""

from __future__ import annotations

from datetime import UTC, date, datetime

from fireside.stories.goals import Count, Progress, days_in_a_row, written_on, written_since


def at(day: int, hour: int, words: int) -> Count:
    return Count(datetime(2026, 3, day, hour, tzinfo=UTC).timestamp(), words)


COUNTS = [at(1, 9, 100), at(1, 20, 400), at(2, 8, 350), at(2, 23, 900), at(4, 7, 1000)]


def test_words_of_a_day_and_of_a_session() -> None:
    days = [date(2026, 3, day) for day in range(1, 5)]
    assert [written_on(COUNTS, day, UTC) for day in days] == [400, 500, 0, 100]
    assert written_since(COUNTS, COUNTS[3].time, 1010) == 110
    assert written_since(COUNTS, 0, 1010) == 1010
    assert written_since(COUNTS, COUNTS[4].time, 980) == -20
    assert written_on([], date(2026, 3, 1), UTC) == 0


def test_days_in_a_row() -> None:
    assert days_in_a_row(COUNTS, date(2026, 3, 2), 300, UTC) == 2
    assert days_in_a_row(COUNTS, date(2026, 3, 2), 450, UTC) == 1
    assert days_in_a_row(COUNTS, date(2026, 3, 3), 300, UTC) == 2
    assert days_in_a_row(COUNTS, date(2026, 3, 4), 50, UTC) == 1
    assert days_in_a_row([], date(2026, 3, 4), 0, UTC) == 0


def test_progress() -> None:
    assert Progress(50, 200).share == 0.25
    assert Progress(500, 200).share == 1
    assert Progress(-5, 200).share == 0
    assert Progress(200, 200).reached
    assert not Progress(200).reached
    assert Progress(200).share == 0

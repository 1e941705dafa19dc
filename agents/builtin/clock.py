"""The tool `now`: date and time."""

from __future__ import annotations

import datetime


def now() -> str:
    """Tell the current date, weekday and time.

    Examples:
        what time is it now -> {}
        which date is today -> {}
        what day of the week is it -> {}
    """
    moment = datetime.datetime.now().astimezone()
    return moment.strftime("%A, %Y-%m-%d, %H:%M:%S %Z")

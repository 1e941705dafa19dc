"""What happens when the app itself fails: the details go to a file, and the person gets one line and where to look."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.console import Console, RenderableType

from fireside import atomic, paths
from fireside.errors import FiresideError
from fireside.text import for_terminal, for_terminal_line

# Wide, so that the last line is the whole reason.
_WIDTH = 2000


def crash_message(details: Iterable[RenderableType]) -> str:
    """Save `details` (tracebacks, as Textual gives them) as `crash.log`; return what the person is told."""
    written = io.StringIO()
    console = Console(file=written, width=_WIDTH, color_system=None)
    for each in details:
        console.print(each)
    report = for_terminal(written.getvalue())
    lines = [line for line in report.splitlines() if line.strip()]
    reason = for_terminal_line(lines[-1], 200) if lines else "for an unknown reason"
    file = paths.home() / "crash.log"
    try:
        atomic.write_text(file, report)
        where = f"the details are in {file}"
    except (FiresideError, OSError):
        where = "the details could not be saved"
    return f"error: Fireside failed: {reason}\nhint: your conversations are saved; start it again. {where}"

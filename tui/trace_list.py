"""The runs that are kept, to choose one from and look at."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, Any

from textual.app import App

from fireside import paths
from fireside.errors import FiresideError
from tui.chat.dialogs import ChoiceDialog

if TYPE_CHECKING:
    from agents.traces import Run


async def choose_run(app: App[Any]) -> None:
    """Let the person choose a run, and show it; from within a worker. Raises FiresideError where there is none."""
    from tui.trace_screen import TraceScreen
    from tui.trace_tree import run_line

    runs = await asyncio.to_thread(_runs)
    if not runs:
        raise FiresideError(
            "there are no runs yet", "/tools on lets the assistant use tools; each such turn leaves one"
        )
    chosen = await app.push_screen_wait(ChoiceDialog("Runs", [run_line(run) for run in runs]))
    if chosen is not None:
        await app.push_screen(TraceScreen(runs[chosen].id))


def _runs() -> list[Run]:
    from agents.traces import Traces

    if not paths.traces_database().is_file():
        return []
    with closing(Traces()) as kept:
        return list(kept.runs())

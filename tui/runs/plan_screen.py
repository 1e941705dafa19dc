"""The plan of a training run before it begins: what it takes, whether it fits, how long it lasts; Enter starts it."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static
from textual.worker import get_current_worker

from finetune.config import load_config
from finetune.machine import refuse_at_once
from finetune.plan.ask import plans
from finetune.run import start_run
from fireside.errors import FiresideError
from fireside.text import for_terminal_line
from tui.actions import bindings
from tui.runs.screen import RunScreen
from tui.tuning_plan import plan_lines, time_lines


class PlanScreen(Screen[None]):
    """Asks a process of its own for the plan; nothing is loaded here. Leaving ends that process."""

    CSS_PATH = "runs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("plan")

    def __init__(self, file: Path) -> None:
        """file: the configuration of the run."""
        super().__init__()
        self._file = file
        self._plan: dict[str, Any] | None = None
        self._lines: list[str] = []

    def compose(self) -> ComposeResult:
        """Title, plan, what is going on, keys."""
        yield Static(f"Plan of {for_terminal_line(self._file.name, 60)}", classes="page-title", markup=False)
        with VerticalScroll(id="plan-body"):
            yield Static(id="plan-lines", markup=False)
        yield Static(id="runs-said", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Ask at once."""
        self.query_one("#plan-body").focus()
        self._ask(calibrated=False)

    @work(thread=True, exclusive=True, group="plan", exit_on_error=False)
    def _ask(self, *, calibrated: bool) -> None:
        told = self.app.call_from_thread
        told(self._say, "training for 20 seconds to tell the time …" if calibrated else "reading base and data …")
        worker = get_current_worker()
        try:
            refuse_at_once(load_config(self._file))
            with contextlib.closing(plans(self._file, calibrated=calibrated)) as answers:
                plan = next(answers)
                if worker.is_cancelled:
                    return
                told(self._show, plan, plan_lines(plan))
                seconds = next(answers, None) if calibrated and plan["fits"] else None
            if seconds is not None and not worker.is_cancelled:
                told(self._show, plan, [*plan_lines(plan), *time_lines(seconds)])
        except FiresideError as error:
            if not worker.is_cancelled:
                told(self._say, error.message + (f"\n{error.hint}" if error.hint else ""), True)

    def _show(self, plan: dict[str, Any], lines: list[str]) -> None:
        self._plan, self._lines = plan, lines
        self.query_one("#plan-lines", Static).update("\n".join(for_terminal_line(line, 400) for line in lines))
        fits = "Enter starts it; t measures how long it takes" if plan["fits"] else "it would be refused as it is"
        self._say(fits, not plan["fits"])

    def _say(self, what: str, error: bool = False) -> None:
        said = self.query_one("#runs-said", Static)
        said.update(what)
        said.set_class(error, "error")

    def action_time(self) -> None:
        """Train for 20 seconds to tell the time."""
        if self._plan is not None and self._plan["fits"]:
            self._ask(calibrated=True)

    @work(group="plan")
    async def action_start(self) -> None:
        """Start the run, and look at it in this screen's place."""
        if self._plan is None or not self._plan["fits"]:
            return
        try:
            folder = await asyncio.to_thread(lambda: start_run(load_config(self._file)))
        except FiresideError as error:
            self._say(error.message + (f"\n{error.hint}" if error.hint else ""), True)
            return
        # Not waited for: this screen, and its worker, go with it.
        self.app.switch_screen(RunScreen(folder))

    def action_back(self) -> None:
        """Leave; nothing was started."""
        self.dismiss(None)

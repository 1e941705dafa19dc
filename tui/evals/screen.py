"""The screen of evaluations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from rich.console import Group, RenderableType
from rich.text import Text
from textual import work
from textual.binding import BindingType
from textual.containers import VerticalScroll

from fireside.errors import FiresideError
from fireside.evaluations import Evaluation, evaluation_names, forget, read
from fireside.text import for_terminal_line
from tui.actions import bindings
from tui.chat.dialogs import ConfirmDialog
from tui.evals.tables import comparison, failed_table, score_table
from tui.listed.screen import ListedScreen, cut, facts, heading


@dataclass(frozen=True)
class Entry:
    """One result. evaluation: None where its file is damaged, and then there is a problem."""

    name: str
    evaluation: Evaluation | None
    problem: FiresideError | None = None


class EvalsScreen(ListedScreen[Entry]):
    """Every result that is kept; two of them can be looked at side by side."""

    CSS_PATH = ["../listed/listed.tcss", "evals.tcss"]  # noqa: RUF012  # as in Screen
    BINDINGS: ClassVar[list[BindingType]] = bindings("evals")
    HEADING = "Evaluations"
    EMPTY = "No results are kept yet. `fireside eval rag DATA` and `fireside eval tools QUESTIONS` make them."
    HELP = "Space marks a result; with one marked, the one under the cursor is compared with it."

    def __init__(self) -> None:
        """Nothing is marked, and the scores are shown."""
        super().__init__()
        self._compared: str | None = None
        self._side: Literal["scores", "failed"] = "scores"

    def find(self) -> Sequence[Entry]:
        """Every result, the newest first."""
        found = []
        for name in evaluation_names():
            try:
                found.append(Entry(name, read(name)))
            except FiresideError as error:
                found.append(Entry(name, None, error))
        return found

    def name_of(self, row: Entry) -> str:
        """Its name."""
        return row.name

    def line_of(self, row: Entry, width: int) -> Text:
        """Mark, name, what was asked of whom."""
        colours = self.app.theme_variables
        mark = "A " if row.name == self._compared else "  "
        if row.evaluation is None:
            return Text.assemble((mark, colours["user"]), (cut(f"! {row.name}: damaged", width - 2), colours["error"]))
        wide = max(width // 2 - 3, 0)
        more = f" {cut(row.evaluation.model or 'search alone', wide)}" if wide >= 10 else ""
        return Text.assemble(
            (mark, f"bold {colours['user']}"),
            (cut(row.name, width - 3 - len(more)), colours["foreground"]),
            (more, colours["muted"]),
        )

    def about(self, row: Entry) -> RenderableType:
        """Its scores, or the items that failed, or what differs from the marked one."""
        colours = self.app.theme_variables
        if row.evaluation is None:
            problem = row.problem
            said = "\n".join(each for each in (problem.message, problem.hint) if each) if problem else ""
            return Text(for_terminal_line(said, 400), colours["error"])
        marked = next((each.evaluation for each in self.rows if each.name == self._compared), None)
        if marked is not None and marked.name != row.name:
            return comparison(marked, row.evaluation, colours)
        if self._side == "failed":
            return failed_table(row.evaluation, colours)
        head = facts(
            [
                ("suite", row.evaluation.suite),
                ("questions", row.evaluation.data),
                ("model", row.evaluation.model or "none: search alone"),
                ("made", row.evaluation.at[:16].replace("T", " ")),
            ],
            colours,
        )
        return Group(heading(row.name, colours), head, Text(), score_table(row.evaluation, colours))

    def chosen(self, row: Entry) -> None:
        """Read its table."""
        self.query_one("#listed-about").focus()

    def action_mark(self) -> None:
        """Mark the result to compare others with, or take the mark off."""
        row = self.marked
        if row is None or row.evaluation is None:
            return
        self._compared = None if self._compared == row.name else row.name
        self.draw()
        self.say(f"move to another result to compare it with {row.name}" if self._compared else "")

    def action_failed(self) -> None:
        """Between the scores and the items that failed."""
        self._side = "failed" if self._side == "scores" else "scores"
        self._compared = None
        self.draw()
        self.query_one("#listed-about", VerticalScroll).scroll_home(animate=False)

    @work(exclusive=True, group="remove")
    async def action_remove(self) -> None:
        """Delete the result under the cursor, once the person has said so."""
        row = self.marked
        if row is None or not await self.app.push_screen_wait(ConfirmDialog(f"Delete the result {row.name}?")):
            return
        try:
            await asyncio.to_thread(forget, row.name)
        except FiresideError as error:
            self.say_error(error)
            return
        self._compared = None if self._compared == row.name else self._compared
        self.say(f"{row.name} is deleted")
        self.read()

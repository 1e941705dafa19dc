"""The screen of adapters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual import on, work
from textual.binding import BindingType

from fireside import paths
from fireside.errors import FiresideError
from fireside.models.adapters import import_adapter, remove_adapter
from tui.actions import bindings
from tui.adapters_screen.blend import moved, slider, spec_of, toggled
from tui.adapters_screen.entries import COLOURS, MARKS, Entry, entries, told
from tui.chat.dialogs import ConfirmDialog, LineDialog
from tui.held import Held
from tui.jobs import Job, Update
from tui.listed.job_line import JobLine
from tui.listed.screen import ListedScreen, cut
from tui.tuning_text import verify_lines

VERIFY = "verify"
_PAUSE_S = 0.15
_SLIDER = 16


class AdaptersScreen(ListedScreen[Entry]):
    """Every adapter with its card; the blend counts in the open chat from its next reply on."""

    CSS_PATH = ["../listed/listed.tcss", "adapters.tcss"]  # noqa: RUF012  # as in Screen
    BINDINGS: ClassVar[list[BindingType]] = bindings("adapters")
    HEADING = "Adapters"
    EMPTY = "There are no adapters yet. /train CONFIG.toml in the chat makes one; i brings one in from a file."
    HELP = "Enter takes an adapter into the blend or out of it; left and right make it weaker and stronger."

    def __init__(self, held: Held) -> None:
        """held: the open chat, which the blend is applied to."""
        super().__init__()
        self._held = held
        self._blend: dict[str, float] = {}
        self._unapplied = False

    def on_mount(self) -> None:
        """The blend that is applied; a check that was begun before goes on."""
        self._blend = {use.name: use.scale for use in self._held.adapters}
        self.query_one(JobLine).follow(self._held.jobs.of(VERIFY))

    def find(self) -> Sequence[Entry]:
        """Every adapter, the damaged ones too."""
        return entries()

    def name_of(self, row: Entry) -> str:
        """Its name."""
        return row.name

    def line_of(self, row: Entry, width: int) -> Text:
        """Mark, name, and its slider where it is in the blend."""
        colours = self.app.theme_variables
        cells = _SLIDER if width >= 50 else 8
        scale = self._blend.get(row.name)
        suits = row.suits(self._held.info)
        line = Text(f"{MARKS[row.state]} ", colours[COLOURS[row.state]])
        line.append(cut(row.name, width - cells - 10), colours["foreground" if suits else "muted"])
        if scale is not None:
            line.append(f" {slider(scale, cells)} {scale:.2f}", f"bold {colours['user']}")
        elif row.state == "damaged":
            line.append(" damaged", colours["error"])
        elif row.state == "refused":
            line.append(" refused", colours["error"])
        elif not suits:
            line.append(" another model's", colours["muted"])
        return line

    def about(self, row: Entry) -> RenderableType:
        """Its card."""
        return told(row, row.suits(self._held.info), self.app.theme_variables)

    # The blend

    def chosen(self, row: Entry) -> None:
        """Take it into the blend, or out of it."""
        if self._usable(row):
            self._change(toggled(self._blend, row.name))

    def action_take(self) -> None:
        """Take the marked adapter into the blend, or out of it."""
        if (row := self.marked) is not None:
            self.chosen(row)

    def action_scale(self, steps: int) -> None:
        """Make the marked adapter stronger or weaker."""
        row = self.marked
        if row is not None and self._usable(row):
            self._change(moved(self._blend, row.name, steps))

    def _usable(self, row: Entry) -> bool:
        """Whether it can be applied; the person is told why not."""
        if row.state in ("damaged", "refused"):
            hint = row.problem.hint if row.problem is not None else "train it again"
            self.say(f"{row.name} is {row.state}, so it cannot be applied; {hint}", error=True)
        return row.state not in ("damaged", "refused")

    def _change(self, blend: dict[str, float]) -> None:
        self._blend, self._unapplied = blend, True
        self.draw()
        self._apply(_PAUSE_S)

    @work(exclusive=True, group="blend")
    async def _apply(self, pause_s: float) -> None:
        """Let the blend count, once the slider rests."""
        await asyncio.sleep(pause_s)
        await self._apply_now()

    async def _apply_now(self) -> None:
        spec = spec_of(self._blend)
        self._unapplied = False
        self.say("loading the model …" if self._held.info is None else "")
        try:
            await self._held.use_adapter(spec)
        except FiresideError as error:
            self._blend = {use.name: use.scale for use in self._held.adapters}
            self.say_error(error)
        else:
            applied = " + ".join(f"{use.name} {use.scale:.2f}" for use in self._held.adapters)
            self.say(f"from the next reply on: {applied or 'no adapter'}")
        self.draw()

    async def action_back(self) -> None:
        """Leave, with the blend as it was set last."""
        if self._unapplied:
            await self._apply_now()
        self.dismiss(None)

    # Checking, bringing in, removing

    def action_verify(self) -> None:
        """Compare llama.cpp with transformers once more, in a process of its own."""
        row = self.marked
        if row is None:
            return
        if row.card is None or row.card.details.get("origin") != "trained":
            self.say(f"{row.name} was not trained here: there is nothing to compare it with", error=True)
            return
        job = Job(f"checking {row.name}")
        try:
            self._held.jobs.begin(VERIFY, job, _checking(row.name))
        except FiresideError as error:
            self.say_error(error)
            return
        self.query_one(JobLine).follow(job)

    def action_cancel_job(self) -> None:
        """End the check; the card stays as it was."""
        job = self._held.jobs.of(VERIFY)
        if job is not None:
            job.cancel()

    @on(JobLine.Ended)
    def _checked(self) -> None:
        self.read()

    @work(exclusive=True, group="import")
    async def action_import(self) -> None:
        """Bring in a GGUF adapter from a file."""
        text = await self.app.push_screen_wait(LineDialog("A GGUF LoRA adapter to copy in", ""))
        if not text:
            return
        try:
            source = paths.expanded(text)
            card = await asyncio.to_thread(import_adapter, source, source.stem)
        except FiresideError as error:
            self.say_error(error)
            return
        self.say(f"{card.name} is here; {card.note}")
        self.read()

    @work(exclusive=True, group="remove")
    async def action_remove(self) -> None:
        """Delete the marked adapter, once the person has said so."""
        row = self.marked
        if row is None:
            return
        if row.name in [use.name for use in self._held.adapters]:
            self.say(f"{row.name} is applied now; take it out of the blend first", error=True)
            return
        note = str(paths.adapters_folder() / row.name)
        if not await self.app.push_screen_wait(ConfirmDialog(f"Delete the adapter {row.name}?", note)):
            return
        try:
            await asyncio.to_thread(remove_adapter, row.name)
        except FiresideError as error:
            self.say_error(error)
            return
        self._blend.pop(row.name, None)
        self.say(f"{row.name} is deleted")
        self.read()


def _checking(name: str) -> Callable[[Update], str]:
    """The work of a job: prove the adapter `name` once more."""

    def work(update: Update) -> str:
        from finetune.run import verify_adapter

        scores = verify_adapter(paths.adapters_folder() / name, lambda: update(0, 0))["scores"]
        return verify_lines(scores)[0] if scores["verified"] else f"refused: {scores['reason']}"

    return work

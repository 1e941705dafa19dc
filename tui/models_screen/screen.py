"""The screen of chat models."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual import on, work
from textual.binding import BindingType

from fireside.errors import FiresideError
from fireside.models.catalog import remove
from fireside.models.describe import Description
from fireside.models.memory import in_words
from fireside.text import for_terminal_line
from tui.actions import bindings
from tui.chat.dialogs import ChoiceDialog, ConfirmDialog, LineDialog
from tui.held import Held
from tui.jobs import Job
from tui.listed.job_line import JobLine
from tui.listed.screen import ListedScreen, cut, facts, heading
from tui.models_screen.entries import MARKS, Entry, Fit, entries, parameters_text
from tui.models_screen.pulling import look, pulling, variant_line

PULL = "pull"
_COLOURS: dict[Fit, str] = {
    "fits": "success",
    "too big": "error",
    "unknown": "muted",
    "damaged": "error",
    "elsewhere": "tool",
}


class ModelsScreen(ListedScreen[Entry]):
    """Every model there is; Enter chats with the marked one."""

    CSS_PATH = ["../listed/listed.tcss", "models.tcss"]  # noqa: RUF012  # as in Screen
    BINDINGS: ClassVar[list[BindingType]] = bindings("models")
    HEADING = "Models"
    EMPTY = "There are no models. Press p to get one from Hugging Face."
    HELP = "✓ fits in the memory that is free now, ✗ does not, ! cannot be used, → runs on a server."

    def __init__(self, held: Held) -> None:
        """held: the open chat, which goes on with the model that is chosen."""
        super().__init__()
        self._held = held
        self._loading = ""

    def on_mount(self) -> None:
        """A pull that was begun before goes on."""
        self.query_one(JobLine).follow(self._held.jobs.of(PULL))

    def find(self) -> Sequence[Entry]:
        """Every model."""
        return entries(self._held.settings)

    def name_of(self, row: Entry) -> str:
        """Its name."""
        return row.name

    def group_of(self, row: Entry) -> str:
        """Where it is."""
        return row.group

    def line_of(self, row: Entry, width: int) -> Text:
        """Mark, name, what it needs; the one that is chatted with has a dot."""
        colours = self.app.theme_variables
        bytes_needed = row.description.memory_needed if row.description else 0
        needs = f"{bytes_needed / 1e6:,.0f} MB" if bytes_needed else ""
        size = parameters_text(row.description.parameters) if row.description else ""
        quantised = row.description.quantisation if row.description else ""
        wide = f"{size:>6} {quantised:<8}" if width >= 50 else ""
        in_use = "●" if row.name == self._held.model.name else " "
        name = cut(row.name, width - len(wide) - 16)
        return Text.assemble(
            (f"{in_use} ", colours["user"]),
            (f"{MARKS[row.fit]} ", colours[_COLOURS[row.fit]]),
            (name, colours["foreground"]),
            (wide, colours["muted"]),
            (f"{needs:>10}", colours["muted"]),
        )

    def about(self, row: Entry) -> RenderableType:
        """Whether it fits, and its facts."""
        colours = self.app.theme_variables
        if row.description is None or row.file is None:
            where = facts([("address", row.address)], colours)
            return Group(heading(row.name, colours), Text("→ it runs on that server\n", colours["tool"]), where)
        said = row.description
        rows = [
            ("architecture", said.architecture),
            ("parameters", parameters_text(said.parameters)),
            ("quantised", said.quantisation),
            ("context", f"{said.trained_context:,} tokens" if said.trained_context else ""),
            ("layers", str(said.layers or "")),
            ("licence", said.license),
            ("template", "its own" if said.chat_template else "none: the setting model.template names one"),
            ("on disk", f"{row.file.size / 1e6:,.0f} MB, {row.file.source}"),
            ("path", str(row.file.path)),
        ]
        return Group(heading(row.name, colours), self._verdict(row, said), facts(rows, colours))

    def _verdict(self, row: Entry, said: Description) -> Text:
        """Whether this machine has the memory for it, or what is wrong with it."""
        colours = self.app.theme_variables
        if said.problem:
            return Text(f"! {for_terminal_line(said.problem, 300)}\n", colours["error"])
        word = {"fits": "✓ fits", "too big": "✗ does not fit"}.get(row.fit, "? nobody can tell whether it fits")
        text = Text.assemble((word, f"bold {colours[_COLOURS[row.fit]]}"))
        needs, free = in_words(said.memory_needed), in_words(row.free)
        text.append(f": it needs {needs}, and {free} are free\n", colours["foreground"])
        if said.note:
            text.append(f"{for_terminal_line(said.note, 400)}\n", colours["caution"])
        return text

    # Acts

    def chosen(self, row: Entry) -> None:
        """Chat with it."""
        if not self._loading:
            self._chat(row)

    def action_chat(self) -> None:
        """Chat with the marked model."""
        if (row := self.marked) is not None:
            self.chosen(row)

    @work(exclusive=True, group="chat")
    async def _chat(self, row: Entry) -> None:
        self._loading = row.name
        self.say(f"loading {row.name} …")
        try:
            await self._held.use_model(row.name)
        except FiresideError as error:
            self.say_error(error)
            return
        finally:
            self._loading = ""
        self.dismiss(None)

    @work(exclusive=True, group="pull")
    async def action_pull(self) -> None:
        """Ask for a repository and which of its models, and get that."""
        job = self._held.jobs.of(PULL)
        if job is not None and job.state == "running":
            self.say(f"{job.title} is under way; c cancels it", error=True)
            return
        text = await self.app.push_screen_wait(LineDialog("Which model? hf:ORG/NAME, or hf:ORG/NAME:Q4_K_M", "hf:"))
        if text.strip() in ("", "hf:"):
            return
        self.say(f"asking for {text} …")
        try:
            offer = await asyncio.to_thread(look, text.strip())
            place = offer.advised
            if len(offer.variants) > 1 or place is None:
                lines = [
                    variant_line(each, offer.free, number == offer.advised)
                    for number, each in enumerate(offer.variants)
                ]
                place = await self.app.push_screen_wait(ChoiceDialog(f"Which of them? {offer.why}", lines))
            self.say("")
            if place is None:
                return
            variant = offer.variants[place]
            job = Job(f"pulling {variant.name}", "MB", scale=1_000_000)
            self._held.jobs.begin(PULL, job, pulling(offer.listing, variant, variant.name))
        except FiresideError as error:
            self.say_error(error)
            return
        self.query_one(JobLine).follow(job)

    def action_cancel_job(self) -> None:
        """Cancel the pull; what came is kept."""
        job = self._held.jobs.of(PULL)
        if job is not None:
            job.cancel()

    @on(JobLine.Ended)
    def _pulled(self) -> None:
        self.read()

    @work(exclusive=True, group="remove")
    async def action_remove(self) -> None:
        """Delete the marked model from the models folder, once the person has said so."""
        row = self.marked
        if row is None or row.file is None:
            self.say("a model on a server cannot be removed here", error=True)
            return
        if row.name == self._held.model.name:
            self.say(f"{row.name} is chatted with now; change the model first", error=True)
            return
        freed = f"{row.file.size / 1e6:,.0f} MB, {row.file.path}"
        if not await self.app.push_screen_wait(ConfirmDialog(f"Delete the model {row.name}?", freed)):
            return
        try:
            removed = await asyncio.to_thread(remove, row.name)
        except FiresideError as error:
            self.say_error(error)
            return
        self.say(f"{removed.name} is deleted")
        self.read()

"""The screen of tools."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.binding import BindingType

from agents.remembered import forget
from fireside.errors import FiresideError
from tui.actions import bindings
from tui.approving import rule_line
from tui.held import Held
from tui.listed.screen import ListedScreen, cut
from tui.tools_screen.entries import ASK_COLOURS, ASKS, RISK_COLOURS, RISK_MARKS, Entry, entries, told
from tui.trace_list import choose_run


class ToolsScreen(ListedScreen[Entry]):
    """Every tool, the rules that hold in this folder, and the MCP servers."""

    CSS_PATH = ["../listed/listed.tcss", "tools.tcss"]  # noqa: RUF012  # as in Screen
    BINDINGS: ClassVar[list[BindingType]] = bindings("tools")
    HEADING = "Tools"
    EMPTY = "There are no tools."
    HELP = """○ only looks, ◐ changes what is kept, ● runs programs, ◆ talks to others. Enter lets a tool run unasked in
    this conversation, or starts and ends a server."""

    def __init__(self, held: Held) -> None:
        """held: the open chat, whose tools these are."""
        super().__init__()
        self._held = held
        self._notes: list[str] = []

    def find(self) -> Sequence[Entry]:
        """Tools, rules, servers."""
        notes: list[str] = []
        found = entries(self._held, notes)
        self._notes = notes
        return found

    def name_of(self, row: Entry) -> str:
        """What tells it from all others."""
        return row.name

    def group_of(self, row: Entry) -> str:
        """Tools, rules, or servers."""
        match row.kind:
            case "tool":
                return "Tools (on)" if self._held.tools_on else "Tools (off)"
            case "rule":
                folder = self._held.folder
                return f"Rules in {folder.resolve().name}" if folder else "Rules without a folder"
            case _:
                return "MCP servers"

    def line_of(self, row: Entry, width: int) -> Text:
        """Its mark, its name, whether it asks."""
        colours = self.app.theme_variables
        if row.tool is not None:
            risk = row.tool.traits.risk
            name = cut(row.name, width - 16)
            return Text.assemble(
                (f"{RISK_MARKS[risk]} ", colours[RISK_COLOURS[risk]]),
                (name, colours["foreground" if row.offered else "muted"]),
                (f"{ASKS[row.decision]:>13}", colours[ASK_COLOURS[row.decision]]),
            )
        if row.rule is not None:
            colour = colours["error" if row.rule.rule.decision == "deny" else "caution"]
            return Text(f"  {cut(rule_line(row.rule.rule), width - 2)}", colour)
        mark, said = ("●", "runs") if row.offered else ("○", "")
        name = cut(row.name.partition(" ")[2], width - 16)
        return Text.assemble(
            (f"{mark} ", colours["success" if row.offered else "muted"]),
            (name, colours["foreground"]),
            (f"{said:>13}", colours["success"]),
        )

    def about(self, row: Entry) -> Text:
        """What it is."""
        return told(row, self._held, self.app.theme_variables)

    # Acts

    def chosen(self, row: Entry) -> None:
        """Let a tool run unasked, or ask again; start or end a server."""
        if row.tool is not None:
            self._allow(row)
        elif row.kind == "server":
            self._server(row)

    def action_change(self) -> None:
        """As Enter."""
        if (row := self.marked) is not None:
            self.chosen(row)

    def _allow(self, row: Entry) -> None:
        if row.decision == "deny":
            self.say(f"a rule denies {row.name}; drop the rule first", error=True)
            return
        if row.name in self._held.allowed:
            self._held.allowed.discard(row.name)
            self.say(f"{row.name} asks again")
        elif row.decision == "allow":
            self.say(f"a rule lets {row.name} run; drop the rule to be asked again", error=True)
            return
        else:
            self._held.allowed.add(row.name)
            self.say(f"{row.name} runs without asking in this conversation")
        self.read()

    @work(exclusive=True, group="server")
    async def _server(self, row: Entry) -> None:
        name = row.name.partition(" ")[2]
        try:
            if row.offered:
                await self._held.drop_server(name)
                self.say(f"{name} is ended")
            else:
                self.say(f"starting {name} …")
                notes = await self._held.use_server(name)
                self.say("\n".join([f"{name} runs", *notes]))
        except FiresideError as error:
            self.say_error(error)
        self.read()

    def action_on(self) -> None:
        """Let the assistant use tools, or not."""
        try:
            self._held.use_tools(not self._held.tools_on)
        except FiresideError as error:
            self.say_error(error)
            return
        left_out = [note for note in self._notes if self._held.tools_on]
        self.say("\n".join(["the assistant may use tools" if self._held.tools_on else "tools are off", *left_out]))
        self.read()

    @work(exclusive=True, group="revoke")
    async def action_revoke(self) -> None:
        """Drop the marked rule: the person is asked again."""
        row = self.marked
        if row is None or row.rule is None:
            self.say("mark a rule to drop it", error=True)
            return
        try:
            await asyncio.to_thread(forget, row.rule.id)
        except FiresideError as error:
            self.say_error(error)
            return
        self.say(f"dropped: {rule_line(row.rule.rule)}")
        self.read()

    @work(exclusive=True, group="traces")
    async def action_traces(self) -> None:
        """The runs that used tools, to look at one."""
        try:
            await choose_run(self.app)
        except FiresideError as error:
            self.say_error(error)

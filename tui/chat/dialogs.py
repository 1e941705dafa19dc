"""Dialogs at the bottom of the screen: approve a tool call, confirm, write, choose from a list, read the help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, Literal, TypeVar

from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from agents.events import ApprovalAsked
from fireside.errors import FiresideError
from fireside.text import for_terminal, for_terminal_line
from tui.action_table import ACTIONS
from tui.actions import bindings, written_keys
from tui.approving import lasting_rule, risk_line, sources_line
from tui.chat.rendering import preview, written_arguments
from tui.lists import LineList
from tui.slash import COMMANDS

Approval = Literal["once", "always", "folder", "never", "deny"]
ResultT = TypeVar("ResultT")

_NAMED = (
    "prompt.send", "prompt.new-line", "prompt.previous", "chat.stop", "chat.messages", "chat.conversations",
    "chat.new", "message.edit", "message.retry", "message.copy", "message.thoughts", "message.previous", "message.next",
    "chat.interrupt", "app.palette", "app.help", "app.quit",
)  # fmt: skip
"""The actions that the help names; F1 names all."""


class Dialog(ModalScreen[ResultT], Generic[ResultT]):
    """A panel at the bottom; Escape takes the safe way out."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("dialog")

    def __init__(self, cancelled: ResultT) -> None:
        """`cancelled` is the answer where the person gives none."""
        super().__init__(classes="dialog")
        self._cancelled = cancelled

    def action_cancel(self) -> None:
        """Close without an answer."""
        self.dismiss(self._cancelled)


class Answers(Static):
    """The keys that answer a dialog, each with what it means; a click on one answers too."""

    def __init__(self, answers: Sequence[tuple[str, str, str]], between: str) -> None:
        """answers: key, meaning, and the screen's action. between: what stands between two of them."""
        super().__init__(markup=False, classes="keys")
        self._answers, self._between = answers, between

    def on_mount(self) -> None:
        """Write them in the theme's colours."""
        colours = self.app.theme_variables
        lines = []
        for key, meaning, act in self._answers:
            line = Text.assemble((key, f"bold {colours['user']}"), (meaning, colours["muted"]))
            # In the text itself, so that a line that is broken in two answers the same on both.
            line.stylize(Style(meta={"answer": act}))
            lines.append(line)
        self.update(Text(self._between).join(lines))

    async def on_click(self, event: events.Click) -> None:
        """Answer."""
        act = event.style.meta.get("answer")
        if isinstance(act, str):
            await self.app.run_action(act, self.screen)


_ANSWERS: dict[str, Approval] = {"a": "once", "A": "always", "F": "folder", "N": "never", "d": "deny"}


class ApprovalDialog(Dialog[Approval]):
    """Shows the exact call that waits; anything but a clear yes is a no. Where the call has sources, they are the
    reason that is shown."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("approval")

    def __init__(self, asked: ApprovalAsked, folder: str = "") -> None:
        """folder: the shared folder that an answer can be remembered for, by name; empty where there is none."""
        super().__init__("deny")
        self._asked, self._folder = asked, folder

    def compose(self) -> ComposeResult:
        """Exactly what would be done, how far it goes, what may be behind it, the keys."""
        asked, colours = self._asked, self.app.theme_variables
        warning = sources_line(asked)
        with Vertical(classes="panel"):
            yield Static("The assistant wants to use a tool", markup=False, classes="heading")
            with VerticalScroll(classes="body"):
                # Above the call, which may be long: who must be warned need not scroll.
                if warning:
                    yield Static(Text(warning, style=f"bold {colours['caution']}"), markup=False, classes="note")
                elif asked.reason:
                    yield Static(for_terminal_line(asked.reason, 400), markup=False, classes="note")
                yield Static(self._call(), markup=False)
            yield Static(Text(risk_line(asked), style=colours["muted"]), markup=False, classes="note")
            yield Answers(self._keys(), "\n")

    def _call(self) -> Text:
        """The tool and its own words for what it will do, or else every argument on a line of its own."""
        colours = self.app.theme_variables
        call = Text(for_terminal_line(self._asked.call.name), style=f"bold {colours['tool']}")
        if self._asked.preview:
            return call.append("\n").append_text(preview(self._asked.preview, colours))
        for name, value in self._asked.call.arguments.items():
            written = value if isinstance(value, str) else written_arguments({name: value}, 100_000).partition("=")[2]
            call.append(f"\n  {for_terminal_line(name)}: ", style=colours["muted"])
            # Every line of it, indented: what is allowed must be seen whole.
            call.append(for_terminal(written).replace("\n", "\n    "), style=colours["foreground"])
        return call

    def _keys(self) -> list[tuple[str, str, str]]:
        keys = [("a", "allow once"), ("A", "always in this conversation"), ("d", "deny")]
        if self._folder:
            exactly = bool(lasting_rule(self._asked, "allow").arguments)
            keys[2:2] = [
                ("F", f"always {'exactly this ' if exactly else ''}in {self._folder}"),
                ("N", f"never this tool in {self._folder}"),
            ]
        return [(key, f"  {meaning}", f"answer('{_ANSWERS[key]}')") for key, meaning in keys]

    def action_answer(self, answer: Approval) -> None:
        """Close with the answer. Without a folder there is nothing to remember it for."""
        if self._folder or answer not in ("folder", "never"):
            self.dismiss(answer)


class ConfirmDialog(Dialog[bool]):
    """Asks before something that cannot be undone."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("confirm")

    def __init__(self, question: str, note: str = "") -> None:
        super().__init__(False)
        self._question = question
        self._note = note

    def compose(self) -> ComposeResult:
        """The question and the keys."""
        with Vertical(classes="panel"):
            yield Static(for_terminal_line(self._question), markup=False, classes="heading")
            if self._note:
                yield Static(for_terminal_line(self._note), markup=False, classes="note")
            yield Answers([("y", " yes", "yes"), ("n", " no", "cancel")], "   ")

    def action_yes(self) -> None:
        """Close with yes."""
        self.dismiss(True)


class LineDialog(Dialog[str]):
    """Asks for one line of text; empty where the person leaves it."""

    def __init__(self, heading: str, text: str) -> None:
        super().__init__("")
        self._heading, self._text = heading, text

    def compose(self) -> ComposeResult:
        """A line to write on."""
        with Vertical(classes="panel"):
            yield Static(self._heading, markup=False, classes="heading")
            yield Input(for_terminal_line(self._text, 2000), compact=True, select_on_focus=False)
            yield Static("Enter saves   Escape leaves it", markup=False, classes="keys")

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        self.dismiss(for_terminal_line(event.value, 2000))


class TextDialog(Dialog[str]):
    """Asks for a longer text: an edited message, a system prompt; empty where the person leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("text-dialog")

    def __init__(self, heading: str, text: str) -> None:
        super().__init__("")
        self._heading, self._text = heading, text

    def compose(self) -> ComposeResult:
        """A text area to write in."""
        with Vertical(classes="panel"):
            yield Static(self._heading, markup=False, classes="heading")
            yield TextArea(for_terminal(self._text), compact=True, highlight_cursor_line=False)
            yield Static("Ctrl+S saves   Ctrl+G opens your editor   Escape leaves it", markup=False, classes="keys")

    def action_save(self) -> None:
        """Close with the text; an empty one changes nothing."""
        self.dismiss(for_terminal(self.query_one(TextArea).text).strip())

    def action_editor(self) -> None:
        """Write on in the person's own editor."""
        from tui.editor import edited

        area = self.query_one(TextArea)
        try:
            area.text = edited(self.app, area.text)
        except FiresideError as error:
            self.query_one(".keys", Static).update(for_terminal_line(f"✗ {error.message}", 200))


class ChoiceDialog(Dialog[int | None]):
    """Chooses one of several lines; the answer is its index."""

    def __init__(self, heading: str, lines: Sequence[str]) -> None:
        super().__init__(None)
        self._heading, self._lines = heading, lines

    def compose(self) -> ComposeResult:
        """The lines."""
        with Vertical(classes="panel"):
            yield Static(self._heading, markup=False, classes="heading")
            yield LineList(*(Option(for_terminal_line(line)) for line in self._lines), compact=True, markup=False)
            yield Static("Enter opens   Escape leaves", markup=False, classes="keys")

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_index)


class HelpDialog(Dialog[None]):
    """Commands and keys."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("help")

    def __init__(self, keys: Mapping[str, str]) -> None:
        """keys: the person's own, by action."""
        super().__init__(None)
        self._rows = [
            (
                written_keys(keys.get(action.name, action.keys).split(",")),
                ("on a message: " if action.where == "message" else "") + action.summary,
            )
            for name in _NAMED
            for action in ACTIONS
            if action.name == name
        ]

    def compose(self) -> ComposeResult:
        """Two tables, scrolled together."""
        with Vertical(classes="panel"):
            with VerticalScroll(classes="body help"):
                yield Static("Commands", markup=False, classes="heading")
                yield Static(self._table([(command.usage, command.summary) for command in COMMANDS]), markup=False)
                yield Static("Keys", markup=False, classes="heading second")
                yield Static(self._table(self._rows), markup=False)
            yield Static("Escape closes", markup=False, classes="keys")

    def _table(self, rows: Sequence[tuple[str, str]]) -> Table:
        colours = self.app.theme_variables
        table = Table.grid(padding=(0, 3, 0, 0))
        table.add_column(style=colours["user"], max_width=32)
        table.add_column(style=colours["muted"])
        for left, right in rows:
            table.add_row(Text(left), Text(right))
        return table

"""The question how a selected passage is to be rewritten: which of the four acts, and a wish in the person's words."""

from __future__ import annotations

from typing import get_args

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from fireside.stories.rewrite import Act
from fireside.text import for_terminal_line
from tui.chat.dialogs import Dialog
from tui.lists import LineList

ACTS: tuple[Act, ...] = get_args(Act)
_LINES = {
    "rewrite": "Rewrite: in other words",
    "expand": "Expand: longer, with more detail",
    "shorten": "Shorten: in half as many words",
    "describe": "Describe: what can be seen and heard, behind it",
}


class RewriteDialog(Dialog[tuple[Act, str] | None]):
    """Answers with the act and the wish, which may be empty."""

    def __init__(self) -> None:
        super().__init__(None)

    def compose(self) -> ComposeResult:
        """The acts, and a line for the wish."""
        with Vertical(classes="panel"):
            yield Static("What to do with the selected words", markup=False, classes="heading")
            yield LineList(*(Option(_LINES[act]) for act in ACTS), compact=True, markup=False)
            yield Input(placeholder="as you wish: “from her side”, “in the rain”", compact=True)
            yield Static("Enter does it   Tab to your wish   Escape leaves it", markup=False, classes="keys")

    def on_mount(self) -> None:
        """Begin at the acts."""
        acts = self.query_one(LineList)
        acts.highlighted = 0
        acts.focus()

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    def _done(self) -> None:
        wish = for_terminal_line(self.query_one(Input).value, 400)
        self.dismiss((ACTS[self.query_one(LineList).highlighted or 0], wish))

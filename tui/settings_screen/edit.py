"""The dialog that a setting is typed in: says at once what is wrong with what stands there."""

from __future__ import annotations

from collections.abc import Callable

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from fireside.errors import FiresideError
from fireside.text import for_terminal
from tui.chat.dialogs import Dialog
from tui.settings_screen.fields import Field, typed, written

_FORMS = {
    "whole": "a whole number",
    "number": "a number",
    "list": "separated by commas",
    "table": "KEY=VALUE, separated by commas",
}


class ValueDialog(Dialog[str | None]):
    """Asks for the text of one setting; None where the person leaves it as it is."""

    def __init__(self, field: Field, value: object, check: Callable[[object], None]) -> None:
        """check: raises FiresideError where a value cannot stand."""
        super().__init__(None)
        self._field, self._value, self._check = field, value, check
        self._problem = ""

    def compose(self) -> ComposeResult:
        """What it is for, a line to write on, what is wrong with it."""
        form = _FORMS.get(self._field.kind, "")
        limits = ", ".join(part for part in (form, self._field.limits, ", ".join(self._field.choices)) if part)
        with Vertical(classes="panel"):
            yield Static(self._field.name, markup=False, classes="heading")
            yield Static(for_terminal(self._field.about), markup=False, classes="note")
            if limits:
                yield Static(limits, markup=False, classes="note")
            yield Input(written(self._value), compact=True, select_on_focus=False)
            yield Static(markup=False, id="settings-problem")
            yield Static("Enter saves   Escape leaves it", markup=False, classes="keys")

    @on(Input.Changed)
    def _looked_at(self, event: Input.Changed) -> None:
        """Check while it is typed."""
        try:
            self._check(typed(self._field, event.value))
            self._problem = ""
        except FiresideError as error:
            self._problem = f"✗ {error.message}"
        said = self.query_one("#settings-problem", Static)
        said.update(for_terminal(self._problem))
        said.display = bool(self._problem)

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        """Close with the text, unless it is wrong."""
        if not self._problem:
            self.dismiss(event.value)

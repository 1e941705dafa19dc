"""Help for where one is: the keys that act on the focused widget and on its screen, as they are set now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from tui.actions import written_keys
from tui.chat.dialogs import Dialog

Row = tuple[str, str, str]
"""Keys, what they do, and the name that the settings' table `keys` calls the action."""


def rows(active: Mapping[str, ActiveBinding]) -> list[Row]:
    """The actions among the bindings that are active, those of the focused widget first; several keys in one row."""
    found: dict[str, tuple[list[str], str]] = {}
    for key, (_, binding, enabled, _) in active.items():
        if enabled and binding.id and not key.startswith("no_key_"):
            found.setdefault(binding.id, ([], binding.description))[0].append(key)
    return [(written_keys(keys), summary, name) for name, (keys, summary) in found.items()]


class HelpHere(Dialog[None]):
    """What the keys do here."""

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__(None)
        self._rows = rows

    def compose(self) -> ComposeResult:
        """One table, and where keys are changed."""
        colours = self.app.theme_variables
        table = Table.grid(padding=(0, 3, 0, 0))
        table.add_column(style=colours["user"], max_width=28)
        table.add_column(style=colours["foreground"])
        table.add_column(style=colours["muted"], no_wrap=True, overflow="ellipsis")
        for keys, summary, name in self._rows:
            table.add_row(Text(keys), Text(summary), Text(name))
        with Vertical(classes="panel"):
            yield Static("What the keys do here", markup=False, classes="heading")
            with VerticalScroll(classes="body help"):
                yield Static(table, markup=False)
            yield Static(
                '[keys] in the settings changes them: "NAME" = "KEY"   Escape closes', markup=False, classes="keys"
            )

"""Help for where one is: what the focused widget and its screen are for, and their keys as they are set now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding
from textual.containers import Vertical, VerticalScroll
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Static

from tui.action_table import ACTIONS, PLACES
from tui.actions import written_keys
from tui.chat.dialogs import Dialog

Row = tuple[str, str, str]
"""Keys, what they do, and the name that the settings' table `keys` calls the action."""
ROOMY = 70
"""Columns from which the actions' names stand beside what they do."""
_KEY_COLUMNS = 22


@dataclass(frozen=True)
class Place:
    """A widget or screen on the way from the focus to the app. about: what it is for, or empty. keyless: its actions
    that have no key yet."""

    title: str
    about: str
    rows: Sequence[Row]
    keyless: Sequence[str]


def rows(active: Mapping[str, ActiveBinding]) -> list[Row]:
    """The actions among the bindings that are active, those of the focused widget first; several keys in one row."""
    found: dict[str, tuple[list[str], str]] = {}
    for key, (_, binding, enabled, _) in active.items():
        if enabled and binding.id and not key.startswith("no_key_"):
            found.setdefault(binding.id, ([], binding.description))[0].append(key)
    return [(written_keys(keys), summary, name) for name, (keys, summary) in found.items()]


def places(screen: Screen[Any], keys: Mapping[str, str]) -> list[Place]:
    """Where the focus is, from the widget out to the app. keys: the person's own, by action.

    Also what means nothing at the moment is named: one looks here for what a key will do.
    """
    chain = list(screen.focused.ancestors_with_self) if screen.focused is not None else [screen, screen.app]
    known = {action.name: action for action in ACTIONS}
    found: list[Place] = []
    told: set[str] = set()
    for node in chain:
        actions = [known[name] for name in _names(node) if name in known and name not in told]
        told.update(action.name for action in actions)
        about = " ".join((node.HELP or "").split()) if isinstance(getattr(node, "HELP", None), str) else ""
        if not actions and not about:
            continue
        having = [(keys.get(action.name, action.keys), action) for action in actions]
        title = PLACES.get(actions[0].where, "") if actions else type(node).__name__
        found.append(
            Place(
                title,
                about,
                [(written_keys(each.split(",")), action.summary, action.name) for each, action in having if each],
                [action.name for each, action in having if not each],
            )
        )
    return found


def _names(node: DOMNode) -> Iterator[str]:
    """The names of the actions that a node's classes bind, its own class first."""
    for kind in type(node).__mro__:
        for binding in vars(kind).get("BINDINGS", ()):
            if isinstance(binding, Binding) and binding.id:
                yield binding.id


class HelpHere(Dialog[None]):
    """What the keys do here."""

    def __init__(self, places: Sequence[Place]) -> None:
        super().__init__(None)
        self._places = places

    def compose(self) -> ComposeResult:
        """A heading, a paragraph and a table for each place, and where keys are changed."""
        roomy = self.app.size.width >= ROOMY
        with Vertical(classes="panel"):
            with VerticalScroll(classes="body help"):
                for number, place in enumerate(self._places):
                    yield Static(place.title, markup=False, classes="heading second" if number else "heading")
                    if place.about:
                        yield Static(place.about, markup=False, classes="note")
                    if place.rows:
                        yield Static(self._table(place.rows, roomy), markup=False)
                    if place.keyless:
                        yield Static(self._keyless(place.keyless), markup=False, classes="keyless")
            yield Static("/settings changes keys   Escape closes", markup=False, classes="keys")

    def _table(self, rows: Sequence[Row], roomy: bool) -> Table:
        colours = self.app.theme_variables
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(style=f"bold {colours['user']}", width=_KEY_COLUMNS if roomy else 16)
        table.add_column(style=colours["foreground"], ratio=1)
        if roomy:
            table.add_column(style=colours["muted"], no_wrap=True, overflow="ellipsis", max_width=20)
        for keys, summary, name in rows:
            table.add_row(Text(keys), Text(summary), *([Text(name)] if roomy else []))
        return table

    def _keyless(self, names: Sequence[str]) -> Text:
        return Text("Without a key yet: " + ", ".join(names), style=self.app.theme_variables["muted"])

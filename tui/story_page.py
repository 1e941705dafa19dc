"""The story as it is read: its paragraphs with each author in a colour, the status line and the line of keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from fireside.stories.manuscript import Author, Piece
from fireside.stories.prose import paragraph_starts, word_count
from fireside.text import for_terminal, for_terminal_line

COLOURS: Mapping[Author, str] = {"prompt": "caution", "person": "user", "model": "assistant", "edited": "tool"}
"""Who wrote it, by the theme's names."""

_SHOWN = 30_000  # characters laid out at once: more makes every new word slow to draw

KEYS = (
    ("Enter", "write on"),
    ("^R", "retry"),
    ("Alt←→", "versions"),
    ("^Z", "undo"),
    ("^G", "edit"),
    ("^T", "notes"),
    ("^S", "export"),
    ("Esc", "leave"),
)


@dataclass(frozen=True)
class StoryStatus:
    """What the status line says.

    alternative: (this one, how many). context: (tokens used, tokens there are), (0, 0) where unknown.
    """

    state: str
    words: int
    alternative: tuple[int, int]
    context: tuple[int, int]
    tokens_per_s: float
    model: str


class StoryPage(VerticalScroll):
    """The manuscript. Only its last paragraphs are drawn anew while a piece is being written."""

    can_focus = False

    def __init__(self) -> None:
        super().__init__(id="story-page")
        self._settled: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        """What is left out, the settled paragraphs, and the end that is being written."""
        yield Static(markup=False, id="story-earlier")
        yield Static(markup=False, id="story-settled")
        yield Static(markup=False, id="story-end")

    def show(self, pieces: Sequence[Piece], whole: bool, writing: bool) -> None:
        """Show the pieces: all of them, or the last of a long story. `writing` puts a cursor at the end."""
        colours = self.app.theme_variables
        shown, hidden = (list(pieces), []) if whole else _last_pieces(pieces)
        earlier = self.query_one("#story-earlier", Static)
        earlier.display = bool(hidden)
        if hidden:
            words = sum(word_count(piece.text) for piece in hidden)
            earlier.update(f"{words:,} earlier words; Ctrl+Home shows them")
        settled, end = _divided(shown, colours)
        key = (settled.plain, tuple(settled.spans))
        if key != self._settled:
            self._settled = key
            part = self.query_one("#story-settled", Static)
            part.display = bool(settled)
            part.update(settled)
        if writing:
            end.append("▌", style=colours["muted"])
        if not (settled or end):
            end = Text(
                "An empty page. Write the first sentence below, or ^T what the story is about.", colours["muted"]
            )
        self.query_one("#story-end", Static).update(end)


def _last_pieces(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    """The last pieces of at most `_SHOWN` characters (one at least), and the ones before."""
    size = 0
    for place in range(len(pieces) - 1, -1, -1):
        size += len(pieces[place].text)
        if size > _SHOWN and place < len(pieces) - 1:
            return list(pieces[place + 1 :]), list(pieces[: place + 1])
    return list(pieces), []


def _divided(pieces: Sequence[Piece], colours: Mapping[str, str]) -> tuple[Text, Text]:
    """The pieces in their authors' colours, divided where the paragraph begins that the last piece goes on with."""
    parts = [(for_terminal(piece.text), colours[COLOURS[piece.author]]) for piece in pieces]
    written = Text.assemble(*parts)
    before = "".join(text for text, _ in parts[:-1])
    starts = paragraph_starts(before)
    if not starts or starts[-1] == 0:
        return Text(), written
    settled, end = written.divide([starts[-1]])
    # The break between the two is made by the widgets' own ends, plus one empty row for a paragraph's gap.
    gap = settled.plain[len(settled.plain.rstrip("\n")) :]
    settled.right_crop(1 if gap.endswith("\n") else 0)
    return settled, end


def status_text(status: StoryStatus, width: int, colours: Mapping[str, str]) -> Text:
    """The status in at most `width` cells; what matters least is left out first."""
    this, of = status.alternative
    used, total = status.context
    parts = [f"{status.words:,} words"]
    if of > 1:
        parts.append(f"version {this}/{of}")
    if total:
        parts.append(f"{used}/{total} tokens")
    if status.tokens_per_s:
        parts.append(f"{status.tokens_per_s:.0f} tok/s")
    parts.append(for_terminal_line(status.model, 30))
    while len(parts) > 1 and len(status.state) + 4 + sum(len(part) + 2 for part in parts) > width:
        parts.pop()
    dot = colours["success" if status.state == "ready" else "user"]
    return Text.assemble(
        ("● ", dot),
        (status.state, colours["foreground"]),
        ("  " + "  ".join(parts), colours["muted"]),
        no_wrap=True,
        overflow="ellipsis",
    )


def keys_text(width: int, colours: Mapping[str, str]) -> Text:
    """As many of the keys as fit, the most used first, the way out always."""
    keys = list(KEYS)
    while len(keys) > 2 and sum(len(key) + len(what) + 3 for key, what in keys) > width:
        keys.pop(-2)
    line = Text(no_wrap=True, overflow="ellipsis")
    for key, what in keys:
        line.append(key, style=f"bold {colours['muted']}").append(f" {what}  ", style=colours["muted"])
    return line

"""The manuscript as an editor of prose: its visible rows, each author in a colour and by a mark, cursor and selection.

Only the rows in view are drawn. The page changes nothing itself: it asks for a change, and is shown the text anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Offset, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from fireside.stories.manuscript import Author
from fireside.text import for_terminal
from tui.actions import bindings
from tui.story.layout import TAB, Layout, broken, is_drawn
from tui.story.moves import UPRIGHT, Move, moved, paragraph_around, word_around
from tui.story.written import Written

COLOURS: Mapping[Author, str] = {"prompt": "caution", "person": "user", "model": "assistant", "edited": "tool"}
"""Who wrote it, by the theme's names."""

MARKS: Mapping[Author, str] = {"prompt": "»", "model": "·", "person": "│", "edited": "~"}
"""The same without colour, in front of each row."""

_WITHOUT_COLOUR: Mapping[Author, Style] = {
    "prompt": Style(italic=True),
    "model": Style(),
    "person": Style(bold=True),
    "edited": Style(underline=True),
}
_COLUMN = 78  # cells of a row of prose
_GUTTER = 3
_EMPTY = "An empty page. Write the first sentence below, or Ctrl+T what the story is about."

Change = Callable[[int, int, str], bool]
"""Put a text in place of the characters from start to end; False where that is refused."""


class StoryPage(ScrollView, can_focus=True):
    """The manuscript, with a cursor in it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("manuscript")
    HELP = """The story, to be written in: type anywhere, select with Shift and the arrows or the mouse. Each paragraph
    typed is one step of undo; the model's words that you replace are marked as edited."""
    ALLOW_SELECT = False

    class Moved(Message):
        """The cursor stands somewhere else."""

    def __init__(self, change: Change) -> None:
        super().__init__(id="story-page")
        self._change = change
        self._written = Written()
        self._layout = Layout("", 1)
        self._cursor = 0
        self._anchor: int | None = None
        self._column: int | None = None
        self._writing_at: int | None = None
        self._dragging = False

    # What is shown

    @property
    def cursor(self) -> int:
        """Where the next key would write, in characters."""
        return self._cursor

    @property
    def selection(self) -> tuple[int, int]:
        """The selected characters; both ends the cursor where nothing is selected."""
        other = self._cursor if self._anchor is None else self._anchor
        return min(other, self._cursor), max(other, self._cursor)

    @property
    def selected_text(self) -> str:
        """What is selected."""
        start, end = self.selection
        return self._written.text[start:end]

    @property
    def words(self) -> int:
        """Of the whole story."""
        return self._layout.words

    def show(self, written: Written, writing_at: int | None = None) -> None:
        """Show a text; the place that is looked at stays in view. writing_at: where the model is writing."""
        seen = self._in_view(self._looked_at())
        self._written, self._writing_at = written, writing_at
        self._cursor = min(self._cursor, len(written.text))
        if self._anchor is not None:
            self._anchor = min(self._anchor, len(written.text))
        self._lay_out()
        if seen:
            self.reveal(self._looked_at())
        self.refresh()

    def place(self, cursor: int, anchor: int | None = None, *, reveal: bool = True) -> None:
        """Put the cursor somewhere. anchor: the other end of a selection."""
        self._cursor = min(max(0, cursor), len(self._written.text))
        self._anchor = None if anchor is None or anchor == self._cursor else anchor
        self._column = None
        if reveal:
            self.reveal(self._cursor)
        self.refresh()
        self.post_message(self.Moved())

    def reveal(self, offset: int) -> None:
        """Scroll as little as it takes to have `offset` in view."""
        row, top, height = self._layout.row_of(offset), round(self.scroll_y), self.size.height
        if row < top or row >= top + height:
            self.scroll_to(y=row if row < top else row - height + 1, animate=False, force=True, immediate=True)

    def on_resize(self) -> None:
        """Break the rows for the new width."""
        offset = self._looked_at()
        seen = self._in_view(offset)
        self._lay_out()
        if seen:
            self.reveal(offset)

    def _looked_at(self) -> int:
        """The place that stays in view when the text changes."""
        if self._writing_at is not None:
            return self._writing_at
        return self._cursor if self.has_focus else len(self._written.text)

    def _in_view(self, offset: int) -> bool:
        row, top = self._layout.row_of(min(offset, len(self._layout.text))), round(self.scroll_y)
        return self.size.height == 0 or top <= row < top + self.size.height or self._layout.rows <= self.size.height

    def _lay_out(self) -> None:
        there = self.scrollable_content_region.width
        width = min(_COLUMN, there - _GUTTER - 2) if there else _COLUMN
        self._layout = Layout(self._written.text, width, self._layout)
        self.virtual_size = Size(there, self._layout.rows)

    def render_line(self, y: int) -> Strip:
        """One row of the screen."""
        width, height = self.size.width, self.size.height
        # A short text stands at the bottom, where it goes on.
        rows = self._layout.rows if self._written.text else len(broken(_EMPTY, self._layout.width))
        row = y + round(self.scroll_y) - max(0, height - rows)
        base = self.rich_style
        segments: list[Segment] = []
        if 0 <= row < rows:
            segments = self._row(row) if self._written.text else self._hint(row)
        left = max(0, (width - self._layout.width - _GUTTER) // 2)
        strip = Strip([Segment(" " * left), *segments]).adjust_cell_length(width)
        return strip.apply_style(base)

    def _hint(self, number: int) -> list[Segment]:
        """What the empty page says: the first of its characters is where one writes."""
        muted = Style(color=self.app.theme_variables["muted"])
        rows = [*broken(_EMPTY, self._layout.width), len(_EMPTY)]
        words = _EMPTY[rows[number] : rows[number + 1]]
        first = muted + Style(reverse=True) if number == 0 and self.has_focus else muted
        return [Segment(" " * _GUTTER), Segment(words[0], first), Segment(words[1:], muted)]

    def _row(self, number: int) -> list[Segment]:
        """A row's marks and its words."""
        colours = self.app.theme_variables
        start, end = self._layout.row(number)
        stretches = self._written.authors(start, end)
        authors = list(dict.fromkeys(author for a, b, author in stretches if not self._written.text[a:b].isspace()))[:2]
        segments = [Segment(" " * (_GUTTER - 1 - len(authors)))]
        segments += [Segment(MARKS[author], Style(color=colours[COLOURS[author]])) for author in authors]
        segments.append(Segment(" "))
        selected = self.selection
        cursor = self._cursor if self.has_focus and self._layout.row_of(self._cursor) == number else -1
        writing = self._writing_at
        if writing is not None and self._layout.row_of(min(writing, len(self._layout.text))) != number:
            writing = None
        cuts = {start, end, *(stop for _, stop, _ in stretches)}
        cuts |= {each for each in (*selected, cursor, cursor + 1, writing) if each is not None and start < each < end}
        places = sorted(cuts)
        for a, b in pairwise(places):
            if a == writing:
                segments.append(Segment("▌", Style(color=colours["muted"])))
            author = self._written.authors(a, b)[0][2]
            style = Style(color=colours[COLOURS[author]])
            if self.app.no_color:
                style += _WITHOUT_COLOUR[author]
            if selected[0] <= a < selected[1]:
                style += Style(color=colours["background"], bgcolor=colours["secondary"])
            if a == cursor:
                style += Style(color=colours["background"], bgcolor=colours["foreground"], bold=True)
            segments.append(Segment(drawn(self._written.text[a:b]), style))
        if writing == end:
            segments.append(Segment("▌", Style(color=colours["muted"])))
        if cursor == end:
            segments.append(Segment(" ", Style(bgcolor=colours["foreground"])))
        return segments

    # The cursor

    def action_move(self, move: Move, select: bool = False) -> None:
        """Move the cursor; `select` keeps the other end of the selection where it is."""
        start, end = self.selection
        if start < end and not select and move in ("left", "right"):
            self.place(start if move == "left" else end)
            return
        if self._column is None or move not in UPRIGHT:
            self._column = self._layout.column_of(self._cursor)
        column = self._column
        target = moved(self._layout, self._cursor, move, column, max(1, self.size.height - 2))
        anchor = (self._cursor if self._anchor is None else self._anchor) if select else None
        self.place(target, anchor)
        self._column = column if move in UPRIGHT else None

    def action_select_all(self) -> None:
        """Select the whole story."""
        self.place(len(self._written.text), 0, reveal=False)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Put the cursor where the mouse is; with Shift, select up to it."""
        self.focus()
        self._dragging = True
        self.capture_mouse()
        anchor = (self._cursor if self._anchor is None else self._anchor) if event.shift else None
        self.place(self._offset_under(event.get_content_offset_capture(self)), anchor)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Select while the button is held."""
        if self._dragging:
            anchor = self._cursor if self._anchor is None else self._anchor
            self.place(self._offset_under(event.get_content_offset_capture(self)), anchor)

    def on_mouse_up(self) -> None:
        """Let the mouse go."""
        self._dragging = False
        self.release_mouse()

    def on_click(self, event: events.Click) -> None:
        """Two clicks select a word, three a paragraph."""
        if event.chain in (2, 3):
            around = word_around if event.chain == 2 else paragraph_around
            start, end = around(self._written.text, self._cursor)
            self.place(end, start)

    def _offset_under(self, at: Offset) -> int:
        row = at.y + round(self.scroll_y) - max(0, self.size.height - self._layout.rows)
        left = max(0, (self.size.width - self._layout.width - _GUTTER) // 2) + _GUTTER
        return self._layout.offset_at(row, max(0, at.x - left))

    # Changing

    def write(self, words: str) -> None:
        """Put words in the place of the selection, or at the cursor."""
        start, end = self.selection
        self._replace(start, end, words)

    def _replace(self, start: int, end: int, words: str) -> None:
        if (words or start < end) and self._change(start, end, words):
            self.place(start + len(words))

    def on_key(self, event: events.Key) -> None:
        """A character writes itself."""
        if event.is_printable and event.character:
            event.stop()
            event.prevent_default()
            self.write(event.character)

    def on_paste(self, event: events.Paste) -> None:
        """Write what was pasted."""
        event.stop()
        self.write(for_terminal(event.text))

    def action_write(self, words: str) -> None:
        """Write a line break, or the break of a paragraph."""
        self.write(words)

    def action_delete(self, move: Move) -> None:
        """Take out the selection, or what lies between the cursor and where `move` leads."""
        start, end = self.selection
        if start == end:
            # The break that Enter made goes as one.
            if move == "left" and self._written.text[:start].endswith("\n\n"):
                start -= 2
            else:
                target = moved(self._layout, start, move, 0, 1)
                start, end = min(start, target), max(end, target)
        self._replace(start, end, "")

    def action_cut(self) -> None:
        """Take the selection out, to be put somewhere else."""
        if self.selected_text:
            self.app.copy_to_clipboard(self.selected_text)
            self.write("")

    def action_paste(self) -> None:
        """Write what was cut or copied here."""
        self.write(for_terminal(self.app.clipboard))


def drawn(text: str) -> str:
    """`text` as it is drawn, as wide as `layout.cells` says: what a terminal would act on, or that hides what is said,
    is none of the printable characters, and shown as a mark of one cell."""
    if text.isprintable():
        return text
    return "".join(" " * TAB if each == "\t" else each if is_drawn(each) else "�" for each in text)

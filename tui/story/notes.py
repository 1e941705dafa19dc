"""The dialog for what goes with a story: title, memory, author's note, style, sampling, bans, goal and synopsis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Input, Select, Static, TextArea

from fireside.stories.info import NOTE_STRENGTHS, StoryChanges, StoryInfo
from fireside.stories.presets import PRESETS
from fireside.text import for_terminal, for_terminal_line
from tui.actions import bindings
from tui.chat.dialogs import Dialog

_STRENGTHS = {1: "once", 2: "twice: nearer to the end again", 3: "three times: it is hardly overheard"}
_DEFAULT = ""  # in a select: what the story says nothing about


class NotesDialog(Dialog[StoryChanges | None]):
    """Answers with what was changed; None where it was left."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("text-dialog")
    HELP = """What the model is told of the story and how it writes it. Tab goes from field to field; Enter opens a
    choice; Ctrl+S saves."""

    def __init__(self, info: StoryInfo, styles: Sequence[tuple[str, str]] = ()) -> None:
        """styles: the adapters there are for the model, as (name, what it is)."""
        super().__init__(None)
        self._info, self._styles = info, styles

    def compose(self) -> ComposeResult:
        """One field under another, the ones that are short side by side."""
        info = self._info
        with Vertical(classes="panel"):
            with VerticalScroll(classes="body", can_focus=False):
                yield from _line("Title", for_terminal_line(info.title), "title")
                yield from _area("Memory: what always holds", info.memory, "memory")
                yield from _area("Author's note: how to go on, for now", info.note, "note")
                with Horizontal(classes="fields"):
                    with Vertical(classes="field"):
                        yield from _line("Paragraphs from note to end", str(info.note_depth), "depth")
                    with Vertical(classes="field"):
                        strengths = [(_STRENGTHS[each], str(each)) for each in NOTE_STRENGTHS]
                        yield from _choice("The note is said", strengths, str(info.note_strength), "strength")
                with Horizontal(classes="fields"):
                    with Vertical(classes="field"):
                        yield from _choice("Style: an adapter", self._style_options(), info.style or "", "style")
                    with Vertical(classes="field"):
                        presets = [("what suits the model", _DEFAULT)]
                        presets += [(f"{each.name}: {each.why}", each.name) for each in PRESETS]
                        yield from _choice("Sampling", presets, info.preset or "", "preset")
                yield from _area("Bans: phrases that are never written, one a line", "\n".join(info.bans), "bans")
                yield from _line("Word goal (0: none)", str(info.goal), "goal")
                yield from _area("Synopsis: the whole story in short, for outlines", info.synopsis, "synopsis")
            yield Static("Ctrl+S saves   Tab next   Escape leaves it", markup=False, classes="keys")

    def _style_options(self) -> list[tuple[str, str]]:
        options = [("none: as the chat is set", _DEFAULT)]
        options += [(for_terminal_line(f"{name}: {about}", 70), name) for name, about in self._styles]
        if self._info.style and self._info.style not in [name for name, _ in self._styles]:
            options.append((for_terminal_line(f"{self._info.style} (not here for this model)"), self._info.style))
        return options

    def on_mount(self) -> None:
        """Begin where most is written."""
        self.query_one("#memory").focus()

    def on_input_submitted(self) -> None:
        """Enter on a line saves too."""
        self.action_save()

    def action_save(self) -> None:
        """Close with what was written; a number that is none stays as it was."""
        info = self._info
        title = for_terminal_line(self.query_one("#title", Input).value)
        bans = [for_terminal_line(line) for line in self._text("bans").splitlines()]
        self.dismiss(
            StoryChanges(
                title=title or info.title,
                memory=self._text("memory"),
                note=self._text("note"),
                note_depth=max(1, self._number("depth", info.note_depth)),
                note_strength=int(self._chosen("strength") or info.note_strength),
                style=self._chosen("style") or None,
                preset=self._chosen("preset") or None,
                bans=tuple(dict.fromkeys(ban for ban in bans if ban)),
                goal=self._number("goal", info.goal),
                synopsis=self._text("synopsis"),
            )
        )

    def _text(self, name: str) -> str:
        return for_terminal(self.query_one(f"#{name}", TextArea).text).strip()

    def _number(self, name: str, otherwise: int) -> int:
        written = self.query_one(f"#{name}", Input).value.strip()
        return int(written) if written.isdecimal() else otherwise

    def _chosen(self, name: str) -> str:
        return str(self.query_one(f"#{name}", Select).value)


def _label(text: str) -> Widget:
    return Static(text, markup=False, classes="label")


def _line(label: str, text: str, name: str) -> ComposeResult:
    yield _label(label)
    kind = "integer" if text.isdecimal() and name != "title" else "text"
    yield Input(text, compact=True, select_on_focus=False, type=kind, id=name)  # type: ignore[arg-type]


def _area(label: str, text: str, name: str) -> ComposeResult:
    yield _label(label)
    yield TextArea(for_terminal(text), compact=True, highlight_cursor_line=False, id=name)


def _choice(label: str, options: Sequence[tuple[str, str]], chosen: str, name: str) -> ComposeResult:
    yield _label(label)
    yield Select(options, value=chosen, allow_blank=False, compact=True, id=name)

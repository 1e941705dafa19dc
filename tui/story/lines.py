"""The lines around the page: title and legend, the length to write, keys, and the status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text

from fireside.stories.goals import Progress
from fireside.stories.manuscript import Author
from fireside.text import for_terminal_line
from tui.story.page import COLOURS, MARKS
from tui.story.writing import Aim

Colours = Mapping[str, str]
Keys = tuple[tuple[str, str], ...]
"""Actions by name, or keys that have none, each with what it does in a word."""

_NAMES: Mapping[Author, str] = {"prompt": "beginning", "model": "model", "person": "you", "edited": "edited"}
_STOPS = {"length": "", "sentence": "one sentence", "scene": "to the scene's end"}

PROMPT_KEYS: Keys = (
    ("Enter", "write on"),
    ("story.retry", "retry"),
    ("story.previous", "versions"),
    ("↑", "into the story"),
    ("Ctrl+Z", "undo"),
    ("story.notes", "notes"),
    ("story.outline", "outline"),
    ("app.help", "keys"),
    ("story.leave", "leave"),
)
PAGE_KEYS: Keys = (
    ("story.fill", "fill in"),
    ("story.retry", "retry"),
    ("story.previous", "versions"),
    ("story.undo", "undo"),
    ("story.write-on", "write on"),
    ("app.help", "keys"),
    ("story.leave", "back"),
)
SELECTION_KEYS: Keys = (
    ("manuscript.reword", "reword"),
    ("manuscript.expand", "expand"),
    ("manuscript.shorten", "shorten"),
    ("manuscript.describe", "describe"),
    ("manuscript.rewrite", "as you wish"),
    ("story.leave", "back"),
)
WRITING_KEYS: Keys = (("story.leave", "stop"),)


@dataclass(frozen=True)
class StoryStatus:
    """What the status line says.

    progress: words there are, of words wanted. new: words that came since the story was opened. author: who wrote the
    piece at the cursor, None on an empty page. version: (this one, how many there are there). selected: words.
    """

    state: str
    progress: Progress
    new: int
    author: Author | None
    version: tuple[int, int]
    selected: int
    tokens_per_s: float
    model: str


def heading_text(title: str, authors: bool, width: int, colours: Colours) -> Text:
    """The title, and at the right who wrote what, where there is room and something to tell apart."""
    legend = Text()
    for author, mark in MARKS.items() if authors else ():
        legend.append(f"{mark} {_NAMES[author]}  ", style=colours[COLOURS[author]])
    legend.rstrip()
    room = width - legend.cell_len - 2
    if room < 12:
        legend, room = Text(), width
    named = Text(for_terminal_line(title, max(8, room)), style=f"bold {colours['foreground']}")
    named.truncate(room, overflow="ellipsis", pad=bool(legend))
    return Text.assemble(named, "  " if legend else "", legend, no_wrap=True)


def control_text(aim: Aim, named: Mapping[str, str], colours: Colours) -> Text:
    """The length to write and where to stop, with the keys that change them; a click does too.

    named: the key of each action.
    """
    muted, strong = Style.parse(colours["muted"]), Style.parse(f"bold {colours['user']}")
    fewer, more, until = (_click(act) for act in ("screen.aim(-1)", "screen.aim(1)", "screen.until"))
    shorter, longer, stops = (named.get(f"story.{name}", "") for name in ("shorter", "longer", "until"))
    stop = _STOPS[aim.until]
    line = Text(no_wrap=True)
    if stop:
        line.append(stop, strong + until)
    else:
        line.append(f"{shorter} ", muted + fewer).append("◂", strong + fewer).append(f" {aim.words} words ", strong)
        line.append("▸", strong + more).append(f" {longer}", muted + more)
    return line.append(f"  {stops} until", muted + until)


def _click(act: str) -> Style:
    return Style.from_meta({"@click": act})


def keys_text(keys: Keys, named: Mapping[str, str], width: int, colours: Colours) -> Text:
    """As many of the keys as fit, the most used first, the way out always. named: the key of each action."""
    left = [(_short(named.get(action, "") if "." in action else action), what) for action, what in keys]
    left = [(key, what) for key, what in left if key]
    while len(left) > 1 and sum(len(key) + len(what) + 3 for key, what in left) - 2 > width:
        left.pop(-2)
    line = Text(no_wrap=True, overflow="ellipsis")
    for number, (key, what) in enumerate(left):
        line.append("  " if number else "").append(key, style=f"bold {colours['muted']}")
        line.append(f" {what}", style=colours["muted"])
    return line


def _short(key: str) -> str:
    """A key in as few cells as it can be read in."""
    return "Alt+←→" if key == "Alt+Left" else key.replace("Escape", "Esc").replace("Ctrl+", "^")


def status_text(status: StoryStatus, width: int, colours: Colours) -> Text:
    """The status in at most `width` cells; what matters least is left out first."""
    progress = status.progress
    words = f"{progress.written:,} words"
    if progress.wanted:
        words = f"{progress.written:,}/{progress.wanted:,} words, {progress.share:.0%}"
    parts = [words]
    if status.selected:
        parts.append(f"{status.selected:,} selected")
    this, of = status.version
    if of > 1:
        parts.append(f"version {this}/{of}")
    if status.author:
        parts.append(f"{MARKS[status.author]} {_NAMES[status.author]}")
    if status.new:
        parts.append(f"{status.new:+,} now")
    parts.append(for_terminal_line(status.model, 30))
    if status.tokens_per_s:
        parts.append(f"{status.tokens_per_s:.0f} tok/s")
    while len(parts) > 1 and len(status.state) + 4 + sum(len(part) + 2 for part in parts) > width:
        parts.pop()
    dot = colours["success" if status.state == "ready" else "user"]
    reached = colours["success"] if progress.reached else colours["muted"]
    return Text.assemble(
        ("● ", dot),
        (status.state, colours["foreground"]),
        (f"  {parts[0]}", reached),
        ("".join(f"  {part}" for part in parts[1:]), colours["muted"]),
        no_wrap=True,
        overflow="ellipsis",
    )

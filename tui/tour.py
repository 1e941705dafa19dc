"""The tour for a first start: five steps beside the prompt, which stays the person's to write in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual.screen import Screen
from textual.widgets import Static

from fireside import paths
from tui.actions import key_of

if TYPE_CHECKING:
    from tui.session import ChatSession


@dataclass(frozen=True)
class Step:
    """One thing to know. Names of actions in braces stand for their keys."""

    title: str
    text: str


STEPS = (
    Step(
        "Ask",
        "Write below and press {prompt.send}. {prompt.new-line} begins a new line, a slash lists all commands, "
        "{chat.conversations} shows your conversations. Everything stays on this machine.",
    ),
    Step(
        "Stop, and go another way",
        "{chat.stop} stops a reply. {chat.messages} goes to the messages: {message.retry} writes a reply again, "
        "{message.edit} edits; every version stays, {message.previous} and {message.next} turn between them.",
    ),
    Step(
        "Your documents",
        "In a shell, `fireside docs add FILES` reads documents into a library. Here, /docs NAME answers from it with "
        "its sources, and /source opens one.",
    ),
    Step(
        "Tools",
        "/tools on lets the assistant use tools, /tools FOLDER also on your files. What could do harm is shown to you "
        "first, and runs only when you allow it. /trace shows what happened.",
    ),
    Step(
        "Train, write, find your way",
        "/train fine-tunes the model on your data, /story opens the story studio. {app.help} says what the keys do "
        "wherever you are, {app.palette} finds any command, /settings changes what you like.",
    ),
)


def spoken(step: Step, keys: Mapping[str, str]) -> str:
    """A step's text with the keys as they are set. keys: the person's own, by action."""
    text = step.text
    for name in [part.partition("}")[0] for part in step.text.split("{")[1:]]:
        text = text.replace(f"{{{name}}}", key_of(name, keys))
    return text


def seen_file() -> Path:
    """Says by being there that the tour was shown once."""
    return paths.home() / "tour.seen"


def remember_seen() -> None:
    """Let the next start be without the tour; where that cannot be written, it comes again."""
    try:
        paths.ensure_folder(paths.home())
        seen_file().touch()
    except OSError:
        return


class Tour(Static):
    """The steps, one at a time. It takes no focus: the screen has its keys."""

    def __init__(self, keys: Mapping[str, str], steps: Sequence[Step] = STEPS) -> None:
        """keys: the person's own, by action."""
        super().__init__(markup=False, id="tour")
        self._keys, self._steps, self._place = keys, steps, 0

    def on_mount(self) -> None:
        """Begin, in the theme's colours."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show())
        self._show()

    def move(self, step: int) -> bool:
        """Go on or back; False behind the last step."""
        self._place = max(0, self._place + step)
        if self._place >= len(self._steps):
            return False
        self._show()
        return True

    def on_click(self) -> None:
        """A click goes on."""
        if not self.move(1):
            self.remove()

    def _show(self) -> None:
        colours, step = self.app.theme_variables, self._steps[self._place]
        text = spoken(step, self._keys)
        last = self._place + 1 == len(self._steps)
        ways = [f"{key_of('chat.tour-next', self._keys)} {'ends' if last else 'goes on'}"]
        if self._place:
            ways.append(f"{key_of('chat.tour-back', self._keys)} goes back")
        if not last:
            ways.append(f"{key_of('chat.tour-end', self._keys)} leaves")
        self.update(
            Text.assemble(
                (f"{self._place + 1}/{len(self._steps)}  ", colours["muted"]),
                (f"{step.title}\n", f"bold {colours['user']}"),
                (f"{text}\n", colours["foreground"]),
                ("   ".join(ways), colours["muted"]),
            )
        )


class TouredScreen(Screen[None]):
    """A screen that can show the tour above its prompt; `tui.action_table` has the tour's keys."""

    session: ChatSession

    def show_tour(self) -> None:
        """Show the tour from its beginning."""
        if shown := self.query(Tour):
            shown.first().move(-len(STEPS))
        else:
            self.query_one("#main").mount(Tour(self.session.settings.keys), before="#composer")
        self.run_worker(remember_seen, thread=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The tour's keys are there while it is; to stop a reply and to close the prompt's list are nearer."""
        if action not in ("tour", "tour_end"):
            return True
        return bool(self.query(Tour)) and not self.session.busy and not self.query_one("#completions").display

    def action_tour(self, step: int) -> None:
        """Another step of the tour; behind the last, it is over."""
        if not self.query_one(Tour).move(step):
            self.action_tour_end()

    def action_tour_end(self) -> None:
        """Leave the tour."""
        self.query(Tour).remove()

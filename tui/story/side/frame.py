"""What the screens beside a story have in common: the frame, work that takes long, how they are left."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Checkbox, Static
from textual.worker import Worker

from fireside.errors import FiresideError
from fireside.models.types import AdapterUse, ChatModel
from fireside.stories.store import Story
from fireside.text import for_terminal, for_terminal_line
from tui.actions import bindings
from tui.help_here import rows
from tui.undos import Undos

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Left:
    """How a pane was left. changed: the story is not what it was. place: the character of what is read to go to."""

    changed: bool = False
    place: int | None = None


class KeysLine(Static):
    """The keys of a screen that matter most, by the person's own keymap, as many as two lines hold."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """names: of actions, the most important first."""
        super().__init__(markup=False, id="side-keys")
        self._names = names

    def on_mount(self) -> None:
        """Write them, and again when others count."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.call_after_refresh(self.write))
        self.app.theme_changed_signal.subscribe(self, lambda _: self.write())

    def on_resize(self) -> None:
        """Another width holds others."""
        self.write()

    def write(self) -> None:
        """Write the line, unless the screen was left meanwhile."""
        if not self.is_attached:
            return
        colours, width = self.app.theme_variables, self.content_size.width
        active = {name: (keys.split(", ")[0], summary) for keys, summary, name in rows(self.screen.active_bindings)}
        shown = [
            Text.assemble((active[name][0], f"bold {colours['user']}"), (f" {active[name][1]}", colours["muted"]))
            for name in self._names
            if name in active
        ]
        # What does not fit is to be found out of the help, which has to fit therefore.
        rest = [
            Text.assemble((keys, f"bold {colours['user']}"), (" all keys", colours["muted"]))
            for name, (keys, _) in active.items()
            if name == "app.help"
        ]
        most = 1 if self.screen.has_class("low") else 2
        lines = _in_lines([*shown, *rest], width)
        while len(lines) > most and shown:
            shown.pop()
            lines = _in_lines([*shown, *rest], width)
        self.update(Text("\n").join([Text("   ").join(line) for line in lines]))


def _in_lines(texts: list[Text], width: int) -> list[list[Text]]:
    """`texts`, three columns between two of them, in lines of at most `width` columns."""
    lines: list[list[Text]] = [[]]
    used = 0
    for each in texts:
        if used and used + each.cell_len > width:
            lines.append([])
            used = 0
        lines[-1].append(each)
        used += each.cell_len + 3
    return lines


class Tick(Checkbox):
    """A box that also shows without colour whether it is ticked."""

    def __init__(self, words: str, value: bool, name: str) -> None:
        """name: its id."""
        super().__init__(Content(words), value, id=name, compact=True)

    @property
    def _button(self) -> Content:
        style = self.get_visual_style("toggle--button")
        return Content.assemble((f"[{'x' if self.value else ' '}]", style))


class Framed(Screen[ResultT], Generic[ResultT]):
    """A screen of heading, body, one line for what is said, and keys. Work that takes long can be stopped."""

    CSS_PATH = "side.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("pane")
    KEYS: ClassVar[tuple[str, ...]] = ()
    """The actions that the bottom line names."""

    def __init__(self, heading: str) -> None:
        super().__init__()
        self._heading = heading
        self._work: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        """The frame around `body`."""
        yield Static(for_terminal_line(self._heading, 200), markup=False, classes="page-title", id="side-title")
        yield from self.body()
        yield Static(markup=False, id="side-said")
        yield KeysLine(self.KEYS)

    def body(self) -> ComposeResult:
        """What is between heading and keys."""
        yield from ()

    def say(self, words: str, *, error: bool = False) -> None:
        """Say one thing above the keys; an empty text takes it away."""
        said = self.query_one("#side-said", Static)
        said.update(for_terminal(words))
        said.set_class(error, "error")
        said.display = bool(words)

    def say_error(self, error: FiresideError) -> None:
        """Say what failed and what to do."""
        self.say(error.message + (f"\n{error.hint}" if error.hint else ""), error=True)

    @property
    def busy(self) -> bool:
        """Whether something that takes long is going on."""
        return self._work is not None and not self._work.is_finished

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something that takes long go on beside, one at a time; its failure is said."""
        if self.busy:
            work.close()
            self.say("that is still going on; Escape stops it")
            return
        self._work = self.run_worker(self._told(work), group="work", exit_on_error=True)

    async def _told(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except FiresideError as error:
            self.say_error(error)
        finally:
            self._work = None
            # Not while the app ends, when the widgets are gone already.
            if self.is_attached and self.query(KeysLine):
                self.ended()

    def ended(self) -> None:
        """What took long has ended, one way or another."""

    def stop(self) -> bool:
        """Stop what takes long; False where nothing does."""
        if self._work is None or self._work.is_finished:
            return False
        self._work.cancel()
        return True


class Pane(Framed[Left]):
    """A screen beside an open story. It is opened while nothing is being written, and gives a `Left` back.

    The story screen shows the story anew where it changed, and goes to the place where one is named.
    """

    def __init__(self, heading: str, story: Story, model: ChatModel, adapters: tuple[AdapterUse, ...] = ()) -> None:
        """Story and model stay the caller's to close. adapters: what the model writes with; none: the story's style."""
        super().__init__(heading)
        self.story, self.model, self.adapters = story, model, adapters
        self.undos = Undos()
        self._first = self._state()

    def _state(self) -> tuple[object, object, object]:
        return self.story.manuscript, self.story.outline, self.story.info

    def leave(self, place: int | None = None) -> None:
        """Back to the story, at `place` where one is given."""
        changed = any(now is not before for now, before in zip(self._state(), self._first, strict=True))
        self.dismiss(Left(changed, place))

    def action_back(self) -> None:
        """Escape: stop what is going on, else back to the story."""
        if self.stop():
            self.say("stopped; what came is kept")
        else:
            self.leave()

    def free(self) -> bool:
        """Whether the story may be changed now; says so where it may not."""
        if self.busy:
            self.say("the model is still at work; Escape stops it")
        return not self.busy

    def action_undo(self) -> None:
        """Take the last change back."""
        if not self.free():
            return
        try:
            undone = self.undos.undo()
        except FiresideError as error:
            self.say_error(error)
            return
        self.say(f"undone: {undone}" if undone else "nothing to undo here")
        self.show_story()

    def ended(self) -> None:
        """Show what came of it."""
        self.show_story()

    def show_story(self) -> None:
        """Show the story as it is now."""

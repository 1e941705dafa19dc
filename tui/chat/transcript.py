"""The transcript: the tail of the conversation as cached messages, earlier ones on demand, and the live reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from fireside.conversations.types import StoredMessage
from fireside.text import for_terminal_line
from tui.chat.markdown import Colours
from tui.chat.message import MessageView
from tui.chat.reply import LiveReply
from tui.models import REMOTE

TAIL = 30
"""Messages mounted at first, and added for each step back: the cost of a frame grows with all that is mounted."""

Placed = tuple[StoredMessage, tuple[int, int]]
"""A message with its index among its siblings and their count."""


def welcome(colours: Colours, model: str) -> Text:
    """What an empty conversation says: where one is, who reads what is written, and three things to try."""
    strong, quiet = colours["foreground"], colours["muted"]
    text = Text()
    text.append("Fireside", style=f"bold {colours['user']}")
    if model.startswith(REMOTE):
        server = for_terminal_line(model.removeprefix(REMOTE), 60)
        text.append(f"\nA private assistant, but what you write here goes to the server {server}.\n", style=quiet)
    else:
        text.append("\nA private assistant. Nothing you write here leaves this machine.\n", style=quiet)
    for command, meaning in (
        ("Ask anything", "Escape stops a reply and keeps what came"),
        ("/docs", "answers from your own documents, with sources"),
        ("/train", "teach the model something, then /adapter to hear it"),
    ):
        text.append(f"\n{command}", style=strong)
        text.append(f"  {meaning}", style=quiet)
    text.append("\n\nCtrl+J begins a new line, / lists the commands", style=quiet)
    return text


class Welcome(Static):
    """What an empty conversation shows."""

    def __init__(self, model: Callable[[], str]) -> None:
        super().__init__(markup=False, classes="welcome")
        self._model = model

    def on_mount(self) -> None:
        """Follow the theme."""
        self.show()
        self.app.theme_changed_signal.subscribe(self, lambda _: self.show())

    def show(self) -> None:
        """Say it of the model as it is now."""
        self.update(welcome(self.app.theme_variables, self._model()))


class Transcript(VerticalScroll, can_focus=False):
    """Shows messages and follows the end until the person scrolls up."""

    def __init__(self, model: Callable[[], str]) -> None:
        """`model` gives the name of the model that is chatted with."""
        super().__init__(id="transcript")
        self._model = model
        self._earlier: list[Placed] = []
        self.live: LiveReply | None = None

    def compose(self) -> ComposeResult:
        """A new conversation."""
        yield Welcome(self._model)

    def on_mount(self) -> None:
        """Follow the end as text arrives."""
        self.anchor()

    async def show(self, placed: Sequence[Placed]) -> None:
        """Replace everything by these messages, or by the welcome where there are none."""
        self.live = None
        self._earlier, tail = list(placed[:-TAIL]), placed[-TAIL:]
        with self.app.batch_update():
            await self.remove_children()
            widgets: list[Widget] = [MessageView(message, place) for message, place in tail]
            if not widgets:
                widgets = [Welcome(self._model)]
            elif self._earlier:
                widgets.insert(0, self._earlier_line())
            await self.mount_all(widgets)
        self.anchor()

    def show_welcome(self) -> None:
        """The model has changed; an empty conversation says so."""
        for each in self.query(Welcome):
            each.show()

    async def add(self, message: StoredMessage, place: tuple[int, int]) -> None:
        """Add a message at the end."""
        await self.query(Welcome).remove()
        await self.mount(MessageView(message, place))
        self.anchor()

    async def begin_reply(self) -> LiveReply:
        """Mount the widget for the reply that is about to be written."""
        self.live = LiveReply()
        await self.mount(self.live)
        self.anchor()
        return self.live

    async def finish_reply(self, message: StoredMessage, place: tuple[int, int]) -> None:
        """Put the finished message in the live widget's place."""
        live, self.live = self.live, None
        with self.app.batch_update():
            await self.mount(MessageView(message, place), after=live)
            if live is not None:
                await live.remove()

    async def show_earlier(self) -> None:
        """Mount another stretch of earlier messages above, keeping what is in view where it is."""
        if not self._earlier:
            return
        self._earlier, stretch = self._earlier[:-TAIL], self._earlier[-TAIL:]
        first = self.views[0]
        with self.app.batch_update():
            await self.query(".earlier").remove()
            views: list[Widget] = [MessageView(message, place) for message, place in stretch]
            if self._earlier:
                views.insert(0, self._earlier_line())
            await self.mount_all(views, before=first)
        self.call_after_refresh(self.scroll_to_widget, first, top=True, animate=False)

    @property
    def views(self) -> list[MessageView]:
        """The mounted messages, in order."""
        return list(self.query_children(MessageView))

    def beside(self, view: MessageView, step: int) -> MessageView | None:
        """The message `step` places below (or, negative, above) `view` among the mounted ones."""
        views = self.views
        if view not in views:
            return None
        place = views.index(view) + step
        return views[place] if 0 <= place < len(views) else None

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Reaching the top brings earlier messages."""
        super().watch_scroll_y(old_value, new_value)
        if new_value <= 0 < old_value and self._earlier:
            self.run_worker(self.show_earlier(), group="earlier", exclusive=True)

    def _earlier_line(self) -> Static:
        return Static(f"↑ {len(self._earlier)} earlier messages", markup=False, classes="earlier")

"""The terminal app: themes, the chat as its first screen, the command palette, and an orderly end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from rich.console import RenderableType
from rich.text import Text
from textual import events
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.screen import Screen
from textual.worker import WorkerError

from fireside.text import for_terminal
from tui.actions import bindings, keymap
from tui.chat.markdown import rich_theme
from tui.chat.screen import ChatScreen
from tui.first import First, first_of
from tui.slash import COMMANDS
from tui.terminal_input import decode_input
from tui.theme import COLOURLESS, TERMINAL_THEMES, THEMES, adopted, textual_name

if TYPE_CHECKING:
    from fireside.settings import Settings
    from tui.session import ChatSession

CLOSING_SECONDS = 2.0
"""How long the reply being written may take to be saved when the app leaves."""


@runtime_checkable
class Saves(Protocol):
    """A screen that keeps the last keys back for a moment before they are saved."""

    def save_now(self) -> bool:
        """Save them; False where that failed."""


class FiresideApp(App[None]):
    """Fireside in a terminal."""

    TITLE = "Fireside"
    CSS_PATH = "chat/chat.tcss"
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "narrow"), (80, "wide")]  # noqa: RUF012  # as in App
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "low"), (18, "tall")]  # noqa: RUF012  # as in App
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = bindings("app")

    session: ChatSession

    def __init__(
        self,
        session: ChatSession | First,
        *,
        library: str | None = None,
        adapter: str | None = None,
        tour: bool = False,
    ) -> None:
        """session: or what the first frame needs, until `take_session`. `library` and `adapter` are taken up by the
        chat once it stands. tour: show it then."""
        super().__init__()
        self._tour_wanted = tour
        decode_input()
        first = session if isinstance(session, First) else first_of(session.settings, session.model.name)
        self._chat = ChatScreen(first, library=library, adapter=adapter)
        if not isinstance(session, First):
            self.take_session(session)
        self._rich_theme_pushed = False
        for theme in THEMES.values():
            self.register_theme(theme)
        for name in TERMINAL_THEMES:
            self.unregister_theme(name)
        self._css_is_fresh = False
        self.theme = textual_name(first.theme)
        self.stylesheet.set_variables(self.get_css_variables())
        self._css_is_fresh = True
        self.set_keymap(keymap(first.keys))

    def take_session(self, session: ChatSession) -> None:
        """The chat that is shown from now on."""
        self.session = session
        self._chat.take_session(session)
        if self.is_running:
            self._show_tour()

    @property
    def begun(self) -> bool:
        """Whether there is a session yet."""
        return self._chat.begun

    def get_default_screen(self) -> Screen[None]:
        """The chat."""
        return self._chat

    def refresh_css(self, animate: bool = True) -> None:
        """Apply the style sheets anew; not where the theme asks for it that they are about to be read for."""
        fresh, self._css_is_fresh = self._css_is_fresh, False
        if not fresh:
            super().refresh_css(animate)

    def get_css_variables(self) -> dict[str, str]:
        """Our own colour names too, for Textual's themes that do not know them."""
        variables = super().get_css_variables()
        if "user" not in self.current_theme.variables:
            variables = variables | adopted(variables)
        if self.no_color:
            variables = variables | COLOURLESS
        self.theme_variables = variables
        return variables

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The slash commands, in the chat; what else keys do where one is; then Textual's own."""
        if isinstance(screen, ChatScreen):
            for command in COMMANDS:
                act = partial(self._from_palette, screen, command.name, command.argument_needed)
                yield SystemCommand(f"/{command.name}", command.summary, act)
        else:
            from tui.help_here import rows

            for keys, summary, name in rows(screen.active_bindings):
                yield SystemCommand(summary, keys, partial(self._act, screen, name))
        yield from super().get_system_commands(screen)

    def _act(self, screen: Screen[object], name: str) -> None:
        """Do what the action `name` does, as if its key had been pressed on `screen`."""
        for node, binding, _, _ in screen.active_bindings.values():
            if binding.id == name:
                self.run_worker(self.run_action(binding.action, node))
                return

    def _from_palette(self, screen: ChatScreen, name: str, needs_argument: bool) -> None:
        """Run a command, or write it into the prompt where its argument is still to come."""
        if needs_argument:
            screen.prompt.fill(f"/{name} ")
            screen.prompt.focus()
        else:
            screen.action_slash(name)

    def take_settings(self, settings: Settings) -> None:
        """Let changed settings count as far as they can while the app runs."""
        before, self.session.settings = self.session.settings, settings
        if settings.theme != before.theme:
            self.theme = textual_name(settings.theme)
        self.set_keymap(keymap(settings.keys))
        self._chat.prompt.use_keys(settings.prompt_keys)

    def _colour_markdown(self) -> None:
        """Give Rich, which draws the finished messages, the theme's colours."""
        if self._rich_theme_pushed:
            self.console.pop_theme()
        self.console.push_theme(rich_theme(self.theme_variables))
        self._rich_theme_pushed = True

    def on_mount(self) -> None:
        """Leave in order when the system or a closing terminal says so."""
        self._colour_markdown()
        self.theme_changed_signal.subscribe(self, lambda _: self._colour_markdown(), immediate=True)
        if self.begun:
            self._show_tour()
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(signal.SIGTERM, self._leave)
            loop.add_signal_handler(signal.SIGHUP, self._hung_up)

    def _show_tour(self) -> None:
        if self._tour_wanted:
            self._tour_wanted = False
            self.call_after_refresh(self._chat.show_tour)

    async def on_event(self, event: events.Event) -> None:
        """Pasted text loses here, whatever it is pasted into, what a terminal would act on."""
        if isinstance(event, events.Paste):
            event.text = for_terminal(event.text)
        await super().on_event(event)

    def action_help_here(self) -> None:
        """Say what the keys do where the cursor is."""
        from tui.help_here import HelpHere, places

        if not isinstance(self.screen, HelpHere):
            self.push_screen(HelpHere(places(self.screen, self.session.settings.keys)))

    async def action_quit(self) -> None:
        """Leave: stop and save the reply being written, and go when it has been shown."""
        self._leave()

    def _leave(self) -> None:
        self.run_worker(self._stop_and_exit(), group="end", exclusive=True)

    async def _stop_and_exit(self) -> None:
        if self.begun:
            self.session.stop()
        turns = [worker for worker in self.workers if worker.group == "turn"]
        with suppress(TimeoutError, WorkerError):
            await asyncio.wait_for(self.workers.wait_for_complete(turns), CLOSING_SECONDS)
        self.exit()

    def _hung_up(self) -> None:
        """The terminal is gone: save, and end without drawing, because nobody reads what is written to it."""
        self.run_worker(self._save_and_end(), group="end", exclusive=True)

    async def _save_and_end(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, Saves):
                with suppress(Exception):
                    screen.save_now()
        with suppress(Exception):
            if self.begun:
                await asyncio.wait_for(self.session.close(), CLOSING_SECONDS)
        os._exit(128 + signal.SIGHUP)

    async def on_unmount(self) -> None:
        """Save the reply being written and let go of the model."""
        if self.begun:
            await self.session.close()

    def panic(self, *renderables: RenderableType) -> None:
        """End after a failure of the app itself, with one line in place of Textual's traceback."""
        from tui.crash import crash_message

        self._return_code = 1
        super().panic(Text(crash_message(renderables)))

    def _fatal_error(self) -> None:
        # Textual calls this while it handles the exception, and would print it with all local variables.
        from rich.traceback import Traceback

        self.panic(Traceback(width=120))

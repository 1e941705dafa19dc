"""The app as a person starts it: its first frame stands before the settings are checked and the conversations opened.

Meanwhile letters go into the prompt at once. Any other key, which may need the session, waits for it with all that is
typed after it, so that everything counts in the order in which it was typed.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import events, work

from fireside.errors import FiresideError
from tui.app import FiresideApp

if TYPE_CHECKING:
    from tui.first import First
    from tui.session import ChatSession

_AT_ONCE = ("ctrl+q",)
"""Keys that need no session: to leave is always possible."""
_SWITCH_S = 0.0005
"""How long the imports keep the interpreter from the prompt, at most; Python's own 5 ms, at every turn of the event
loop, would be seen."""


class StartingApp(FiresideApp):
    """`FiresideApp` that opens its session by itself, behind the first frame."""

    def __init__(
        self,
        first: First,
        open_session: Callable[[], ChatSession],
        *,
        library: str | None = None,
        adapter: str | None = None,
        tour: bool = False,
    ) -> None:
        """open_session: called in a thread once the first frame is shown. The rest is as in `FiresideApp`."""
        super().__init__(first, library=library, adapter=adapter, tour=tour)
        self._open_session = open_session
        self._typed: deque[events.Event] = deque()
        self.refused: FiresideError | OSError | None = None
        """Why there is no session; the app has ended then."""

    @work(group="open")
    async def on_chat_screen_stands(self) -> None:
        """Open the session, now that the first frame is shown."""
        usual = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_S)
        try:
            session = await asyncio.to_thread(self._open_session)
        except (FiresideError, OSError) as error:
            self.refused = error
            self.exit(return_code=1)
            return
        finally:
            sys.setswitchinterval(usual)
        self._take(session)
        while self._typed:
            await super().on_event(self._typed[0])
            self._typed.popleft()

    def _take(self, session: ChatSession) -> None:
        """Use it, and the settings that were checked with it."""
        self.take_session(session)
        self.take_settings(session.settings)

    async def on_event(self, event: events.Event) -> None:
        """Let letters through, and keep back what has to wait."""
        typed = isinstance(event, events.Key | events.Paste)
        if typed and (self._typed or not (self.begun or _writes(event))):
            self._typed.append(event)
        else:
            await super().on_event(event)

    def close_store(self) -> None:
        """Close the conversations' file, where it was opened."""
        if self.begun:
            self.session.store.close()


def _writes(event: events.Event) -> bool:
    """Whether it needs no session: it writes into the prompt, or leaves."""
    return not isinstance(event, events.Key) or event.is_printable or event.key in _AT_ONCE

"""The app on a clocked model in a real terminal, or an app with nothing in it: what `terminal.py` types into."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def empty() -> None:
    """Run an app of one line that shows the key that was pressed."""
    from textual import events
    from textual.app import App, ComposeResult
    from textual.widgets import Label

    class Empty(App[None]):
        def compose(self) -> ComposeResult:
            yield Label("nothing here")

        def on_key(self, event: events.Key) -> None:
            self.query_one(Label).update(event.character or "")

    Empty().run()


def streaming(count: int) -> None:
    """Run the chat over 200 messages; its first reply has `count` tokens."""
    from terminal_app import ClockedModel, made_conversation, tokens

    from fireside.conversations.store import ConversationStore
    from fireside.settings import Settings
    from tui.app import FiresideApp
    from tui.session import ChatSession

    with tempfile.TemporaryDirectory() as folder:
        store = ConversationStore(Path(folder) / "conversations.db")
        made_conversation(store, 200)
        model = ClockedModel([tokens(count)])
        FiresideApp(ChatSession(store, Settings(), lambda name: model)).run()


if __name__ == "__main__":
    if sys.argv[1] == "empty":
        empty()
    else:
        streaming(int(sys.argv[1]))

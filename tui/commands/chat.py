"""`fireside chat`, and `fireside` alone: opens the chat in the terminal."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add `chat`."""
    parser = subparsers.add_parser("chat", help="chat in the terminal (what `fireside` alone does)")
    parser.add_argument("--model", metavar="NAME", help="a model of `fireside models list`, a path, or remote:NAME")
    parser.add_argument("--docs", metavar="LIBRARY", help="answer from this document library")
    parser.add_argument("--adapter", metavar="NAME[:SCALE]", help="apply this adapter")
    parser.set_defaults(handler=chat)


def chat(options: argparse.Namespace) -> int:
    """Open the chat; return when the person leaves. Raises FiresideError before anything is drawn."""
    from fireside.errors import FiresideError

    # Textual draws on stderr, so that all three must be the terminal.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise FiresideError("the chat needs a terminal", "`fireside ask` takes one question and prints the answer")
    from fireside import paths
    from fireside.conversations.store import ConversationStore
    from fireside.models.types import ChatModel
    from fireside.settings import load
    from tui.app import FiresideApp
    from tui.models import open_model
    from tui.session import ChatSession

    settings = load()

    def opened(name: str | None) -> ChatModel:
        return open_model(settings, name or options.model)

    paths.ensure_folder(paths.home())
    store = ConversationStore(paths.conversations_database())
    try:
        app = FiresideApp(ChatSession(store, settings, opened), library=options.docs, adapter=options.adapter)
        app.run()
        return app.return_code or 0
    finally:
        store.close()

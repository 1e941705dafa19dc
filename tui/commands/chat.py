"""`fireside chat`, and `fireside` alone: opens the chat in the terminal."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.driver import Driver

    from tui.session import ChatSession


def add_parser(subparsers: Any) -> None:
    """Add `chat`."""
    parser = subparsers.add_parser("chat", help="chat in the terminal (what `fireside` alone does)")
    parser.add_argument("--model", metavar="NAME", help="a model of `fireside models list`, a path, or remote:NAME")
    parser.add_argument("--docs", metavar="LIBRARY", help="answer from this document library")
    parser.add_argument(
        "--adapter", action="append", metavar="NAME[:SCALE]", help="apply this adapter; several together (repeatable)"
    )
    parser.add_argument(
        "--plain",
        action=argparse.BooleanOptionalAction,
        help="line by line instead of on a full screen, for screen readers (as the setting `plain`)",
    )
    parser.set_defaults(handler=chat)


def chat(options: argparse.Namespace) -> int:
    """Open the chat; return when the person leaves. Raises FiresideError before anything is drawn."""
    from fireside.errors import FiresideError

    # Textual draws on stderr, so that all three must be the terminal.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise FiresideError("the chat needs a terminal", "`fireside ask` takes one question and prints the answer")
    adapter = None
    if options.adapter:
        from fireside.models.adapters import SEPARATOR

        adapter = SEPARATOR.join(options.adapter)
    if _wants_plain(options.plain):
        return _open_plain(options.model, options.docs, adapter)
    return open_chat(options.model, library=options.docs, adapter=adapter)


def _wants_plain(asked: bool | None) -> bool:
    """Whether to chat line by line: as asked on the line, or as set; and where the terminal cannot move its cursor."""
    from tui.first import first

    if asked is not None:
        return asked
    return os.environ.get("TERM") == "dumb" or first().plain


def _open_plain(model: str | None, library: str | None, adapter: str | None) -> int:
    """Chat line by line; return when the person leaves. Raises FiresideError."""
    import asyncio

    from tui.plain.loop import plain_chat

    session = chat_session(model)
    with closing(session.store):
        return asyncio.run(plain_chat(session, library, adapter))


def chat_session(model: str | None) -> ChatSession:
    """A chat on the person's store and settings; whoever asks for it closes its store. Raises FiresideError."""
    from fireside import paths
    from fireside.conversations.store import ConversationStore
    from fireside.models.types import ChatModel
    from fireside.settings import load
    from tui.models import open_model
    from tui.session import ChatSession

    settings = load()

    def opened(name: str | None) -> ChatModel:
        return open_model(settings, name or model)

    paths.ensure_folder(paths.home())
    store = ConversationStore(paths.conversations_database())
    try:
        return ChatSession(store, settings, opened)
    except BaseException:
        store.close()
        raise


def open_chat(
    model: str | None, *, library: str | None = None, adapter: str | None = None, driver: type[Driver] | None = None
) -> int:
    """Open the chat in the terminal, or where `driver` draws; return when the person leaves. Raises FiresideError."""
    from tui.first import first
    from tui.starting import StartingApp
    from tui.tour import seen_file

    tour = driver is None and not seen_file().exists()
    app = StartingApp(first(model), partial(chat_session, model), library=library, adapter=adapter, tour=tour)
    app.driver_class = driver or app.driver_class
    app.run()
    app.close_store()
    if app.refused is not None:
        raise app.refused
    return app.return_code or 0

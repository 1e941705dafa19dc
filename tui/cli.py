"""The `fireside` command: parses the line, runs one subcommand, and turns every failure into one clear line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

# What is imported up here is loaded before `main` can catch a Ctrl-C, so the rest comes inside it.


def parser() -> argparse.ArgumentParser:
    """The whole command line. Building it imports nothing heavy."""
    top, subparsers = _top()
    for command in _commands():
        command.add_parser(subparsers)
    return top


def _chat_parser() -> argparse.ArgumentParser:
    """The command line's part for the chat, which starts the sooner for it."""
    from tui.commands import chat

    top, subparsers = _top()
    chat.add_parser(subparsers)
    return top


def _commands() -> Sequence[Any]:
    """The modules of the subcommands, in the help's order."""
    from tui.commands import (
        adapters,
        ask,
        bench,
        chat,
        data,
        docs,
        doctor,
        evaluate,
        mcp,
        models,
        serve,
        story,
        tools,
        traces,
        tune,
    )

    return (
        chat,
        ask,
        docs,
        models,
        adapters,
        data,
        tune,
        evaluate,
        tools,
        traces,
        mcp,
        story,
        serve,
        bench,
        doctor,
    )


def _top() -> tuple[argparse.ArgumentParser, Any]:
    """The command line without its subcommands, and what they are added to."""
    import argparse

    from fireside import __version__

    top = argparse.ArgumentParser(
        prog="fireside",
        description="A private assistant on your own machine: chat, documents, tools, stories, fine-tuning; offline.",
        epilog="Without a command, `fireside` opens the chat. Everything is kept under FIRESIDE_HOME.",
    )
    top.add_argument("--version", action="version", version=f"fireside {__version__}")
    return top, top.add_subparsers(dest="command", metavar="COMMAND")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; return its exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        return 130


def _run(line: list[str]) -> int:
    from fireside.errors import FiresideError
    from tui.console import report_error

    _open_closed_streams()
    if not line or (line[0].startswith("-") and line[0] not in ("-h", "--help", "--version")):
        line.insert(0, "chat")
    options = (_chat_parser() if line[0] == "chat" else parser()).parse_args(line)
    # An output in another encoding than UTF-8 shows what it lacks as an escape, and no traceback.
    # An input in another encoding is read all the same.
    for stream, errors in ((sys.stdout, "backslashreplace"), (sys.stdin, "replace")):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=errors)
    try:
        status: int = options.handler(options)
        sys.stdout.flush()
        return status
    except FiresideError as error:
        report_error(error.message, error.hint)
        return 1
    except BrokenPipeError:
        # The reader went away (`| head`): nobody is left to tell.
        _drop_output()
        return 1
    except OSError as error:
        # A full disk under a redirected output, a working folder that is gone: the system's word on it is enough.
        _drop_output()
        report_error(str(error))
        return 1


def _open_closed_streams() -> None:
    """Give a command started with stdin, stdout or stderr closed (`>&-`) the null device in its place.

    Python sets such a stream to None, and the next file opened would take its descriptor.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, f"__{name}__") is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r", closefd=False))


def _drop_output() -> None:
    """Keep the interpreter from writing to a broken output once more at its exit."""
    from contextlib import suppress

    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())

"""The `fireside` command: parses the line, runs one subcommand, and turns every failure into one clear line."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Sequence

from fireside import __version__
from fireside.errors import FiresideError
from tui.commands import adapters, ask, chat, docs, doctor, models, story, tools, tune
from tui.console import report_error

COMMANDS = (chat, ask, docs, models, adapters, tune, tools, story, doctor)


def parser() -> argparse.ArgumentParser:
    """The whole command line. Building it imports nothing heavy."""
    top = argparse.ArgumentParser(
        prog="fireside",
        description="A private assistant on your own machine: chat, documents, tools, stories, fine-tuning; offline.",
        epilog="Without a command, `fireside` opens the chat. Everything is kept under FIRESIDE_HOME.",
    )
    top.add_argument("--version", action="version", version=f"fireside {__version__}")
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; return its exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    line = list(sys.argv[1:] if arguments is None else arguments)
    if not line or (line[0].startswith("-") and line[0] not in ("-h", "--help", "--version")):
        line.insert(0, "chat")
    options = parser().parse_args(line)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # An output in another encoding than UTF-8 shows what it lacks as an escape, and no traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status: int = options.handler(options)
        sys.stdout.flush()
        return status
    except FiresideError as error:
        report_error(error.message, error.hint)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader went away (`| head`): nobody is left to tell.
        _drop_output()
        return 1
    except OSError as error:
        # A full disk under a redirected output, a working folder that is gone: the system's word on it is enough.
        _drop_output()
        report_error(str(error))
        return 1


def _drop_output() -> None:
    """Keep the interpreter from writing to a broken output once more at its exit."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())

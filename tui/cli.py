"""The `fireside` command: parses the line, runs one subcommand, and turns every failure into one clear line."""

from __future__ import annotations

import argparse
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
    options = parser().parse_args(line or ["chat"])
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
        # The reader went away (`| head`): nobody is left to tell, and the interpreter must not try at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())

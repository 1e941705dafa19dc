"""Adds one action of a command, as `list` in `fireside story list`, to the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def add_action(
    actions: Any, name: str, handler: Callable[[argparse.Namespace], int], what: str
) -> argparse.ArgumentParser:
    """An action that `handler` carries out, with --json; `what` is its help. Its own arguments are the caller's to add.

    actions: what argparse's `add_subparsers` returned.
    """
    parser: argparse.ArgumentParser = actions.add_parser(name, help=what, description=what)
    parser.add_argument("--json", action="store_true", help="print JSON on stdout")
    parser.set_defaults(handler=handler)
    return parser

"""Lines in and out of a plain terminal: nothing is drawn, nothing is written over."""

from __future__ import annotations

import sys

from fireside.text import for_terminal
from tui.commands.ask_approval import typed_line


def tell(text: str) -> None:
    """Write a text on lines of its own."""
    put(text + "\n")


def put(text: str) -> None:
    """Write text as it comes, made safe for a terminal."""
    sys.stdout.write(for_terminal(text))
    sys.stdout.flush()


async def asked(question: str) -> str | None:
    """The line that the person types behind `question`, stripped; None where the input has ended."""
    put(f"{question} ")
    line = await typed_line()
    return line.strip() if line else None


async def confirmed(question: str) -> bool:
    """Whether the person says yes."""
    answer = await asked(f"{question} y or n:")
    return (answer or "").lower().startswith("y")


async def chosen(heading: str, lines: list[str]) -> int | None:
    """Which of several lines the person wants, by its number; None for none of them."""
    tell(heading)
    for number, line in enumerate(lines, 1):
        tell(f"{number}. {line}")
    answer = await asked("Number, or Enter for none:")
    return int(answer) - 1 if answer and answer.isdecimal() and 0 < int(answer) <= len(lines) else None

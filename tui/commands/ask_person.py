"""How `fireside ask` lets the model put a question to the person: on the terminal, in the middle of the turn."""

from __future__ import annotations

import sys

from tui.commands.ask_approval import typed_line
from tui.console import note


async def ask_at_terminal(question: str, options: tuple[str, ...]) -> str:
    """The line that the person types, or the option whose number they type; empty where they leave it."""
    note(f"The model asks: {question}")
    for number, option in enumerate(options, 1):
        note(f"  {number}  {option}")
    sys.stderr.write("Your answer: ")
    sys.stderr.flush()
    answer = (await typed_line()).strip()
    chosen = dict(zip(map(str, range(1, len(options) + 1)), options, strict=True))
    return chosen.get(answer, answer)

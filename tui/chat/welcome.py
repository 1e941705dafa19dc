"""What an empty conversation says: where one is, who reads what is written, and three things to try."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text
from textual.widgets import Static

from fireside.text import for_terminal_line
from tui.chat.markdown import Colours
from tui.first import REMOTE


def welcome(colours: Colours, model: str) -> Text:
    """What an empty conversation says: where one is, who reads what is written, and three things to try."""
    strong, quiet = colours["foreground"], colours["muted"]
    text = Text()
    text.append("Fireside", style=f"bold {colours['user']}")
    if model.startswith(REMOTE):
        server = for_terminal_line(model.removeprefix(REMOTE), 60)
        text.append(f"\nA private assistant, but what you write here goes to the server {server}.\n", style=quiet)
    else:
        text.append("\nA private assistant. Nothing you write here leaves this machine.\n", style=quiet)
    for command, meaning in (
        ("Ask anything", "Escape stops a reply and keeps what came"),
        ("/docs", "answers from your own documents, with sources"),
        ("/train", "teach the model something, then /adapter to hear it"),
    ):
        text.append(f"\n{command}", style=strong)
        text.append(f"  {meaning}", style=quiet)
    text.append("\n\nCtrl+J begins a new line, / lists the commands", style=quiet)
    return text


class Welcome(Static):
    """What an empty conversation shows."""

    def __init__(self, model: Callable[[], str]) -> None:
        super().__init__(markup=False, classes="welcome")
        self._model = model

    def on_mount(self) -> None:
        """Follow the theme."""
        self.show()
        self.app.theme_changed_signal.subscribe(self, lambda _: self.show())

    def show(self) -> None:
        """Say it of the model as it is now."""
        self.update(welcome(self.app.theme_variables, self._model()))

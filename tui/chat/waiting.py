"""Messages sent while a reply was being written: they wait above the prompt, and go one by one when it is free."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from fireside.text import for_terminal_line

_SHOWN = 3


class Waiting(Static):
    """The messages that wait, the next one first."""

    def __init__(self) -> None:
        super().__init__(markup=False, id="waiting")
        self._texts: list[str] = []

    def add(self, text: str) -> None:
        """One more."""
        self._texts.append(text)
        self._show()

    def take(self) -> str:
        """The next one, which waits no longer; empty where there is none."""
        text = self._texts.pop(0) if self._texts else ""
        self._show()
        return text

    def take_all(self) -> str:
        """All of them as one text, to be written on in the prompt."""
        text = "\n\n".join(self._texts)
        self._texts.clear()
        self._show()
        return text

    def _show(self) -> None:
        self.display = bool(self._texts)
        muted = self.app.theme_variables["muted"]
        lines = [Text(f"↑ waits: {for_terminal_line(text, 200)}", style=muted) for text in self._texts[:_SHOWN]]
        if len(self._texts) > _SHOWN:
            lines.append(Text(f"  and {len(self._texts) - _SHOWN} more", style=muted))
        self.update(Text("\n", no_wrap=True, overflow="ellipsis").join(lines))

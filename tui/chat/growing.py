"""Markdown that grows at its end: blocks that nothing to come can change are parsed once."""

from __future__ import annotations

from typing import Any

from tui.chat.blocks import Block, blocks, is_continued


class GrowingMarkdown:
    """The blocks of a text that is appended to, at every moment those that `blocks` gives for the whole.

    CommonMark reads a text line by line and never opens a closed block again (specification 0.31, appendix), so all
    blocks before the last one of the whole lines are settled. Only a link's definition reaches back to them: when one
    comes, they are parsed again.
    """

    def __init__(self) -> None:
        self.settled: list[Block] = []
        self.open: list[Block] = []
        self.again = 0
        """How often the settled blocks have been parsed again: who has drawn them must draw them anew."""
        self._settled_text = ""
        self._text = ""
        self._definitions: dict[str, Any] = {}
        self._used: dict[str, Any] = {}

    @property
    def text(self) -> str:
        """All of it."""
        return self._settled_text + self._text

    def append(self, text: str) -> None:
        """Add to the end."""
        self._text += text
        before = len(self.settled)
        settled_with = self._settle() if "\n" in text else self._used
        known = {"references": dict(self._definitions)}
        self.open = blocks(self._text, known)
        definitions = known["references"]
        if definitions != self._used or (len(self.settled) > before and definitions != settled_with):
            self.settled = blocks(self._settled_text, {"references": dict(definitions)})
            self.again += 1
        self._used = definitions

    def _settle(self) -> dict[str, Any]:
        """Take what is settled of the whole lines over; return the definitions that it was parsed with."""
        lines = self._text.split("\n")
        whole = "\n".join(lines[:-1]) + "\n"
        known = {"references": dict(self._definitions)}
        found = blocks(whole, known)
        last = max((place for place, block in enumerate(found) if not is_continued(block)), default=0)
        if last:
            cut = sum(len(line) + 1 for line in lines[: (found[last][0].map or [0])[0]])
            mine = {"references": dict(self._definitions)}
            blocks(self._text[:cut], mine)
            self._definitions = mine["references"]
            self.settled += found[:last]
            self._settled_text += self._text[:cut]
            self._text = self._text[cut:]
        return known["references"]

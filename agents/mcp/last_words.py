"""What became of an MCP server that is not heard any more, in words for the person."""

from __future__ import annotations

from dataclasses import dataclass

from agents.mcp.quoted import quoted


@dataclass
class LastWords:
    """What is known of a server's end, filled in as it happens.

    over: nothing more will be heard of it. wrong: what it did that ended it, where that is known. garbage: the last
    line it wrote that is no message. said: its last line on stderr, or the HTTP status of its last failed reply.
    status: its program's exit status, negative for a signal.
    """

    over: bool = False
    wrong: str = ""
    garbage: str = ""
    said: str = ""
    status: int | None = None

    def told(self) -> str:
        """All of it on one line."""
        how = self.wrong
        if not how and self.status is not None:
            how = f"it ended with status {self.status}" if self.status >= 0 else f"signal {-self.status} ended it"
        return "; ".join(part for part in (how, self.heard()) if part) or "the connection ended"

    def heard(self) -> str:
        """What it said that is no part of the protocol; "" where it said nothing."""
        said = f"its last words: {quoted(self.said)}" if self.said else ""
        garbage = f"it wrote what is not MCP: {quoted(self.garbage)}" if self.garbage else ""
        return "; ".join(part for part in (said, garbage) if part)

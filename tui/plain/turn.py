"""One turn told in lines: who speaks, in words; text as it comes; tools, approvals, sources, and how it ended."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from agents.events import (
    ApprovalAsked,
    CitationChecked,
    Delegated,
    Event,
    TextDelta,
    ThinkingDelta,
    ToolCallAsked,
    ToolResult,
    TurnFailed,
    TurnFinished,
)
from fireside.text import TerminalStream, for_terminal_line, visible
from tui.approving import decided_in_turn, lasting_rule, risk_line, sources_line
from tui.chat.rendering import written_arguments
from tui.event_lines import event_line
from tui.plain.terminal import asked, put, tell

if TYPE_CHECKING:
    from agents.approval import Rule
    from agents.loop import Answer, Approve
    from rag.types import Citation
    from tui.session import ChatSession

_ENDS = {
    "length": "The reply was cut off at its longest length.",
    "invalid": "The model wrote no call that can be read.",
}


class Telling:
    """Tells the events of one turn."""

    def __init__(self) -> None:
        self._safe = TerminalStream()
        self._speaks = self._thinks = False
        self._within_line = False
        self.ended = False

    def take(self, event: Event) -> None:
        """Tell one event."""
        match event:
            case TextDelta(text):
                self._say(self._safe.push(text))
            case ThinkingDelta() if not self._thinks:
                self._thinks = True
                self._line("Thinking.")
            case ThinkingDelta() | ApprovalAsked() | CitationChecked():
                pass  # said once; asked about by the approver; told with the sources
            case ToolCallAsked(call):
                self._line(f"Tool {for_terminal_line(call.name)}: {written_arguments(call.arguments, 200)}")
            case ToolResult(call, status, text):
                self._line(f"Tool {for_terminal_line(call.name)} {status}: {for_terminal_line(text, 200)}")
            case Delegated(_, ToolResult(call, status)):
                self._line(f"Delegated: tool {for_terminal_line(call.name)} {status}.")
            case TurnFailed(message, hint):
                self.ended = True
                self._line(f"Failed: {for_terminal_line(message, 500)}")
                if hint:
                    self._line(for_terminal_line(hint, 500))
            case TurnFinished():
                self._finish(event)
            case _ if line := event_line(event):
                self._line(line)
            case _:
                pass

    def stop(self) -> None:
        """Nothing more comes; a turn that did not end itself was stopped."""
        self._say(self._safe.close())
        if not self.ended:
            self._line("Stopped. What came is kept.")
        self._end_line()

    def _finish(self, event: TurnFinished) -> None:
        self.ended = True
        self._say(self._safe.close())
        self._end_line()
        for citation in event.citations:
            tell(_source(citation))
        if event.unsupported:
            tell(f"Not supported by a source: {len(event.unsupported)} sentences.")
        if said := _ENDS.get(event.finish):
            tell(said)

    def _say(self, text: str) -> None:
        if not text:
            return
        if not self._speaks:
            self._speaks = True
            self._end_line()
            put("Assistant: ")
        put(text)
        self._within_line = not text.endswith("\n")

    def _line(self, text: str) -> None:
        self._end_line()
        tell(text)
        self._speaks = False

    def _end_line(self) -> None:
        if self._within_line:
            put("\n")
        self._within_line = False


def _source(citation: Citation) -> str:
    """A source in one line."""
    where = f", page {citation.page}" if citation.page else f", {citation.heading[-1]}" if citation.heading else ""
    doubt = "" if citation.verified else " Not verified."
    name = for_terminal_line(PurePath(citation.document).name)
    return (
        f"Source {citation.marker}: {name}{for_terminal_line(where)}. {for_terminal_line(citation.quote, 200)}{doubt}"
    )


def approver(session: ChatSession) -> Approve:
    """Asks by lines about the calls of one turn; anything but a clear yes is a no."""
    from agents.remembered import remember

    made: list[Rule] = []

    async def approve(call: ApprovalAsked) -> Answer:
        decided = decided_in_turn(call, session.tools, made, session.folder)
        if decided != "ask":
            return "once" if decided == "allow" else "deny"
        tell(f"The assistant wants to use the tool {for_terminal_line(call.call.name)}.")
        # Every line of what is allowed, and nothing of it hidden.
        shown = call.preview or "\n".join(f"{name}: {value}" for name, value in call.call.arguments.items())
        for line in (sources_line(call), *visible(shown).splitlines(), risk_line(call)):
            if line:
                tell(line)
        here = "" if session.folder is None else ", f always in this folder, v never in this folder"
        answer = (await asked(f"Allow it? y yes, a always in this conversation{here}, n no:") or "").lower()[:1]
        if session.folder is not None and answer in ("f", "v"):
            made.append(lasting_rule(call, "allow" if answer == "f" else "deny"))
            remember(made[-1], session.folder)
            return "once" if answer == "f" else "deny"
        if answer == "a":
            session.allowed.add(call.call.name)
        return "once" if answer == "y" else "always" if answer == "a" else "deny"

    return approve

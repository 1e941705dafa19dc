"""A stored message as Rich renderables: its text, tool calls, sources, and the quiet line below. Pure functions."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from fireside.conversations.types import StoredMessage
from fireside.text import for_terminal, for_terminal_line
from tui.attach.attachment import attachments_of, with_sizes
from tui.chat.markdown import Colours
from tui.event_lines import plan_line

SHOWN = 24_000
"""Characters of a message's text that are drawn in the transcript, some six thousand tokens."""
SHOWN_LINES = 800
"""Lines of it."""
RESULT_LINES = 3
RESULT_WIDTH = 200
QUOTE_LENGTH = 160
NEAREST = 3
_ENDINGS = {
    "length": "cut at the length limit",
    "loop": "stopped: the same call again",
    "budget": "stopped: the turn had used up its budget",
    "invalid": "stopped: calls that could not be made",
}
MARKS = {"asked": "○", "done": "●", "denied": "⊘", "failed": "✕", "invalid": "✕"}


def user_message(message: StoredMessage, place: tuple[int, int], colours: Colours) -> RenderableType:
    """What the person wrote, as it stands, and which of its siblings it is (`place`: index from 0, count)."""
    safe = for_terminal(with_sizes(message.text, attachments_of(message)))
    text = Text(beginning(safe))
    lines = [line for line in (left_out(len(safe) - len(text), colours), _siblings(place, colours)) if line]
    return Group(text, *lines) if lines else text


def assistant_message(
    message: StoredMessage, place: tuple[int, int], colours: Colours, *, thoughts: bool = False
) -> RenderableType:
    """A finished reply: thinking, tool calls, the text as Markdown, sources, and the line below.

    thoughts: show what the model thought, not only that it did.
    """
    return Group(*assistant_parts(message, place, colours, thoughts=thoughts))


def assistant_parts(
    message: StoredMessage, place: tuple[int, int], colours: Colours, *, thoughts: bool = False
) -> list[RenderableType]:
    """`assistant_message` as what stands one below the other, each block of the text by itself."""
    details = message.details
    parts: list[RenderableType] = []
    thought = details.get("thinking")
    if isinstance(thought, str) and thought.strip():
        parts += [_thoughts(thought, colours, whole=thoughts), Text()]
    calls = [call for call in details.get("tools") or () if isinstance(call, dict)]
    for call in calls:
        parts.append(
            tool_call(
                str(call.get("name", "")),
                call.get("arguments") or {},
                str(call.get("status", "done")),
                str(call.get("result", "")),
                colours,
            )
        )
    plan = [step for step in details.get("plan") or () if isinstance(step, dict)]
    if plan:
        parts.append(checklist(plan, colours))
    if (calls or plan) and message.text:
        parts.append(Text())
    text = for_terminal(message.text)
    begins = beginning(text)
    if details.get("refused"):
        parts.append(Text(begins, style=f"italic {colours['caution']}"))
    elif text:
        from tui.chat.blocks import FinishedMarkdown  # the parser, which the first frame does without

        parts += FinishedMarkdown(begins).parts
    if hidden := left_out(len(text) - len(begins), colours):
        parts.append(hidden)
    citations = [citation for citation in details.get("citations") or () if isinstance(citation, dict)]
    if citations:
        parts += [Text(), sources(citations, colours)]
    unsupported = [str(sentence) for sentence in details.get("unsupported") or ()]
    if unsupported:
        parts += [Text(), without_source(unsupported, colours)]
    passages = [passage for passage in details.get("passages") or () if isinstance(passage, dict)]
    if details.get("refused") and passages:
        parts += [Text(), nearest(passages, colours)]
    below = _below(message, place, colours)
    if below:
        parts.append(below)
    return parts


def beginning(text: str) -> str:
    """What is drawn of a text in the transcript: `SHOWN` characters and `SHOWN_LINES` lines at most."""
    return "\n".join(text[:SHOWN].split("\n", SHOWN_LINES)[:SHOWN_LINES])


def left_out(characters: int, colours: Colours) -> Text:
    """That so many characters of a text are not shown; empty where all are."""
    if characters <= 0:
        return Text()
    return Text(f"… {characters:,} more characters: O on the message opens the whole", style=colours["caution"])


def thinking(words: int, colours: Colours) -> Text:
    """That the model thinks, and how much it has by now."""
    return Text(f"thinking… {words} words", style=colours["muted"])


def tool_call(name: str, arguments: dict[str, Any], status: str, result: str, colours: Colours) -> Text:
    """One call on one line, and its result folded to a few lines; `status` is asked or a result's."""
    wrong = {"denied": colours["caution"], "failed": colours["error"], "invalid": colours["error"]}
    colour = wrong.get(status, colours["tool"])
    line = Text()
    line.append(f"{MARKS.get(status, '●')} ", style=colour)
    line.append(for_terminal_line(name), style=f"bold {colour}")
    line.append(f"({written_arguments(arguments)})", style=colours["muted"])
    if status in wrong:
        line.append(f" {status}", style=colour)
    lines = [shown for shown in for_terminal(result).splitlines() if shown.strip()]
    for shown in lines[:RESULT_LINES]:
        line.append(f"\n  {for_terminal_line(shown, RESULT_WIDTH)}", style=colours["muted"])
    if len(lines) > RESULT_LINES:
        line.append(f"\n  … {len(lines) - RESULT_LINES} more lines", style=colours["muted"])
    return line


def checklist(steps: list[dict[str, Any]], colours: Colours) -> Text:
    """The steps of a plan, those that are done crossed off."""
    lines = [
        Text(
            plan_line(str(step.get("text", "")), str(step.get("status", "open"))),
            style=colours["foreground"] if step.get("status") == "doing" else colours["muted"],
        )
        for step in steps
    ]
    return Text("\n").join(lines)


def preview(text: str, colours: Colours) -> Text:
    """What a call will do, whole; a unified diff with what goes and what comes in their colours."""
    lines = for_terminal(text).splitlines()
    is_diff = len(lines) > 1 and lines[0].startswith("--- ") and lines[1].startswith("+++ ")
    shown = [Text(line, style=_diff_style(line, colours) if is_diff else colours["foreground"]) for line in lines]
    return Text("\n").join(shown)


def _diff_style(line: str, colours: Colours) -> str:
    if line.startswith(("--- ", "+++ ", "@@")):
        return colours["muted"]
    return {"+": colours["source"], "-": colours["error"]}.get(line[:1], colours["foreground"])


def written_arguments(arguments: dict[str, Any], limit: int = 300) -> str:
    """Arguments as `name=value`, on one line, made safe."""
    written = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items())
    return for_terminal_line(written, limit)


def sources(citations: list[dict[str, Any]], colours: Colours) -> Text:
    """The numbered sources: file, page or heading, the quote, and a mark where the support was not found."""
    text = Text()
    text.append("Sources", style=f"bold {colours['source']}")
    for citation in citations:
        text.append("\n")
        text.append(f"[{citation.get('marker', '?')}] ", style=f"bold {colours['source']}")
        text.append(for_terminal_line(PurePath(str(citation.get("document", ""))).name), style=colours["foreground"])
        where = _where(citation)
        if where:
            text.append(f"  {where}", style=colours["muted"])
        if not citation.get("verified"):
            text.append("  unverified", style=f"italic {colours['caution']}")
        quote = for_terminal_line(str(citation.get("quote", "")), QUOTE_LENGTH)
        if quote:
            text.append(f"\n    “{quote}”", style=colours["muted"])
    return text


def without_source(sentences: list[str], colours: Colours) -> Text:
    """The sentences of the reply that no passage was found to support."""
    text = Text("Not found in the documents", style=f"bold {colours['caution']}")
    for sentence in sentences:
        text.append(f"\n    “{for_terminal_line(sentence, QUOTE_LENGTH)}”", style=colours["muted"])
    return text


def nearest(passages: list[dict[str, Any]], colours: Colours) -> Text:
    """What came nearest to a question that the documents do not answer."""
    text = Text("Nearest passages", style=f"bold {colours['source']}")
    for passage in passages[:NEAREST]:
        text.append(
            f"\n{for_terminal_line(PurePath(str(passage.get('document', ''))).name)}", style=colours["foreground"]
        )
        where = _where(passage)
        if where:
            text.append(f"  {where}", style=colours["muted"])
        said = for_terminal_line(str(passage.get("text", "")), QUOTE_LENGTH)
        text.append(f"\n    “{said}”", style=colours["muted"])
    return text


def _thoughts(thought: str, colours: Colours, *, whole: bool) -> Text:
    """That the model thought before it replied, on one line; where the `whole` is wanted, also what."""
    text = Text(f"{'▾' if whole else '▸'} thought for {len(thought.split())} words", style=colours["muted"])
    if whole:
        text.append(f"\n{beginning(for_terminal(thought.strip()))}", style="italic")
    return text


def _where(citation: dict[str, Any]) -> str:
    """The page, or the headings from the outermost to the nearest."""
    if citation.get("page"):
        return f"page {citation['page']}"
    return for_terminal_line(" › ".join(str(heading) for heading in citation.get("heading") or ()), 80)


def _below(message: StoredMessage, place: tuple[int, int], colours: Colours) -> Text:
    """Siblings, speed and how the reply ended; empty for an ordinary reply without siblings."""
    details = message.details
    parts: list[Text] = []
    siblings = _siblings(place, colours)
    if siblings:
        parts.append(siblings)
    if message.status == "failed":
        parts.append(_failure(details, colours))
    elif message.status in ("stopped", "interrupted"):
        parts.append(Text(message.status, style=colours["caution"]))
    ending = _ENDINGS.get(str(details.get("finish")))
    if ending:
        parts.append(Text(ending, style=colours["caution"]))
    if details.get("dropped"):
        parts.append(
            Text(f"without the first {details['dropped']} messages: the context is full", style=colours["muted"])
        )
    return Text("  ").join(parts)


def _failure(details: dict[str, Any], colours: Colours) -> Text:
    """What went wrong and what to do, as the record keeps it."""
    message = str(details.get("error") or "the reply failed")
    text = Text("✕ " + for_terminal_line(message, 500), style=colours["error"])
    if details.get("hint"):
        text.append(f"\n  {for_terminal_line(str(details['hint']), 500)}", style=colours["muted"])
    return text


def _siblings(place: tuple[int, int], colours: Colours) -> Text:
    """`‹ 2/3 ›`, or nothing for an only child."""
    index, count = place
    return Text(f"‹ {index + 1}/{count} ›", style=colours["muted"]) if count > 1 else Text()

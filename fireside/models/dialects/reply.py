"""Takes a reply apart while it is written: text, thinking, and calls."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fireside.models.dialects.families import Dialect
from fireside.models.dialects.forms import Form
from fireside.models.dialects.reading import NotACall, Unfinished
from fireside.models.types import Called, Delta, Thinking, ToolSpec

_USUAL_THINKING = ("<think>", "</think>")
_LONGEST_CALL = 64 * 1024


class ReplyParser:
    """Turns the pieces of a reply into events; where they are cut makes no difference to what comes out.

    Only what may be the beginning of a marker, and a call that is being written, is held back. A call that breaks off,
    is malformed, names an unknown tool, has arguments that are not an object, or is longer than 64 Ki characters
    comes out as text, as it was written. A whole call without its end marker is a call. White space directly behind a
    call and behind the markers of thinking is left out. Thinking begins at the beginning of a reply, or not at all.
    """

    def __init__(self, dialect: Dialect, tools: Sequence[ToolSpec], *, thinking: bool = False) -> None:
        """tools: those that may be called; without any, calls are text. thinking: the prompt has opened the thinking
        already (see `opens_thinking`)."""
        self._tools = {tool.name: tool for tool in tools}
        forms = {form.begin: form for form in dialect.forms} if tools else {}
        marks = dialect.thinking or (_USUAL_THINKING if thinking else None)
        self._opening, self._closing = marks or ("", "")
        self._forms = forms
        anywhere = [begin for begin, form in forms.items() if not form.opens_reply]
        at_beginning = [*forms, self._opening] if marks else [*forms]
        while_thinking = [*anywhere, self._closing] if marks else []
        self._watch = {
            "beginning": _Watch(at_beginning),
            "text": _Watch(anywhere),
            "thinking": _Watch(while_thinking),
        }
        self._now = "thinking" if thinking else "beginning"
        self._skip_space = thinking
        self._held = ""

    def push(self, text: str) -> list[Delta | Thinking | Called]:
        """The next piece of the reply in; what is certain by now out."""
        if not self._held and not self._skip_space and self._watch[self._now].passes(text):
            if not text:
                return []
            event = self._said(text)
            if self._now == "beginning" and not text.isspace():
                self._now = "text"
            return [event]
        self._held += text
        return self._events(more=True)

    def close(self) -> list[Delta | Thinking | Called]:
        """What is still held, at the end of the reply."""
        return self._events(more=False)

    def _events(self, *, more: bool) -> list[Delta | Thinking | Called]:
        events: list[Delta | Thinking | Called] = []
        while self._held:
            if self._skip_space:
                self._held = self._held.lstrip()
                self._skip_space = not self._held
                continue
            watch = self._watch[self._now]
            found = watch.find(self._held)
            if found is None:
                keep = watch.overlap(self._held) if more else 0
                self._say(events, len(self._held) - keep)
                break
            if found.start() > 0:
                self._say(events, found.start())
                continue
            mark = found.group()
            form = self._forms.get(mark)
            if form is None:
                self._now = "beginning" if self._now == "thinking" else "thinking"
                self._held = self._held[len(mark) :]
                self._skip_space = True
            elif not self._take_call(events, form, more=more):
                break
        return events

    def _take_call(self, events: list[Delta | Thinking | Called], form: Form, *, more: bool) -> bool:
        """Read the call that `form` begins, or say its beginning as text; False where more text must come first."""
        try:
            calls, end = form.read(self._held, len(form.begin), self._tools, more)
        except Unfinished:
            if more and len(self._held) <= _LONGEST_CALL:
                return False
        except NotACall:
            pass
        else:
            if end <= _LONGEST_CALL:
                events.extend(Called(call) for call in calls)
                self._held = self._held[end:]
                self._skip_space = True
                if self._now == "thinking":
                    self._now = "beginning"
                return True
        self._say(events, len(form.begin))
        return True

    def _say(self, events: list[Delta | Thinking | Called], length: int) -> None:
        """Give out the first `length` characters of what is held."""
        text, self._held = self._held[:length], self._held[length:]
        if not text:
            return
        event = self._said(text)
        last = events[-1] if events else None
        if isinstance(last, Delta) and isinstance(event, Delta):
            events[-1] = Delta(last.text + text)
        elif isinstance(last, Thinking) and isinstance(event, Thinking):
            events[-1] = Thinking(last.text + text)
        else:
            events.append(event)
        if self._now == "beginning" and not text.isspace():
            self._now = "text"

    def _said(self, text: str) -> Delta | Thinking:
        return Thinking(text) if self._now == "thinking" else Delta(text)


class _Watch:
    """The markers that are looked for in one part of a reply."""

    def __init__(self, marks: Sequence[str]) -> None:
        self._marks = tuple(marks)
        self._firsts = {mark[0] for mark in marks}
        self._first = re.compile("[" + re.escape("".join(sorted(self._firsts))) + "]") if marks else re.compile("")
        self._longest = max(map(len, marks), default=0)
        longest_first = sorted(marks, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if marks else None

    def passes(self, text: str) -> bool:
        """Whether no marker can begin in `text`."""
        return not self._firsts or self._first.search(text) is None

    def find(self, text: str) -> re.Match[str] | None:
        """The first marker in `text`."""
        return self._pattern.search(text) if self._pattern is not None else None

    def overlap(self, text: str) -> int:
        """The length of the longest end of `text` that a marker begins with."""
        for start in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[start] in self._firsts and any(mark.startswith(text[start:]) for mark in self._marks):
                return len(text) - start
        return 0


def opens_thinking(rendered: str, dialect: Dialect) -> bool:
    """Whether a rendered prompt ends by opening the model's thinking, so that the reply begins inside it."""
    opening = (dialect.thinking or _USUAL_THINKING)[0]
    return rendered.rstrip().endswith(opening.rstrip())

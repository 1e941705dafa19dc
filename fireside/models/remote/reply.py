"""A reply as a server streams it: checks the shape of each piece, and makes events of them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fireside.errors import ModelError
from fireside.models.constraints import Choice, JsonSchema
from fireside.models.dialects import Dialect, ReplyParser
from fireside.models.remote.problems import in_stream, nonsense
from fireside.models.remote.request import as_object, chosen, estimated_tokens
from fireside.models.remote.scores import scores_of
from fireside.models.remote.server import Kind
from fireside.models.types import (
    Called,
    Delta,
    Finished,
    FinishReason,
    ReplyEvent,
    Request,
    Thinking,
    Timings,
    TokenScore,
    ToolCall,
    Usage,
)
from fireside.text import TerminalStream, for_terminal_line

# No token of a known vocabulary is longer than 128 characters, a run of blanks.
_CHARACTERS_A_TOKEN = 128
_MORE_CHARACTERS = 10_000
_MOST_CALLS = 256
# Servers without a parser of their own leave thinking in the text.
_THINKING_IN_TEXT = Dialect("remote", (), "tagged", "", thinking=("<think>", "</think>"))


@dataclass
class _Call:
    """A tool call as far as it has come."""

    id: str
    name: str = ""
    arguments: str = ""


class Reply:
    """One reply. `take` every document of the stream, then `close`."""

    def __init__(
        self, request: Request, kind: Kind, host: str, key: str | None, names: Mapping[str, str], began: float
    ) -> None:
        """key: kept out of errors. names: of tools, as they were sent. began: `time.perf_counter()` of the request."""
        self._request, self._host, self._key = request, host, key
        self._own_names = {sent: name for name, sent in names.items()}
        self._as_object = as_object(request.constraint, kind)
        self._text, self._thought = TerminalStream(), TerminalStream()
        self._parser = ReplyParser(_THINKING_IN_TEXT, ()) if request.constraint is None else None
        self._whole: list[str] = []  # kept where a constraint is checked at the end
        self._left = request.max_tokens * _CHARACTERS_A_TOKEN + _MORE_CHARACTERS
        self._calls: dict[int, list[_Call]] = {}
        self._scored = False
        self._pieces = 0
        self._usage: Mapping[str, Any] = {}
        self._server_timings: Mapping[str, Any] = {}
        self._began, self._first, self._last = began, 0.0, 0.0
        self.reason: FinishReason | None = None

    @property
    def pieces(self) -> int:
        """How many pieces of it have come that say something."""
        return self._pieces

    @property
    def ended(self) -> bool:
        """Whether the server has said that the reply is at its end."""
        return self.reason is not None

    def take(self, document: object) -> list[ReplyEvent]:
        """The events of one document of the stream, or of a whole answer. Raises ModelError."""
        if not isinstance(document, dict):
            raise nonsense(self._host, "something that is no JSON object")
        in_stream(document, self._host, self._key)
        if isinstance(usage := document.get("usage"), dict):
            self._usage = usage
        if isinstance(timings := document.get("timings"), dict):
            self._server_timings = timings
        choices = document.get("choices")
        if choices is None or choices == []:
            if "usage" in document or "object" in document:
                return []
            raise nonsense(self._host, "a piece that belongs to no reply")
        choice = choices[0] if isinstance(choices, list) else None
        if not isinstance(choice, dict):
            raise nonsense(self._host, "a piece that belongs to no reply")
        events = self._piece(choice)
        if (reason := choice.get("finish_reason")) is not None:
            self._finish(reason)
        return events

    def close(self) -> list[ReplyEvent]:
        """The last events, Finished among them. Raises ModelError: a call cannot be read, or a promise is not kept."""
        assert self.reason is not None
        events: list[ReplyEvent] = []
        whole = "".join(self._whole)
        if self._request.constraint is not None and self.reason == "stop":
            whole = self._checked(whole)
        if self._as_object:
            events += [Delta(self._text.push(whole) + self._text.close())] if whole and self.reason == "stop" else []
        if self._parser is not None:
            events += self._said(self._parser.close())
        if rest := self._text.close():
            events.append(Delta(rest))
        if rest := self._thought.close():
            events.append(Thinking(rest))
        events += [Called(call) for call in self._called()]
        if self._request.scores is not None and self._pieces and not self._scored:
            raise ModelError(
                f"the server {self._host} tells no probabilities of tokens", "use another server, or a local model"
            )
        return [*events, Finished(self.reason, self._counts(), self._timings())]

    def _piece(self, choice: dict[str, Any]) -> list[ReplyEvent]:
        """The events of what one choice brings, streamed (`delta`), whole (`message`), or as plain text (`text`)."""
        delta = choice.get("delta", choice.get("message"))
        if delta is None:
            delta = {"content": choice.get("text")}
        if not isinstance(delta, dict):
            raise nonsense(self._host, "a piece without a message")
        thought = self._string(delta, "reasoning_content") or self._string(delta, "reasoning")
        text = self._string(delta, "content") or self._string(delta, "refusal")
        calls = delta.get("tool_calls") or []
        if not isinstance(calls, list):
            raise nonsense(self._host, "tool calls that are no list")
        try:
            scores = scores_of(choice.get("logprobs")) if self._request.scores is not None else ()
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise nonsense(self._host, "probabilities that cannot be read") from error
        if not (thought or text or calls or scores):
            return []
        self._last = time.perf_counter()
        self._first = self._first or self._last
        self._pieces += 1
        self._scored = self._scored or bool(scores)
        for each in calls:
            self._fragment(each)
        self._left -= len(thought) + len(text)
        if self._left < 0:
            raise ModelError(
                f"the server {self._host} wrote far more than the {self._request.max_tokens} tokens it was asked for",
                "it passes over max_tokens; use another server",
            )
        events: list[ReplyEvent] = []
        if thought and (shown := self._thought.push(thought)):
            events.append(Thinking(shown))
        if self._request.constraint is not None:
            self._whole.append(text)
        if text and not self._as_object:
            events += self._said(self._parser.push(text) if self._parser is not None else [Delta(text)])
        if scores:
            events = _with_scores(events, scores)
        return events

    def _said(self, parsed: Sequence[ReplyEvent]) -> list[ReplyEvent]:
        """What the parser read, made safe for a terminal."""
        events: list[ReplyEvent] = []
        for event in parsed:
            if isinstance(event, Thinking) and (shown := self._thought.push(event.text)):
                events.append(Thinking(shown))
            elif isinstance(event, Delta) and (shown := self._text.push(event.text)):
                events.append(Delta(shown))
        return events

    def _string(self, delta: dict[str, Any], name: str) -> str:
        value = delta.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise nonsense(self._host, f"a piece whose {name} is no text")
        return value

    def _fragment(self, fragment: object) -> None:
        """Add part of a call. A new index or a new id begins one; a server may repeat id and name with each part."""
        function = fragment.get("function") if isinstance(fragment, dict) else None
        if not isinstance(fragment, dict) or not isinstance(function, dict):
            raise nonsense(self._host, "a tool call without a function")
        index, identity = fragment.get("index"), fragment.get("id") or ""
        name, arguments = function.get("name") or "", function.get("arguments")
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments)
        index = max(self._calls, default=-1) + (1 if name else 0) if index is None else index
        if not isinstance(index, int) or not isinstance(identity, str) or not isinstance(name, str):
            raise nonsense(self._host, "a tool call whose parts are of the wrong kind")
        if not isinstance(arguments, str | None) or sum(map(len, self._calls.values())) > _MOST_CALLS:
            raise nonsense(self._host, "a tool call whose parts are of the wrong kind, or endless calls")
        calls = self._calls.setdefault(index, [])
        if not calls or (identity and calls[-1].id and identity != calls[-1].id):
            calls.append(_Call(identity))
        calls[-1].name = calls[-1].name or name
        calls[-1].arguments += arguments or ""
        self._left -= len(arguments or "")

    def _called(self) -> list[ToolCall]:
        """The calls. Raises ModelError where one cannot be read, but for one that the limit cut off."""
        calls = [call for _, group in sorted(self._calls.items()) for call in group]
        read: list[ToolCall] = []
        for call in calls:
            name = for_terminal_line(self._own_names.get(call.name, call.name), 100)
            try:
                arguments = json.loads(call.arguments or "{}")
                # Half of a surrogate pair could not be written anywhere.
                arguments = json.loads(json.dumps(arguments, ensure_ascii=False).encode("utf-8", "replace"))
            except (ValueError, RecursionError):
                arguments = None
            if name and isinstance(arguments, dict):
                read.append(ToolCall(name, arguments))
            elif self.reason != "length":
                raise ModelError(
                    f"the model called the tool {name or '(without a name)'} with arguments that are no JSON object",
                    "ask again, or use another model",
                )
        must = self._request.tools and self._request.tool_choice not in ("auto", "none")
        if must and not calls:
            raise ModelError(
                f"the model on {self._host} called no tool, although it was asked to",
                "the server may not support this, or its chat template may have no place for tools",
            )
        return read

    def _checked(self, text: str) -> str:
        """`text` as it is promised: servers pass over fields that they do not know. Raises ModelError."""
        constraint = self._request.constraint
        try:
            if isinstance(constraint, Choice):
                text = chosen(text) if self._as_object else text
                if text not in constraint.texts:
                    raise ValueError("none of the choices")
            elif isinstance(constraint, JsonSchema):
                json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(
                f"the server {self._host} did not hold the reply to the form that was asked for",
                "it may not support this; set the server's kind, or use a local model",
            ) from error
        return text

    def _finish(self, reason: object) -> None:
        if reason == "content_filter":
            raise ModelError(f"the server {self._host} withheld the reply (content_filter)", "ask in other words")
        if reason in ("error", "abort"):
            raise ModelError(f"the server {self._host} gave the reply up", "try again")
        self.reason = "length" if reason == "length" else "stop"

    def _counts(self) -> Usage:
        """What the server counted; else an estimate of the prompt, and a token for each piece."""
        prompt = _count(self._usage.get("prompt_tokens"))
        details = self._usage.get("prompt_tokens_details")
        written = _count(self._usage.get("completion_tokens"))
        if not prompt and isinstance(self._request.prompt, tuple):
            prompt = estimated_tokens(message.content for message in self._request.prompt)
        elif not prompt and isinstance(self._request.prompt, str):
            prompt = estimated_tokens([self._request.prompt])
        return Usage(
            prompt,
            _count(details.get("cached_tokens")) if isinstance(details, dict) else 0,
            written or self._pieces,
            _count(self._server_timings.get("draft_n")),
            _count(self._server_timings.get("draft_n_accepted")),
        )

    def _timings(self) -> Timings:
        """Measured here, network included; what is computed before the first piece is taken for the prompt's share."""
        first = self._first - self._began if self._first else 0.0
        seconds, written = self._last - self._first, self._counts().completion_tokens
        return Timings(0.0, first, first, (written - 1) / seconds if seconds > 0 and written > 1 else 0.0)


def _with_scores(events: list[ReplyEvent], scores: tuple[TokenScore, ...]) -> list[ReplyEvent]:
    """`events` with `scores` at their first text, or behind them where there is none."""
    for place, event in enumerate(events):
        if isinstance(event, Delta):
            return [*events[:place], Delta(event.text, scores), *events[place + 1 :]]
    return [*events, Delta("", scores)]


def _count(value: object) -> int:
    """A number of tokens; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40 else 0

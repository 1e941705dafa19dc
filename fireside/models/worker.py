"""The process a model runs in: reads requests from stdin, writes events to stdout, and ends when stdin does.

Whatever happens in here (llama.cpp aborting on a broken file, the system taking the memory) ends this process alone.
A thread reads stdin, so that a cancel is seen while the main thread computes.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field, replace
from typing import Any

from fireside.errors import FiresideError, ModelError
from fireside.models import wire
from fireside.models.bundled import CHAT_MODEL, damaged, located, sha256_of
from fireside.models.digests import known_sha256
from fireside.models.engine import Engine
from fireside.models.gguf.loading import GgufLoading
from fireside.models.types import Delta, Finished, ReplyEvent, Thinking
from fireside.text import TerminalStream, for_terminal

_SECONDS_UNTIL_IDLE = 1.0
_SECONDS_TO_END = 3.0
# Text is sent at most this often: at 200 tokens a second, waking the interface for each would take the model's cores.
_SECONDS_BETWEEN_TEXTS = 0.05


@dataclass
class _Outgoing:
    """What one reply has for the interface, collected until it is time to send it, and then joined and made safe."""

    begun: bool = False
    _waiting: list[ReplyEvent] = field(default_factory=list)
    _text: TerminalStream = field(default_factory=TerminalStream)
    _thinking: TerminalStream = field(default_factory=TerminalStream)

    def push(self, event: ReplyEvent) -> bool:
        """Take in an event; whether it is to be sent at once, as the first one is, and whatever is not text."""
        self._waiting.append(event)
        begun, self.begun = self.begun, True
        return not begun or not isinstance(event, Delta | Thinking)

    def rest(self) -> list[ReplyEvent]:
        """What is left where the reply ends in an error."""
        return [*self.joined(), *self._ends()]

    def joined(self) -> list[ReplyEvent]:
        """What waits, neighbouring pieces of text as one."""
        events: list[ReplyEvent] = []
        for kind, group in itertools.groupby(self._waiting, type):
            if kind is Delta:
                events.append(Thinking(self._thinking.close()))
                texts = [each for each in group if isinstance(each, Delta)]
                scores = tuple(score for each in texts for score in each.scores)
                events.append(Delta(self._text.push("".join(each.text for each in texts)), scores))
            elif kind is Thinking:
                thoughts = "".join(each.text for each in group if isinstance(each, Thinking))
                events.append(Thinking(self._thinking.push(thoughts)))
            else:
                events += [*self._ends(), *group]
        self._waiting = []
        return [event for event in events if not _is_empty(event)]

    def _ends(self) -> list[ReplyEvent]:
        """What may have been the beginning of an escape sequence is not one any more."""
        return [event for event in (Thinking(self._thinking.close()), Delta(self._text.close())) if event.text]


class Worker:
    """One loaded model and its requests."""

    def __init__(self, answers: int) -> None:
        """answers: the file descriptor that events go to."""
        self._answers = answers
        self._incoming: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._engine: Engine | None = None
        self._outgoing: dict[int, _Outgoing] = {}
        self._urgent = False
        self._sent = 0.0

    def read_requests(self) -> None:
        """Pass on what comes in, in order. Ends the process when stdin has ended, if the main thread does not."""
        # A line that was cut off by the death of the interface is no JSON.
        with contextlib.suppress(ValueError):
            for line in sys.stdin.buffer:
                self._incoming.put(wire.decode(line))
        self._incoming.put(None)
        # Nobody listens any more; the main thread may be deep in a computation, so it is not waited for without end.
        time.sleep(_SECONDS_TO_END)
        os._exit(0)

    def serve(self) -> None:
        """Work until stdin ends. A FiresideError is an answer; anything else ends the process."""
        rested = True
        while True:
            engine = self._engine
            busy = engine is not None and engine.busy
            try:
                document = self._next(busy=busy, rested=rested)
            except queue.Empty:
                if engine is not None:
                    engine.idle()
                rested = True
                continue
            if document is None:
                if engine is not None:
                    engine.idle()
                os._exit(0)
            if document:
                rested = False
                self._take(document)
                continue
            assert engine is not None
            for number, outcome in engine.step():
                self._tell(number, outcome)
            self._send_texts()

    def _next(self, *, busy: bool, rested: bool) -> dict[str, Any] | None:
        """The next request, {} where there is none while the engine is busy; queue.Empty where it is time to idle."""
        if busy:
            return {} if self._incoming.empty() else self._incoming.get()
        return self._incoming.get(timeout=None if rested else _SECONDS_UNTIL_IDLE)

    def _take(self, document: dict[str, Any]) -> None:
        number = document["id"]
        try:
            if document["op"] == "load":
                self._send(number, loaded=wire.pack_info(self._load(document)))
                return
            engine = self._engine
            if engine is None:
                raise ModelError("no model is loaded", "start it again")
            if document["op"] == "cancel":
                engine.cancel(number)
            elif document["op"] == "count":
                self._send(number, tokens=engine.count(wire.unpack_prompt(document["prompt"])))
            elif document["op"] == "foresee":
                foreseen = engine.foresee(wire.unpack_request(document["request"]))
                self._send(number, tokens=foreseen.prompt_tokens, cached=foreseen.cached_tokens)
            elif document["op"] == "many":
                self._send(number, replies=_many(engine, document["requests"]))
            else:
                self._outgoing[number] = _Outgoing()
                engine.submit(number, wire.unpack_request(document["request"]))
        except FiresideError as error:
            self._tell(number, error)

    def _tell(self, number: int, outcome: ReplyEvent | FiresideError) -> None:
        """Send an error; keep an event until `_send_texts`."""
        if isinstance(outcome, FiresideError):
            if (ended := self._outgoing.pop(number, None)) is not None:
                for event in ended.rest():
                    self._send(number, **wire.pack_event(event))
            self._send(number, error=wire.pack_error(outcome))
            return
        self._urgent |= self._outgoing[number].push(outcome)

    def _send_texts(self) -> None:
        """Send what waits of all replies in one write, where it is time: they wake the interface once, not each."""
        now = time.monotonic()
        if not self._urgent and now - self._sent < _SECONDS_BETWEEN_TEXTS:
            return
        self._urgent, self._sent = False, now
        answers = []
        for number, outgoing in list(self._outgoing.items()):
            for event in outgoing.joined():
                answers.append({"id": number, **wire.pack_event(event)})
                if isinstance(event, Finished):
                    del self._outgoing[number]
        self._write(answers)

    def _load(self, document: dict[str, Any]) -> Any:
        """Load the model; the bundled file is compared with its known sha256 first."""
        loading = wire.unpack_loading(document["loading"])
        if isinstance(loading, GgufLoading):
            from fireside.models.gguf.engine import GgufEngine

            bundled = _is_bundled(loading.path)
            digest = sha256_of(loading.path) if bundled else known_sha256(loading.path)
            if bundled and digest != CHAT_MODEL.sha256:
                raise damaged(loading.path, CHAT_MODEL)
            self._engine = GgufEngine(loading, digest)
        else:
            from fireside.models.hf.engine import HfEngine

            self._engine = HfEngine(loading)
        return self._engine.info(document["name"])

    def _send(self, number: int, **answer: Any) -> None:
        self._write([{"id": number, **answer}])

    def _write(self, answers: list[dict[str, Any]]) -> None:
        data = b"".join(wire.encode(answer) for answer in answers)
        while data:
            data = data[os.write(self._answers, data) :]


def _many(engine: Engine, packed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Whole replies, or why there are none, in the order of their requests; nothing else is done meanwhile."""
    from fireside.models.hf.engine import HfEngine

    if not isinstance(engine, HfEngine) or engine.busy:
        raise ModelError("the model does not compute whole batches now", "wait until its replies have ended")
    outcomes = engine.generate_many([wire.unpack_request(request) for request in packed])
    return [
        {"error": wire.pack_error(outcome)}
        if isinstance(outcome, FiresideError)
        else {"events": [wire.pack_event(_made_safe(event)) for event in outcome]}
        for outcome in outcomes
    ]


def _made_safe(event: ReplyEvent) -> ReplyEvent:
    """A whole reply's text made safe; that of one under way is made so where it is joined."""
    return replace(event, text=for_terminal(event.text)) if isinstance(event, Delta | Thinking) else event


def _is_empty(event: ReplyEvent) -> bool:
    if isinstance(event, Delta):
        return not event.text and not event.scores
    return isinstance(event, Thinking) and not event.text


def _is_bundled(path: Any) -> bool:
    try:
        return bool(path == located(CHAT_MODEL))
    except ModelError:
        return False


def main() -> None:
    """Serve until stdin ends. Ctrl-C in the terminal is the client's affair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Libraries may print: stdout becomes stderr, and the answers keep a descriptor of their own.
    answers = os.dup(1)
    os.dup2(2, 1)
    worker = Worker(answers)
    threading.Thread(target=worker.read_requests, daemon=True).start()
    try:
        worker.serve()
    except BaseException as error:
        # The reading thread holds stdin, so an orderly end of the interpreter would abort; the last line tells why.
        traceback.print_exc()
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    main()

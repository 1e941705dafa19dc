"""The process a model runs in: reads requests from stdin, writes replies to stdout, and ends when stdin does.

Whatever happens in here (llama.cpp aborting on a broken file, the system taking the memory) ends this process alone.
A thread reads stdin, so that a cancel is seen while the main thread computes.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fireside.errors import FiresideError, ModelError
from fireside.models import wire
from fireside.models.bundled import CHAT_MODEL, damaged, located, sha256_of
from fireside.models.gguf import Engine, Loading
from fireside.models.templates import plain_message, render_chat
from fireside.models.types import Finished, Message, ModelInfo
from fireside.text import TerminalStream, for_prompt

_TEMPLATE_SECONDS = 5


class Worker:
    """One loaded model and the requests waiting for it."""

    def __init__(self, answers: int) -> None:
        """answers: the file descriptor that replies go to."""
        self._answers = answers
        self._waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._engine: Engine | None = None

    def read_requests(self) -> None:
        """Sort what comes in: cancels take effect at once, the rest waits in turn. Ends the process when stdin ends."""
        for line in sys.stdin.buffer:
            document = wire.decode(line)
            if document["op"] == "cancel":
                self._cancelled.add(document["id"])
            else:
                self._waiting.put(document)
        # Nobody listens any more; the main thread may be deep in a computation, so no orderly end is waited for.
        os._exit(0)

    def serve(self) -> None:
        """Work off requests one at a time, for ever. A FiresideError is an answer; anything else ends the process."""
        while True:
            document = self._waiting.get()
            try:
                self._answer(document)
            except FiresideError as error:
                kind = type(error).__name__
                self._send(document["id"], error={"kind": kind, "message": error.message, "hint": error.hint})
            finally:
                self._cancelled.discard(document["id"])

    def _answer(self, document: dict[str, Any]) -> None:
        number = document["id"]
        if document["op"] == "load":
            self._send(number, loaded=wire.pack_info(self._load(document)))
            return
        engine = self._engine
        if engine is None:
            raise ModelError("no model is loaded", "start it again")
        if document["op"] == "count":
            tokens = _tokens(engine, wire.unpack_prompt(document["prompt"]), "")
            self._send(number, tokens=len(tokens))
            return
        request = wire.unpack_request(document["request"])
        engine.apply_adapters([(use.path, use.scale) for use in request.adapters])
        safe = TerminalStream()
        for piece in engine.generate(
            _tokens(engine, request.prompt, request.reply_prefix),
            request.sampling,
            request.max_tokens,
            grammar=request.grammar,
            stop=request.stop,
            cancelled=lambda: number in self._cancelled,
        ):
            if isinstance(piece, Finished):
                if rest := safe.close():
                    self._send(number, text=rest)
                self._send(number, finished=wire.pack_finished(piece))
            elif text := safe.push(piece):
                self._send(number, text=text)

    def _load(self, document: dict[str, Any]) -> ModelInfo:
        """Load the model file; the bundled one is compared with its known sha256 first."""
        path = Path(document["path"])
        digest = sha256_of(path)
        if _is_bundled(path) and digest != CHAT_MODEL.sha256:
            raise damaged(path, CHAT_MODEL)
        self._engine = Engine(Loading(path, document["context_length"], document["threads"], document["gpu_layers"]))
        engine = self._engine
        return ModelInfo(document["name"], path, engine.architecture, digest, engine.context_length, engine.parameters)

    def _send(self, number: int, **answer: Any) -> None:
        data = wire.encode({"id": number, **answer})
        while data:
            data = data[os.write(self._answers, data) :]


def _is_bundled(path: Path) -> bool:
    try:
        return path == located(CHAT_MODEL)
    except ModelError:
        return False


def _tokens(engine: Engine, prompt: tuple[Message, ...] | str, reply_prefix: str) -> list[int]:
    """The token ids of a prompt: rendered with the model's chat template, or the plain text itself.

    Special tokens inside messages, plain text and prefix are made harmless; only the template's own count.
    """
    special = engine.special_tokens()
    if isinstance(prompt, str):
        return engine.tokenize(for_prompt(prompt + reply_prefix, special), add_special=True)
    if engine.chat_template is None:
        raise ModelError(
            "this model has no chat template: it is a base model", "use a model tuned for chat, or `fireside story`"
        )
    # Calls are written out first: their arguments may hold what a document or the person said.
    plain = [plain_message(message) for message in prompt]
    messages = [replace(message, content=for_prompt(message.content, special)) for message in plain]
    bos = engine.token_text("tokenizer.ggml.bos_token_id")
    with _time_limit(_TEMPLATE_SECONDS):
        rendered = render_chat(
            engine.chat_template,
            messages,
            bos_token=bos,
            eos_token=engine.token_text("tokenizer.ggml.eos_token_id"),
            add_generation_prompt=True,
        )
    # A template that writes the beginning-of-sequence token itself must not get a second one.
    add_special = not (bos and rendered.startswith(bos))
    return engine.tokenize(rendered + for_prompt(reply_prefix, special), add_special=add_special)


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    """Raise ModelError in the main thread if the body takes longer: a template is a stranger's program."""

    def expire(*_: object) -> None:
        raise ModelError("the model's chat template does not end", "use another model file")

    previous = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def main() -> None:
    """Serve until stdin ends. Ctrl-C in the terminal is the client's affair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Libraries may print: stdout becomes stderr, and the answers keep a descriptor of their own.
    answers = os.dup(1)
    os.dup2(2, 1)
    worker = Worker(answers)
    threading.Thread(target=worker.read_requests, daemon=True).start()
    worker.serve()


if __name__ == "__main__":
    main()

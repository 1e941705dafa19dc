"""A model on an OpenAI-compatible server, seen as a `ChatModel`: finds out what it is, and streams its replies."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from typing import Any

from fireside.errors import ModelError
from fireside.models.remote.connection import Connection, NoRoute
from fireside.models.remote.discovery import choose_model, context_told, info_of, kind_of, listed
from fireside.models.remote.reply import Reply
from fireside.models.remote.request import chat_body, estimated_tokens, messages, text_body, tool_names
from fireside.models.remote.server import Kind, RemoteServer
from fireside.models.types import Foreseen, Message, ModelInfo, Prompt, ReplyEvent, Request, Tokens


@dataclass(frozen=True)
class _Known:
    """What `start` has found out. model: the server's name for it."""

    model: str
    kind: Kind
    info: ModelInfo


class RemoteModel:
    """A model on a server. Nothing runs here: `start` asks the server what it has.

    A request that fails before its reply began (no connection, HTTP 408, 409, 425, 429, 5xx) is sent again, as
    `RemoteServer.retries` says; once something of the reply has been shown, never. Redirects are not followed.
    Adapters, prompt scores and lazy constraints are refused: the API has no place for them. So is a reply's prefix
    (but on Fireside, vLLM and llama-server, which can go on with the assistant's last message; with a plain text it is
    part of the prompt), and a constraint that the kind of server has no field for. What a constraint promises is looked
    at again when the reply has ended. A sampling setting that the server does not know is left out; one left open is
    the server's own. On llama-cpp-python's server, replies are written one after the other.
    """

    def __init__(self, name: str, server: RemoteServer) -> None:
        self._name, self._server = name, server
        self._connection = Connection(server)
        self._seen: _Known | None = None
        self._asking = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._counts = True

    @property
    def name(self) -> str:
        """The name the person knows the model by."""
        return self._name

    async def start(self) -> ModelInfo:
        """Ask the server for its models, and tell what is known of ours.

        path: the server's name for it. parameters: as the server tells, or as the name does (`7B`), else 0.
        context_length: of `RemoteServer`, or as the server tells, else 0. Raises ModelError.
        """
        return (await self._known()).info

    async def parameters(self) -> int:
        """See `ChatModel.parameters`; the server is asked."""
        return (await self.start()).parameters

    async def generate(self, request: Request) -> AsyncGenerator[ReplyEvent, None]:
        """See `ChatModel.generate`. Closing the iterator closes the connection, at which servers stop."""
        known = await self._known()
        names = tool_names(request, known.kind)
        if isinstance(request.prompt, tuple):
            route, body = "/chat/completions", chat_body(request, known.kind, known.model, names)
        else:
            route, body = "/completions", text_body(request, known.kind, known.model)
        # llama-cpp-python's server breaks a reply off when the next request comes.
        async with self._turn if known.kind == "llama-cpp-python" else nullcontext():
            key = self._server.key()
            reply = Reply(request, known.kind, self._server.host, key, names, time.perf_counter())
            try:
                answer = await self._connection.open(self._server.base + route, body)
            except ModelError:
                self._seen = None  # another server may answer there next time
                raise
            async with aclosing(answer), aclosing(self._connection.documents(answer, reply)) as documents:
                async for document in documents:
                    for event in reply.take(document):
                        yield event
        for event in reply.close():
            yield event

    async def count_tokens(self, prompt: Prompt) -> int:
        """How many tokens `prompt` takes: exactly on Fireside, vLLM and llama-server, which have one.

        llama-cpp-python's server counts the texts, and 8 tokens are added for each message. Other servers have nothing,
        and a careful estimate is made: a third of the UTF-8 bytes, and 8 tokens for each message. Raises ModelError.
        """
        if isinstance(prompt, Tokens):
            return len(prompt.ids)
        known = await self._known()
        texts = [prompt] if isinstance(prompt, str) else [_all_text(each) for each in messages(prompt, {})]
        if self._counts:
            try:
                return await self._counted(known, prompt, texts)
            except (NoRoute, KeyError, TypeError):
                self._counts = False
        return estimated_tokens(texts)

    async def foresee(self, request: Request) -> Foreseen:
        """See `ChatModel.foresee`; servers do not tell what they have cached."""
        return Foreseen(await self.count_tokens(request.prompt), None)

    async def close(self) -> None:
        """Close the connections."""
        self._seen = None
        await self._connection.close()

    async def _known(self) -> _Known:
        async with self._asking:
            if self._seen is None:
                self._seen = await self._found_out()
            return self._seen

    async def _found_out(self) -> _Known:
        server = self._server
        try:
            entries = listed(await self._connection.get(f"{server.base}/models"), server.host)
        except NoRoute as error:
            if not server.model:
                raise ModelError(
                    f"the server {server.host} does not list its models",
                    "name one: the server's model, in its settings",
                ) from error
            entries = []
        kind = kind_of(server, entries)
        entry = choose_model(server, kind, entries)
        context = server.context_length or context_told(entry)
        if not context and kind == "llama-server":
            context = context_told(await self._maybe("/props", "default_generation_settings"))
        model = str(entry["id"])
        return _Known(model, kind, info_of(self._name, model, context, entry))

    async def _counted(self, known: _Known, prompt: tuple[Message, ...] | str, texts: list[str]) -> int:
        root = self._server.root
        match known.kind if root is not None else "compatible":
            case "vllm" | "fireside":
                asked: dict[str, Any] = {"model": known.model}
                asked |= {"prompt": prompt} if isinstance(prompt, str) else {"messages": messages(prompt, {})}
                return int((await self._connection.ask(f"{root}/tokenize", asked))["count"])
            case "llama-server":
                asked = {"content": prompt, "add_special": True, "parse_special": True}
                if not isinstance(prompt, str):
                    rendered = await self._connection.ask(f"{root}/apply-template", {"messages": messages(prompt, {})})
                    asked["content"] = rendered["prompt"]
                return len((await self._connection.ask(f"{root}/tokenize", asked))["tokens"])
            case "llama-cpp-python":
                found = await self._connection.ask(f"{root}/extras/tokenize/count", {"input": "\n".join(texts)})
                return int(found["count"]) + (0 if isinstance(prompt, str) else 8 * len(texts))
        raise NoRoute("no route counts tokens")

    async def _maybe(self, route: str, part: str) -> Mapping[str, Any]:
        """Part of what a route of the server's own tells, or nothing."""
        try:
            found = (await self._connection.get(f"{self._server.root or self._server.base}{route}")).get(part)
        except ModelError:
            return {}
        return found if isinstance(found, dict) else {}


def _all_text(message: Mapping[str, Any]) -> str:
    """All of a message that becomes tokens."""
    calls = json.dumps(message["tool_calls"]) if "tool_calls" in message else ""
    return f"{message['content']}{calls}"

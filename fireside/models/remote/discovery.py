"""What a server tells of itself and its models, from the answer of `/models`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fireside.errors import ModelError, did_you_mean
from fireside.models.remote.problems import nonsense
from fireside.models.remote.server import Kind, RemoteServer
from fireside.models.types import ModelInfo
from fireside.text import for_terminal_line

_OWNERS: Mapping[object, Kind] = {
    "vllm": "vllm",
    "llamacpp": "llama-server",
    "me": "llama-cpp-python",
    "library": "ollama",
    "fireside": "fireside",
}
# vLLM; OpenRouter and fireside; Groq; Mistral; llama-server.
_CONTEXT_NAMES = ("max_model_len", "context_length", "context_window", "max_context_length", "n_ctx")
_SIZE = re.compile(r"(?<![a-z0-9.])(?:(\d{1,3})x)?(\d{1,4}(?:\.\d{1,3})?)([bm])(?![a-z0-9])", re.IGNORECASE)
_MOST_NAMES = 8


def listed(document: Mapping[str, Any], host: str) -> list[dict[str, Any]]:
    """The entries of `/models`. Raises ModelError where it is no such list."""
    entries = document.get("data")
    if not isinstance(entries, list) or not all(
        isinstance(each, dict) and isinstance(each.get("id"), str) for each in entries
    ):
        raise nonsense(host, "a list of models that cannot be read")
    return entries


def kind_of(server: RemoteServer, entries: Sequence[Mapping[str, Any]]) -> Kind:
    """The kind of server: as it was set, or by its address, or by whom its models are said to be owned."""
    if server.kind != "auto":
        return server.kind
    if urlsplit(server.url).hostname == "api.openai.com":
        return "openai"
    for entry in entries:
        owner = entry.get("owned_by")
        if isinstance(owner, str) and owner in _OWNERS:
            return _OWNERS[owner]
    return "compatible"


def choose_model(server: RemoteServer, kind: Kind, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The entry of the model that was named, or of the only one. Raises ModelError where there is none.

    A name may have an end that the list lacks: Ollama's `:latest`, a variant behind a colon.
    """
    known = {each["id"]: each for each in entries}
    if server.model:
        for name in (server.model, f"{server.model}:latest"):
            if name in known:
                return known[name]
        base = known.get(server.model.partition(":")[0])
        if base is not None or not known:
            return {**(base or {}), "id": server.model}
        raise ModelError(
            f"the server {server.host} has no model {server.model!r}",
            for_terminal_line(did_you_mean(server.model, known, f"it has: {_some(known)}"), 400),
        )
    # The first of fireside's is the model itself; adapters and the encoder follow.
    if len(known) == 1 or (known and kind == "fireside"):
        return entries[0]
    if not known:
        raise ModelError(f"the server {server.host} has no model", "load or pull one there")
    raise ModelError(
        f"the server {server.host} has {len(known)} models, and none is named in its settings",
        for_terminal_line(f"set its model to one of: {_some(known)}", 400),
    )


def context_told(entry: Mapping[str, Any]) -> int:
    """The context length that an entry tells, in tokens; 0 where it does not."""
    meta = entry.get("meta")
    for source in (entry, meta if isinstance(meta, dict) else {}):
        for name in _CONTEXT_NAMES:
            if (value := _whole(source.get(name))) > 0:
                return value
    return 0


def info_of(name: str, model: str, context: int, entry: Mapping[str, Any]) -> ModelInfo:
    """What is known of a model on a server. model: the server's name for it."""
    meta = entry.get("meta")
    told = _whole(meta.get("n_params")) if isinstance(meta, dict) else 0
    return ModelInfo(name, Path(model), "", "", context, told or parameters_in(model))


def parameters_in(model: str) -> int:
    """The number of weights that a model's name tells: 7e9 for `Qwen2.5-7B-Instruct`, 0 where it tells none."""
    found = _SIZE.search(model.rpartition("/")[2])
    if found is None:
        return 0
    experts, size, unit = found.groups()
    return round(int(experts or 1) * float(size) * (1e9 if unit in "bB" else 1e6))


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 60 else 0


def _some(names: Mapping[str, Any]) -> str:
    shown = ", ".join(list(names)[:_MOST_NAMES])
    return f"{shown}, ..." if len(names) > _MOST_NAMES else shown

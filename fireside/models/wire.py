"""What client and worker process say to each other: one JSON document a line, both ways.

To the worker: `load`, `generate`, `count`, `cancel`. Back: `loaded`, `text`, `finished`, `tokens`, `error`, each with
the id of the request it belongs to.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from fireside.models.sampling import Sampling
from fireside.models.types import AdapterUse, Finished, Message, ModelInfo, Request, Timings, ToolCall, Usage


def encode(document: dict[str, Any]) -> bytes:
    """One line for the pipe."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """A line from the pipe. Raises ValueError if it is not a JSON object."""
    document = json.loads(line)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document


def pack_prompt(prompt: tuple[Message, ...] | str) -> Any:
    """A request's prompt as JSON."""
    return prompt if isinstance(prompt, str) else [dataclasses.asdict(message) for message in prompt]


def unpack_prompt(packed: Any) -> tuple[Message, ...] | str:
    """The inverse of `pack_prompt`."""
    if isinstance(packed, str):
        return packed
    return tuple(
        Message(item["role"], item["content"], tuple(ToolCall(**call) for call in item["calls"]), item["tool"])
        for item in packed
    )


def pack_request(request: Request) -> dict[str, Any]:
    """A request as JSON."""
    return {
        "prompt": pack_prompt(request.prompt),
        "sampling": dataclasses.asdict(request.sampling),
        "max_tokens": request.max_tokens,
        "adapters": [[use.name, str(use.path), use.scale] for use in request.adapters],
        "grammar": request.grammar,
        "stop": list(request.stop),
        "reply_prefix": request.reply_prefix,
    }


def unpack_request(packed: dict[str, Any]) -> Request:
    """The inverse of `pack_request`."""
    return Request(
        prompt=unpack_prompt(packed["prompt"]),
        sampling=Sampling(**packed["sampling"]),
        max_tokens=packed["max_tokens"],
        adapters=tuple(AdapterUse(name, Path(path), scale) for name, path, scale in packed["adapters"]),
        grammar=packed["grammar"],
        stop=tuple(packed["stop"]),
        reply_prefix=packed["reply_prefix"],
    )


def pack_finished(finished: Finished) -> dict[str, Any]:
    """The end of a reply as JSON."""
    return dataclasses.asdict(finished)


def unpack_finished(packed: dict[str, Any]) -> Finished:
    """The inverse of `pack_finished`."""
    return Finished(packed["reason"], Usage(**packed["usage"]), Timings(**packed["timings"]))


def pack_info(info: ModelInfo) -> dict[str, Any]:
    """What a loaded model is, as JSON."""
    return {**dataclasses.asdict(info), "path": str(info.path)}


def unpack_info(packed: dict[str, Any]) -> ModelInfo:
    """The inverse of `pack_info`."""
    return ModelInfo(**{**packed, "path": Path(packed["path"])})

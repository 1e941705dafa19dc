"""What client and worker process say to each other: one JSON document a line, both ways.

To the worker: `load`, `generate`, `count`, `foresee`, `cancel`, `many`. Back: `loaded`, `tokens`, `error`, `replies`,
and the events of a reply, each with the id of the request it belongs to. A piece of text, the most frequent of all, is
just `{"text": ...}`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside import errors
from fireside.models.constraints import Choice, Constraint, Gbnf, JsonSchema, Lazy, Tagged
from fireside.models.sampling import Sampling
from fireside.models.types import (
    AdapterUse,
    Called,
    Delta,
    Finished,
    Message,
    ModelInfo,
    Prompt,
    PromptScored,
    ReplyEvent,
    Request,
    Thinking,
    Timings,
    Tokens,
    TokenScore,
    ToolCall,
    ToolSpec,
    Usage,
)

if TYPE_CHECKING:
    from fireside.models.gguf.loading import GgufLoading
    from fireside.models.hf.loading import HfLoading


def encode(document: dict[str, Any]) -> bytes:
    """One line for the pipe."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """A line from the pipe. Raises ValueError if it is not a JSON object."""
    document = json.loads(line)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document


def pack_prompt(prompt: Prompt) -> Any:
    """A request's prompt as JSON."""
    if isinstance(prompt, str):
        return prompt
    if isinstance(prompt, Tokens):
        return {"tokens": prompt.ids}
    return [dataclasses.asdict(message) for message in prompt]


def unpack_prompt(packed: Any) -> Prompt:
    """The inverse of `pack_prompt`."""
    if isinstance(packed, str):
        return packed
    if isinstance(packed, dict):
        return Tokens(tuple(packed["tokens"]))
    return tuple(
        Message(item["role"], item["content"], tuple(ToolCall(**call) for call in item["calls"]), item["tool"])
        for item in packed
    )


def pack_sampling(sampling: Sampling) -> dict[str, Any]:
    """The settings that are not left open, as JSON."""
    own = {each.name: getattr(sampling, each.name) for each in dataclasses.fields(sampling)}
    return {name: value for name, value in own.items() if value not in (None, (), {})}


def unpack_sampling(packed: dict[str, Any]) -> Sampling:
    """The inverse of `pack_sampling`."""
    own = dict(packed)
    if "logit_bias" in own:
        own["logit_bias"] = {int(token): bias for token, bias in own["logit_bias"].items()}
    if "banned_phrases" in own:
        own["banned_phrases"] = tuple(own["banned_phrases"])
    return Sampling(**own)


def pack_constraint(constraint: Constraint | None) -> dict[str, Any] | None:
    """What a reply is held to, as JSON."""
    match constraint:
        case None:
            return None
        case JsonSchema(schema):
            return {"schema": schema}
        case Gbnf(grammar):
            return {"gbnf": grammar}
        case Choice(texts):
            return {"choice": texts}
        case Tagged():
            return {"tagged": vars(constraint)}
        case Lazy(triggers, then):
            return {"triggers": triggers, "then": pack_constraint(then)}


def unpack_constraint(packed: dict[str, Any] | None) -> Constraint | None:
    """The inverse of `pack_constraint`."""
    match packed:
        case {"triggers": triggers, "then": then}:
            inner = unpack_constraint(then)
            assert inner is not None
            assert not isinstance(inner, Lazy)
            return Lazy(tuple(triggers), inner)
        case {"schema": schema}:
            return JsonSchema(schema)
        case {"gbnf": grammar}:
            return Gbnf(grammar)
        case {"choice": texts}:
            return Choice(tuple(texts))
        case {"tagged": fields}:
            return Tagged(**fields)
    return None


def pack_request(request: Request) -> dict[str, Any]:
    """A request as JSON."""
    return {
        "prompt": pack_prompt(request.prompt),
        "sampling": pack_sampling(request.sampling),
        "max_tokens": request.max_tokens,
        "adapters": [[use.name, str(use.path), use.scale] for use in request.adapters],
        "constraint": pack_constraint(request.constraint),
        "stop": request.stop,
        "reply_prefix": request.reply_prefix,
        "tools": [[tool.name, tool.description, tool.parameters] for tool in request.tools],
        "tool_choice": request.tool_choice,
        "scores": request.scores,
        "score_prompt": request.score_prompt,
        "keep": request.keep,
    }


def unpack_request(packed: dict[str, Any]) -> Request:
    """The inverse of `pack_request`."""
    return Request(
        prompt=unpack_prompt(packed["prompt"]),
        sampling=unpack_sampling(packed["sampling"]),
        max_tokens=packed["max_tokens"],
        adapters=tuple(AdapterUse(name, Path(path), scale) for name, path, scale in packed["adapters"]),
        constraint=unpack_constraint(packed["constraint"]),
        stop=tuple(packed["stop"]),
        reply_prefix=packed["reply_prefix"],
        tools=tuple(ToolSpec(name, description, parameters) for name, description, parameters in packed["tools"]),
        tool_choice=packed["tool_choice"],
        scores=packed["scores"],
        score_prompt=packed["score_prompt"],
        keep=packed["keep"],
    )


def pack_event(event: ReplyEvent) -> dict[str, Any]:
    """A piece of a reply as JSON: one key tells which, and `scores` may stand beside a text."""
    if isinstance(event, Delta):
        return {"text": event.text, "scores": _pack_scores(event.scores)} if event.scores else {"text": event.text}
    if isinstance(event, Thinking):
        return {"thinking": event.text}
    if isinstance(event, Called):
        return {"called": dataclasses.asdict(event.call)}
    if isinstance(event, PromptScored):
        return {"prompt": _pack_scores(event.scores)}
    return {"finished": dataclasses.asdict(event)}


def unpack_event(packed: dict[str, Any]) -> ReplyEvent:
    """The inverse of `pack_event`."""
    if "text" in packed:
        return Delta(packed["text"], _unpack_scores(packed.get("scores", ())))
    if "thinking" in packed:
        return Thinking(packed["thinking"])
    if "called" in packed:
        return Called(ToolCall(**packed["called"]))
    if "prompt" in packed:
        return PromptScored(_unpack_scores(packed["prompt"]))
    end = packed["finished"]
    return Finished(end["reason"], Usage(**end["usage"]), Timings(**end["timings"]))


def pack_error(error: errors.FiresideError) -> dict[str, str | None]:
    """An error as JSON."""
    return {"kind": type(error).__name__, "message": error.message, "hint": error.hint}


def unpack_error(packed: dict[str, Any]) -> errors.FiresideError:
    """The error as the class it was, where callers tell that class from others."""
    kinds = {
        kind.__name__: kind
        for kind in (errors.AdapterError, errors.PromptTooLong, errors.ToolError, errors.StorageError)
    }
    return kinds.get(packed["kind"], errors.ModelError)(packed["message"], packed["hint"])


def pack_info(info: ModelInfo) -> dict[str, Any]:
    """What a loaded model is, as JSON."""
    return {**dataclasses.asdict(info), "path": str(info.path), "sampling": pack_sampling(info.sampling)}


def unpack_info(packed: dict[str, Any]) -> ModelInfo:
    """The inverse of `pack_info`."""
    return ModelInfo(**{**packed, "path": Path(packed["path"]), "sampling": unpack_sampling(packed["sampling"])})


def pack_loading(loading: GgufLoading | HfLoading) -> dict[str, Any]:
    """How to load a model, as JSON. `paths` names the fields that are paths."""
    fields = {each.name: getattr(loading, each.name) for each in dataclasses.fields(loading)}
    return {
        "engine": type(loading).__name__,
        "fields": {name: str(value) if isinstance(value, Path) else value for name, value in fields.items()},
        "paths": [name for name, value in fields.items() if isinstance(value, Path)],
    }


def unpack_loading(packed: dict[str, Any]) -> GgufLoading | HfLoading:
    """The inverse of `pack_loading`."""
    from fireside.models.gguf.loading import GgufLoading

    fields: dict[str, Any] = dict(packed["fields"])
    fields |= {name: Path(fields[name]) for name in packed["paths"]}
    if packed["engine"] == GgufLoading.__name__:
        return GgufLoading(**fields)
    from fireside.models.hf.loading import HfLoading

    return HfLoading(**fields)


def _pack_scores(scores: Sequence[TokenScore]) -> list[Any]:
    # Bytes as the characters of the same numbers (latin-1): JSON knows no bytes, and they need not be valid UTF-8.
    return [
        [each.token, each.data.decode("latin-1"), each.logprob, [[data.decode("latin-1"), p] for data, p in each.top]]
        for each in scores
    ]


def _unpack_scores(packed: Sequence[Any]) -> tuple[TokenScore, ...]:
    return tuple(
        TokenScore(token, data.encode("latin-1"), logprob, tuple((text.encode("latin-1"), p) for text, p in top))
        for token, data, logprob, top in packed
    )

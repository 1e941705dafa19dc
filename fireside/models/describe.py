"""What a model is, told from its files without loading it: its size, quantisation and memory, and what is wrong."""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fireside.errors import ModelError
from fireside.models import memory
from fireside.models.catalog import ModelFile
from fireside.models.gguf_header import Header, read_header

_LONGEST_JSON = 100 * 1024 * 1024  # the bound the safetensors format sets for its header


@dataclass(frozen=True)
class Description:
    """Facts about a model; "" and 0 where unknown.

    quantisation: "Q4_K_M", or the type of most weights. memory_needed: bytes, with the context asked about. fits:
    whether that is free now; None where it cannot be told. problem: why it cannot be used, "" where it can. note: what
    to know where it does not fit.
    """

    architecture: str = ""
    parameters: int = 0
    quantisation: str = ""
    trained_context: int = 0
    layers: int = 0
    license: str = ""
    chat_template: bool = False
    tensors: int = 0
    memory_needed: int = 0
    fits: bool | None = None
    problem: str = ""
    note: str = ""


def described(model: ModelFile, context_length: int = 4096, cache_type: str = "f16") -> Description:
    """What `model` is. A file that cannot be used is described by its `problem`; nothing is raised."""
    try:
        if model.kind == "hf":
            return _of_folder(model.path, model.size)
        return _of_header(read_header(model.path, long_arrays=False), context_length, cache_type)
    except ModelError as error:
        return Description(problem=error.message)


def _of_header(header: Header, context_length: int, cache_type: str) -> Description:
    architecture = header.text("general.architecture")
    adapter = header.text("general.type") == "adapter"
    needed = memory.needed(header, context_length, cache_type).total
    free = memory.free_memory()
    note = ""
    if needed > free:
        fit = memory.fitting(header, free, context_length, cache_type)
        note = memory.advice(fit, cache_type)
    return Description(
        architecture,
        header.parameters,
        _quantisation(header),
        header.number("context_length"),
        header.number("block_count"),
        header.text("general.license"),
        bool(header.text("tokenizer.chat_template")),
        len(header.tensors),
        needed,
        needed <= free,
        "this is an adapter, not a model" if adapter else "" if header.tensors else "it holds no weights",
        note,
    )


def _quantisation(header: Header) -> str:
    """By the file's own word, else the type that most weights have."""
    from gguf import GGMLQuantizationType, LlamaFileType

    try:
        return str(
            LlamaFileType(header.metadata["general.file_type"]).name.removeprefix("MOSTLY_").removeprefix("ALL_")
        )
    except (KeyError, ValueError):
        weights: Counter[int] = Counter()
        for tensor in header.tensors:
            weights[tensor.ggml_type] += math.prod(tensor.shape)
        return str(GGMLQuantizationType(weights.most_common(1)[0][0]).name) if weights else ""


def _of_folder(folder: Path, size: int) -> Description:
    """A model in Hugging Face's layout. Its memory is that of the weights as they lie on disk, at the least."""
    config = _document(folder / "config.json")
    text = config.get("text_config")
    inner: dict[str, Any] = {**config, **text} if isinstance(text, dict) else config
    types: Counter[str] = Counter()
    tensors = 0
    for path in sorted(folder.glob("*.safetensors")):
        for tensor in _safetensors(path):
            tensors += 1
            types[tensor["dtype"]] += math.prod(tensor["shape"])
    quantised = config.get("quantization_config")
    method = str(quantised.get("quant_method", "")) if isinstance(quantised, dict) else ""
    return Description(
        architecture=str(config.get("model_type") or ""),
        parameters=0 if method else sum(types.values()),
        quantisation=method or (types.most_common(1)[0][0] if types else ""),
        trained_context=_whole(inner.get("max_position_embeddings")),
        layers=_whole(inner.get("num_hidden_layers")),
        chat_template=(folder / "chat_template.jinja").is_file()
        or "chat_template" in _document(folder / "tokenizer_config.json", missing=True),
        tensors=tensors,
        memory_needed=size,
        fits=size <= memory.free_memory(),
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _document(path: Path, *, missing: bool = False) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            document = json.loads(stream.read(_LONGEST_JSON))
    except FileNotFoundError:
        if missing:
            return {}
        raise ModelError(f"{path.parent.name} has no {path.name}", "get it again") from None
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", "check its permissions") from error
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ModelError(f"{path} is not a JSON object: the model is damaged", "get it again")
    return document


def _safetensors(path: Path) -> list[dict[str, Any]]:
    """The tensors' descriptions, of a header that has been checked: 8 bytes of length, JSON, data up to the end."""
    damaged = ModelError(f"{path.name} is not a usable safetensors file", "get it again")
    try:
        with path.open("rb") as stream:
            length = struct.unpack("<Q", stream.read(8))[0]
            size = path.stat().st_size - 8
            if length > min(size, _LONGEST_JSON):
                raise damaged
            document = json.loads(stream.read(length))
        tensors = [value for key, value in document.items() if key != "__metadata__"]
        ends = [tensor["data_offsets"][1] for tensor in tensors]
        if any(not isinstance(each, int) for tensor in tensors for each in [*tensor["shape"], *tensor["data_offsets"]]):
            raise damaged
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", "check its permissions") from error
    except (ValueError, LookupError, TypeError, AttributeError, struct.error, RecursionError):
        raise damaged from None
    if max(ends, default=0) + length != size:
        raise ModelError(f"{path.name} is cut off", "get it again")
    return tensors

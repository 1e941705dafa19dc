"""Reads a GGUF file's header and checks it for sanity, before llama.cpp (which may abort the process) sees the file.

Format: magic, version, tensor count, key count, keys with typed values, tensor descriptions, aligned data
(GGUF specification, version 3; version 2 differs in nothing read here).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from fireside.errors import ModelError

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_MOST_KEYS, _MOST_TENSORS, _LONGEST_STRING, _LONGEST_ARRAY = 10_000, 100_000, 16 * 1024 * 1024, 4_000_000
_MOST_DIMENSIONS = 4


@dataclass(frozen=True)
class Tensor:
    """A tensor's description: `shape` in GGUF order (fastest axis first), ggml type, offset into the data part."""

    name: str
    shape: tuple[int, ...]
    ggml_type: int
    offset: int


@dataclass(frozen=True)
class Header:
    """A GGUF file's metadata and tensor descriptions. Arrays are tuples."""

    metadata: dict[str, Any]
    tensors: tuple[Tensor, ...]

    def text(self, key: str) -> str:
        """The string under `key`, or "" where there is none."""
        value = self.metadata.get(key, "")
        return value if isinstance(value, str) else ""


class _NotGguf(Exception):
    """What is wrong with the file, to be wrapped with its name."""


def read_header(path: Path) -> Header:
    """Read and check the header of the GGUF file `path`.

    Counts, lengths and types are bounded, and every tensor's data must lie inside the file. Raises ModelError that
    says what is wrong.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            return _read(stream, size)
    except _NotGguf as problem:
        raise ModelError(
            f"{path.name} is not a usable GGUF file: {problem}", "download or export it again, or choose another file"
        ) from problem
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", "check the path and its permissions") from error


def _read(stream: BinaryIO, size: int) -> Header:
    """Parse the whole header; `size` is the file's length in bytes."""
    if _take(stream, 4) != b"GGUF":
        raise _NotGguf("it is empty" if size == 0 else "it does not begin with the GGUF mark")
    version = _number(stream, "<I")
    if version not in (2, 3):
        raise _NotGguf(f"version {version} is not supported")
    tensor_count, key_count = _number(stream, "<Q"), _number(stream, "<Q")
    if tensor_count > _MOST_TENSORS or key_count > _MOST_KEYS:
        raise _NotGguf(f"it claims {tensor_count} tensors and {key_count} keys")
    metadata: dict[str, Any] = {}
    for _ in range(key_count):
        key = _string(stream)
        metadata[key] = _value(stream, _number(stream, "<I"))
    tensors = tuple(_tensor(stream) for _ in range(tensor_count))
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment <= 0 or alignment > 65536:
        raise _NotGguf("its alignment is impossible")
    data_start = math.ceil(stream.tell() / alignment) * alignment
    for tensor in tensors:
        if data_start + tensor.offset + _byte_size(tensor) > size:
            raise _NotGguf(f"it is cut off: the data of {tensor.name!r} lies beyond its end")
    return Header(metadata, tensors)


def _byte_size(tensor: Tensor) -> int:
    """How many bytes a tensor's data takes."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    try:
        block, bytes_per_block = GGML_QUANT_SIZES[GGMLQuantizationType(tensor.ggml_type)]
    except (ValueError, KeyError):
        raise _NotGguf(f"tensor {tensor.name!r} has the unknown type {tensor.ggml_type}") from None
    return int(math.prod(tensor.shape) // block * bytes_per_block)


def _tensor(stream: BinaryIO) -> Tensor:
    name = _string(stream)
    dimensions = _number(stream, "<I")
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise _NotGguf(f"tensor {name!r} claims {dimensions} dimensions")
    shape = tuple(_number(stream, "<Q") for _ in range(dimensions))
    if any(length == 0 for length in shape) or math.prod(shape) > 1 << 42:
        raise _NotGguf(f"tensor {name!r} claims the shape {shape}")
    return Tensor(name, shape, _number(stream, "<I"), _number(stream, "<Q"))


def _value(stream: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(stream)
    if kind == _ARRAY:
        element, count = _number(stream, "<I"), _number(stream, "<Q")
        if count > _LONGEST_ARRAY:
            raise _NotGguf(f"it holds an array of {count} values")
        if element == _STRING:
            return tuple(_string(stream) for _ in range(count))
        if element not in _SCALARS:
            raise _NotGguf(f"it holds an array of the unknown type {element}")
        form = _SCALARS[element]
        return struct.unpack(f"<{count}{form[1]}", _take(stream, count * struct.calcsize(form)))
    if kind not in _SCALARS:
        raise _NotGguf(f"it holds a value of the unknown type {kind}")
    return _number(stream, _SCALARS[kind])


def _string(stream: BinaryIO) -> str:
    length = _number(stream, "<Q")
    if length > _LONGEST_STRING:
        raise _NotGguf(f"it holds a string of {length} bytes")
    return _take(stream, length).decode("utf-8", "replace")


def _number(stream: BinaryIO, form: str) -> Any:
    return struct.unpack(form, _take(stream, struct.calcsize(form)))[0]


def _take(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise _NotGguf("it is empty" if stream.tell() == 0 else "its header is cut off")
    return data

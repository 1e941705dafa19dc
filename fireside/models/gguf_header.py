"""Reads a GGUF file's header and checks it for sanity, before llama.cpp (which may abort the process) sees the file.

Format: magic, version, tensor count, key count, keys with typed values, tensor descriptions, aligned data
(GGUF specification, version 3; version 2 differs in nothing read here).
"""

from __future__ import annotations

import math
import re
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from fireside.errors import ModelError

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_F32 = 0  # a ggml type
# Bounds on what a header may claim. The largest vocabularies in use come to 1.3 million values in 25 MB.
_MOST_KEYS, _MOST_TENSORS, _MOST_DIMENSIONS = 10_000, 100_000, 4
_MOST_VALUES, _MOST_BYTES, _LONGEST_STRING = 2_500_000, 256 * 1024 * 1024, 16 * 1024 * 1024
_LONGEST_KEY, _LONGEST_TENSOR_NAME = 65_535, 63  # the specification; GGML_MAX_NAME less its closing zero
_MOST_LAYERS, _INT = 512, 2**31 - 1  # LLAMA_MAX_LAYERS; what llama.cpp keeps in an int32
_LONG_ARRAY = 4096
_PIECE = 1 << 18
_SPLIT = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


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

    def number(self, key: str) -> int:
        """The whole number under the architecture's `key` ("block_count"), or 0 where there is none."""
        value = self.metadata.get(f"{self.text('general.architecture')}.{key}", 0)
        return value if isinstance(value, int) else 0

    @property
    def parameters(self) -> int:
        """How many weights the tensors hold."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors)


class _NotGguf(Exception):
    """What is wrong with the file, to be wrapped with its name."""


def read_header(path: Path, *, long_arrays: bool = True) -> Header:
    """Read and check the header of the GGUF file `path`; of a model in several files, `path` is the first of them.

    Counts, lengths and types are bounded, and every tensor's data must lie inside the file: whatever the file holds,
    this takes under two seconds and 512 MB. long_arrays: False leaves out arrays of more than 4,096 values (the
    vocabulary). Raises ModelError that says what is wrong.
    """
    try:
        headers = [_read_file(part, long_arrays=long_arrays) for part in parts(path)]
    except OSError as error:
        raise ModelError(
            f"cannot read {error.filename or path}: {error.strerror}", "check the path and its permissions"
        ) from error
    first = headers[0]
    if len(headers) == 1:
        return first
    return Header(first.metadata, tuple(tensor for header in headers for tensor in header.tensors))


def parts(path: Path) -> list[Path]:
    """The files of the model whose first file is `path`: itself, or `NAME-00001-of-00003.gguf` and those after it."""
    split = split_name(path.name)
    if split is None:
        return [path]
    stem, number, count = split
    if number != 1:
        raise ModelError(f"{path.name} is not the first part of its model", "give the file that ends in -00001-of-...")
    return [path.with_name(f"{stem}-{each:05}-of-{count:05}.gguf") for each in range(1, count + 1)]


def split_name(name: str) -> tuple[str, int, int] | None:
    """Of a file name `STEM-00002-of-00003.gguf`: its stem, 2 and 3; None for any other name."""
    match = _SPLIT.fullmatch(name)
    if match is None or not 1 <= int(match["number"]) <= int(match["count"]) <= 1000:
        return None
    return match["stem"], int(match["number"]), int(match["count"])


def tensor_bytes(tensor: Tensor) -> int:
    """How many bytes a tensor's data takes. Raises ValueError: an unknown type, or rows that are no whole blocks."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    try:
        block, bytes_per_block = GGML_QUANT_SIZES[GGMLQuantizationType(tensor.ggml_type)]
    except (ValueError, KeyError):
        raise ValueError(f"tensor {tensor.name!r} has the unknown type {tensor.ggml_type}") from None
    if tensor.shape[0] % block:
        raise ValueError(f"tensor {tensor.name!r} has rows of {tensor.shape[0]} values, not whole blocks of {block}")
    return int(math.prod(tensor.shape) // block * bytes_per_block)


def _read_file(path: Path, *, long_arrays: bool) -> Header:
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            header = _read(_Reader(stream, long_arrays=long_arrays), size)
        _check_model(header)
    except _NotGguf as problem:
        raise ModelError(
            f"{path.name} is not a usable GGUF file: {problem}", "download or export it again, or choose another file"
        ) from problem
    return header


def _read(reader: _Reader, size: int) -> Header:
    """Parse the whole header; `size` is the file's length in bytes."""
    if size == 0:
        raise _NotGguf("it is empty")
    if reader.take(4) != b"GGUF":
        raise _NotGguf("it does not begin with the GGUF mark")
    version = reader.number("<I")
    if version not in (2, 3):
        raise _NotGguf(f"version {version} is not supported")
    tensor_count, key_count = reader.number("<Q"), reader.number("<Q")
    if tensor_count > _MOST_TENSORS or key_count > _MOST_KEYS:
        raise _NotGguf(f"it claims {tensor_count} tensors and {key_count} keys")
    metadata: dict[str, Any] = {}
    for _ in range(key_count):
        key = reader.string(_LONGEST_KEY)
        if key in metadata:
            raise _NotGguf(f"it holds the key {key!r} twice")
        metadata[key] = reader.value(reader.number("<I"))
    tensors = tuple(_tensor(reader) for _ in range(tensor_count))
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise _NotGguf("it holds two tensors of one name")
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 0 < alignment <= 65536 or alignment & (alignment - 1):
        raise _NotGguf("its alignment is impossible")
    data_start = math.ceil(reader.position / alignment) * alignment
    for tensor in tensors:
        try:
            end = data_start + tensor.offset + tensor_bytes(tensor)
        except ValueError as error:
            raise _NotGguf(str(error)) from None
        if end > size:
            raise _NotGguf(f"it is cut off: the data of {tensor.name!r} lies beyond its end")
    return Header(metadata, tensors)


def _tensor(reader: _Reader) -> Tensor:
    name = reader.string(_LONGEST_TENSOR_NAME)
    dimensions = reader.number("<I")
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise _NotGguf(f"tensor {name!r} claims {dimensions} dimensions")
    shape = tuple(reader.number("<Q") for _ in range(dimensions))
    if any(length == 0 for length in shape) or math.prod(shape) > 1 << 42:
        raise _NotGguf(f"tensor {name!r} claims the shape {shape}")
    return Tensor(name, shape, reader.number("<I"), reader.number("<Q"))


def _check_model(header: Header) -> None:
    """Refuse metadata that llama.cpp takes at its word, and aborts on (`python benchmarks/headers.py` found them)."""
    architecture = header.text("general.architecture")
    for key, most in (("block_count", _MOST_LAYERS), ("context_length", _INT), ("embedding_length", _INT)):
        value = header.metadata.get(f"{architecture}.{key}", 1)
        if type(value) is not int or not 1 <= value <= most:
            raise _NotGguf(f"it claims a {key} of {value}")
    for key, value in header.metadata.items():
        if key.endswith("_epsilon") and not (isinstance(value, float) and 0 <= value < 1):
            raise _NotGguf(f"it claims a {key} of {value}")
    for tensor in header.tensors:
        if tensor.name.endswith(("norm.weight", ".bias")) and tensor.ggml_type != _F32:
            raise _NotGguf(f"{tensor.name!r} is not in 32 bits, as norms and biases are")
    tokens = header.metadata.get("tokenizer.ggml.tokens", ())
    if isinstance(tokens, tuple) and len(set(tokens)) != len(tokens):
        # Empty ones are told apart by llama.cpp, and those that are not UTF-8 differ in what was replaced here.
        double = [text for text, count in Counter(tokens).items() if count > 1 and text and "\ufffd" not in str(text)]
        if double:
            raise _NotGguf(f"it holds the token {double[0]!r} twice")


class _Reader:
    """Reads numbers, strings and arrays from a file in large pieces; what it gives out in all is bounded."""

    def __init__(self, stream: BinaryIO, *, long_arrays: bool) -> None:
        self._stream, self._long_arrays = stream, long_arrays
        self._data, self._at, self._before = b"", 0, 0
        self._values_left = _MOST_VALUES

    @property
    def position(self) -> int:
        """Bytes taken from the file so far."""
        return self._before + self._at

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        self._have(count)
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, form: str) -> Any:
        """The next number, in `struct`'s words."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def string(self, longest: int = _LONGEST_STRING) -> str:
        """The next string: its length, then UTF-8."""
        length = self.number("<Q")
        if length > longest:
            raise _NotGguf(f"it holds a string of {length} bytes")
        return self.take(length).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        """The next value of the GGUF type `kind`."""
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            return self._array(self.number("<I"), self.number("<Q"))
        if kind not in _SCALARS:
            raise _NotGguf(f"it holds a value of the unknown type {kind}")
        return self.number(_SCALARS[kind])

    def _array(self, element: int, count: int) -> tuple[Any, ...]:
        if count > self._values_left:
            raise _NotGguf(f"it holds an array of {count} values")
        self._values_left -= count
        if element == _STRING:
            return self._strings(count)
        if element not in _SCALARS:
            raise _NotGguf(f"it holds an array of the unknown type {element}")
        form = _SCALARS[element]
        data = self.take(count * struct.calcsize(form))
        return struct.unpack(f"<{count}{form[1]}", data) if self._kept(count) else ()

    def _kept(self, count: int) -> bool:
        return self._long_arrays or count <= _LONG_ARRAY

    def _strings(self, count: int) -> tuple[str, ...]:
        """`string`, `count` times: vocabularies have hundreds of thousands, so the loop does without calls."""
        found: list[str] = []
        keep = self._kept(count)
        length_at = struct.Struct("<Q").unpack_from
        data, at = self._data, self._at
        for _ in range(count):
            start = at + 8
            if start > len(data) or (end := start + length_at(data, at)[0]) > len(data):
                self._at = at
                text = self.string()
                data, at = self._data, self._at
                if keep:
                    found.append(text)
                continue
            if keep:
                found.append(data[start:end].decode("utf-8", "replace"))
            at = end
        self._at = at
        return tuple(found)

    def _have(self, count: int) -> None:
        """Make sure that `count` bytes are there from `_at` on."""
        missing = self._at + count - len(self._data)
        if missing <= 0:
            return
        if self.position + count > _MOST_BYTES:
            raise _NotGguf(f"its header claims more than {_MOST_BYTES >> 20} MB")
        rest = self._data[self._at :]
        self._before += self._at
        self._data, self._at = rest + self._stream.read(max(missing, _PIECE)), 0
        if len(self._data) < count:
            raise _NotGguf("its header is cut off")

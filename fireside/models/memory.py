"""How much memory a GGUF model needs, how much is free, and the largest context or quantisation that would fit.

The formulas follow llama.cpp (b-series of llama-cpp-python 0.3.36): the sizes of its KV cache, and of the tensors that
are alive at once in the three widest places of a decoder's graph. They were compared with the sizes its log tells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path

from fireside.errors import ModelError
from fireside.models.gguf.loading import GgufLoading, kept_sequences
from fireside.models.gguf_header import Header, tensor_bytes

_CACHE_BYTES = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
"""Bytes a value of keys or values takes: blocks of 32 values and a 2-byte scale for the quantised ones."""

_QUANTISATIONS = {
    "Q8_0": 8.50,
    "Q6_K": 6.56,
    "Q5_K_M": 5.67,
    "Q4_K_M": 4.85,
    "Q4_K_S": 4.58,
    "Q3_K_M": 3.91,
    "Q2_K": 3.16,
}
"""Bits a weight takes, of Llama-3.1-8B (llama.cpp, tools/quantize/README.md)."""

_CELLS_STEP = 256  # llama.cpp rounds the cells of a KV cache up to this
_ROWS = 64  # logits computed at once, `Context`'s default
_VOCABULARY_BYTES = 250  # a token's text, score and places in llama.cpp's maps; 160 and 350 were measured
_INPUTS = 24  # bytes a token's inputs take: token, position, and where its keys and values go
_SMALLEST_CONTEXT = 512


@dataclass(frozen=True)
class Memory:
    """Bytes: the weights with the vocabulary, the KV cache, and the buffers that a batch is computed in."""

    weights: int
    kv: int
    compute: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.kv + self.compute


@dataclass(frozen=True)
class Fit:
    """What would fit: the largest context, with the KV cache kept as `cache_type`; and if none does, a quantisation.

    context_length: tokens, 0 where even the smallest does not fit. quantisation: of the same model, that would fit with
    the context asked for; "" where this one fits or none does.
    """

    context_length: int
    cache_type: str
    quantisation: str = ""


def needed(
    header: Header,
    context_length: int = 4096,
    cache_type: str = "f16",
    batch: int = 256,
    sequences: int = 1,
    *,
    flash_attention: bool = True,
) -> Memory:
    """What llama.cpp allocates for a model with this header, in bytes, on a CPU.

    context_length: tokens a sequence; at most what the model was trained with is taken. batch: tokens computed at once.
    flash_attention: without it, the scores of a whole batch against the whole cache are held.
    """
    trained = header.number("context_length") or context_length
    length = min(context_length, trained)
    # Several sequences have a stream each, which is rounded up by itself.
    cells = -(-length // _CELLS_STEP) * _CELLS_STEP * sequences
    weights = sum(tensor_bytes(tensor) for tensor in header.tensors) + _VOCABULARY_BYTES * _vocabulary(header)
    kv = int(cells * _cache_values(header) * _CACHE_BYTES[cache_type])
    rows = max(min(batch, length), _ROWS)
    kept = kept_sequences(sequences, unified=sequences == 1, flash_attention=flash_attention)
    return Memory(weights, kv, _compute(header, cells, rows, kept, flash_attention))


def fitting(
    header: Header,
    free: int,
    context_length: int = 4096,
    cache_type: str = "f16",
    batch: int = 256,
    sequences: int = 1,
    *,
    flash_attention: bool = True,
) -> Fit:
    """The largest context that fits in `free` bytes, up to `context_length`; else a quantisation that would.

    Where the context has to shrink, a KV cache of 8 bits is tried too, if it holds more (it wants flash attention).
    """

    def needs(kind: str, length: int) -> Memory:
        return needed(header, length, kind, batch, sequences, flash_attention=flash_attention)

    context_length = min(context_length, header.number("context_length") or context_length)
    whole = needs(cache_type, context_length)
    if whole.total <= free:
        return Fit(context_length, cache_type)
    kinds = [cache_type] + ["q8_0"] * (cache_type == "f16" and flash_attention)
    found = max(((_largest(partial(needs, kind), free, context_length), kind) for kind in kinds), key=itemgetter(0))
    if found[0] >= _SMALLEST_CONTEXT:
        return Fit(*found)
    for name, bits in _QUANTISATIONS.items():
        size = header.parameters * bits / 8
        if size < whole.weights and size + whole.kv + whole.compute <= free:
            return Fit(0, cache_type, name)
    return Fit(0, cache_type)


def check_fits(path: Path, header: Header, loading: GgufLoading, free: int | None = None) -> Memory:
    """What loading needs, if it fits in `free` bytes (by default `free_memory()`).

    With layers on a GPU, how much of its memory is free is not known here, and nothing is refused.
    Raises ModelError that says what would fit.
    """
    length, kind, batch, sequences = loading.context_length, loading.cache_type, loading.batch, loading.sequences
    flash_attention = loading.flash_attention != "off"
    memory = needed(header, length, kind, batch, sequences, flash_attention=flash_attention)
    free = free_memory() if free is None else free
    if loading.gpu_layers or memory.total <= free:
        return memory
    fit = fitting(header, free, length, kind, batch, sequences, flash_attention=flash_attention)
    raise ModelError(
        f"{path.name} needs {in_words(memory.total)} of memory with a context of {length} tokens, and "
        f"{in_words(free)} are free",
        advice(fit, kind),
    )


def guessed(size: int) -> int:
    """Bytes a model file of `size` bytes needs with a context of 4,096 tokens, where its header is not at hand.

    Models from 1 to 70 billion parameters in 4 to 8 bits keep 0.1 to 0.15 of their size in such a KV cache.
    """
    return int(size * 1.15) + 200_000_000


def free_memory() -> int:
    """Bytes that a new process may take: what the system has available, and within the limits of its control groups."""
    import psutil

    free = int(psutil.virtual_memory().available)
    for limit, used in _group_limits():
        free = min(free, max(limit - used, 0))
    return free


def in_words(size: int) -> str:
    """Bytes, for a person: "812 MB", "14.2 GB"."""
    return f"{size / 1e6:.0f} MB" if size < 10e9 else f"{size / 1e9:.1f} GB"


def _largest(needs: Callable[[int], Memory], free: int, most: int) -> int:
    """The largest multiple of 256 up to `most` whose needs are at most `free`, 0 where there is none."""
    low, high = 0, most // _CELLS_STEP
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if needs(middle * _CELLS_STEP).total <= free else (low, middle - 1)
    return low * _CELLS_STEP


def advice(fit: Fit, cache_type: str) -> str:
    """What to do where a model does not fit, in one sentence."""
    if fit.context_length:
        with_type = "" if fit.cache_type == cache_type else f' and model.kv_type to "{fit.cache_type}"'
        return f"set model.context_length to {fit.context_length}{with_type}, or close other programs"
    if fit.quantisation:
        return f"take this model as {fit.quantisation}, which would fit, or close other programs"
    return "take a smaller model, or close other programs"


def _per_layer(header: Header, key: str, otherwise: int) -> list[int]:
    """A setting of each layer: one number for all, or an array."""
    layers = header.number("block_count")
    value = header.metadata.get(f"{header.text('general.architecture')}.{key}")
    if isinstance(value, tuple):
        return [each for each in value if isinstance(each, int)]
    return [value if isinstance(value, int) else otherwise] * layers


def _heads(header: Header) -> tuple[list[int], int, int]:
    """Query heads of each layer, and the length of a key and of a value."""
    heads = _per_layer(header, "attention.head_count", 0)
    default = header.number("embedding_length") // max([*heads, 1])
    key = header.number("attention.key_length") or default
    return heads, key, header.number("attention.value_length") or key


def _vocabulary(header: Header) -> int:
    return next((each.shape[-1] for each in header.tensors if each.name == "token_embd.weight"), 0)


def _cache_values(header: Header) -> int:
    """Values the KV cache keeps for one token: keys and values of every layer that has attention.

    llama.cpp keeps the whole context for sliding-window layers too, unless told otherwise (`swa_full`).
    """
    heads, key, value = _heads(header)
    kv_heads = _per_layer(header, "attention.head_count_kv", max([*heads, 0]))
    return sum(kv_heads) * (key + value)


def _compute(header: Header, cells: int, batch: int, sequences: int, flash_attention: bool) -> int:
    """The compute buffer and the logits, in bytes: the widest of feed-forward, attention scores and output.

    In multiples of embedding (e), queries (q) and feed-forward (f), as float32, a token holds 3e + q + 3f in the
    feed-forward part and 3e + 3q at the scores; masks are float16 with flash attention, one more with sliding windows.
    """
    heads, key, _ = _heads(header)
    embedding, most_heads = header.number("embedding_length"), max([*heads, 0])
    queries = most_heads * key
    experts = header.number("expert_used_count") * header.number("expert_feed_forward_length")
    forward = max([*_per_layer(header, "feed_forward_length", 0), experts])
    vocabulary = _vocabulary(header)
    masks = cells * batch * (2 if header.number("attention.sliding_window") else 1)
    widest = batch * (_INPUTS + 4 * (3 * embedding + queries + 3 * forward)) + 2 * masks
    if not flash_attention:
        scores = batch * (_INPUTS + 4 * (3 * embedding + 3 * queries)) + 4 * (masks + most_heads * batch * cells)
        widest = max(widest, scores)
    output = _ROWS * 4 * (vocabulary + 3 * embedding)
    return max(widest, output) + sequences * 4 * vocabulary


def _group_limits() -> list[tuple[int, int]]:
    """(limit, used) in bytes of the control groups this process is in, version 2 or 1; none outside Linux.

    Files that the kernel may drop from memory do not count as used.
    """
    found = []
    for folder, names in _groups():
        try:
            limit = (folder / names[0]).read_text().strip()
            used = int((folder / names[1]).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue
        if limit.isdecimal() and int(limit) < 1 << 60:
            cached = int(stat.get(names[2], 0)) + int(stat.get(names[3], 0))
            found.append((int(limit), max(used - cached, 0)))
    return found


def _groups() -> list[tuple[Path, tuple[str, str, str, str]]]:
    two = ("memory.max", "memory.current", "inactive_file", "active_file")
    one = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "total_active_file")
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            root, names = Path("/sys/fs/cgroup"), two
        elif "memory" in controllers.split(","):
            root, names = Path("/sys/fs/cgroup/memory"), one
        else:
            continue
        folder = root / group.lstrip("/")
        # Inside a container the path is often the one outside of it: the root is then the group itself.
        found += [(each, names) for each in (folder, *folder.parents) if each == root or root in each.parents]
    return found

"""Quantises a GGUF file with llama.cpp, in a process of its own: an abort in there ends only that process."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.export.imatrix import Importance, read_importance
from fireside.atomic import replacing
from fireside.errors import StorageError, TrainingError, did_you_mean
from fireside.models.gguf_header import read_header, tensor_bytes

_PREFIXES = ("LLAMA_FTYPE_MOSTLY_", "LLAMA_FTYPE_ALL_")
# Types of llama.cpp in blocks of 256 values: rows that are no multiple of it fall back to a larger type.
_BLOCK = 256
# Embedding and head have types of their own in any case.
_APART = ("token_embd.weight", "output.weight")
_SMALL_BLOCKS = ("F32", "F16", "BF16", "Q8_0", "Q5_0", "Q5_1", "Q4_0", "Q4_1", "IQ4_NL", "MXFP4_MOE", "NVFP4")


@dataclass(frozen=True)
class Quantised:
    """A quantised file: bytes before and after; weights in it, and how many fell back to a larger type."""

    size: int
    before: int
    tensors: int
    fallbacks: int

    def in_words(self) -> str:
        """The size, and what fell back, for a person."""
        text = f"{self.size / 1e6:.1f} MB, {self.before / self.size:.1f} times smaller"
        if self.fallbacks:
            text += f"; {self.fallbacks} of {self.tensors} weights took a larger type, their rows not being in 256s"
        return text


def kinds() -> dict[str, int]:
    """What llama.cpp can quantise to: its number of each name, such as "Q4_K_M"."""
    import llama_cpp

    return {
        name.removeprefix(prefix): getattr(llama_cpp, name)
        for prefix in _PREFIXES
        for name in dir(llama_cpp)
        if name.startswith(prefix)
    }


def checked_kind(name: str) -> str:
    """`name` as llama.cpp writes it. Raises TrainingError with the nearest match."""
    known = kinds()
    if name.upper() in known:
        return name.upper()
    raise TrainingError(
        f"there is no type {name!r}", did_you_mean(name.upper(), known, f"known types: {', '.join(sorted(known))}")
    )


def quantise(source: Path, target: Path, kind: str, *, importance: Path | None = None, threads: int = 0) -> Quantised:
    """Quantise the GGUF file `source` to `kind`, written atomically to `target`; with an importance matrix or without.

    Raises TrainingError: llama.cpp refused or ended by itself; StorageError: no room.
    """
    with replacing(target) as temporary:
        task = {
            "source": str(source),
            "target": str(temporary),
            "kind": kind,
            "importance": str(importance) if importance else "",
            "threads": threads,
        }
        finished = subprocess.run(
            [sys.executable, "-P", "-m", "finetune.export.quantise", json.dumps(task)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
        if finished.returncode != 0:
            raise _failure(source, kind, finished)
        return measure(source, temporary, kind)


def measure(source: Path, target: Path, kind: str) -> Quantised:
    """What became of `source` in `target`."""
    header = read_header(target, long_arrays=False)
    wide = kind not in _SMALL_BLOCKS
    fallbacks = [
        each
        for each in header.tensors
        if wide and len(each.shape) > 1 and each.shape[0] % _BLOCK and each.name not in _APART
    ]
    return Quantised(
        sum(tensor_bytes(each) for each in header.tensors),
        sum(tensor_bytes(each) for each in read_header(source, long_arrays=False).tensors),
        len(header.tensors),
        len(fallbacks),
    )


def _failure(source: Path, kind: str, finished: subprocess.CompletedProcess[bytes]) -> Exception:
    said = finished.stdout.decode("utf-8", "replace").strip().splitlines()
    reason = said[-1] if said else f"it ended by itself ({finished.returncode})"
    if any(word in reason for word in ("space", "write", "iostream")):
        return StorageError(f"cannot write {source.name} as {kind}: {reason}", "free some space")
    hint = "choose another type, such as Q8_0 or Q4_K_M"
    if "matrix" in reason.lower():
        hint = "give an importance matrix: --imatrix TEXTS, or choose a larger type"
    return TrainingError(f"llama.cpp cannot make {kind} of {source.name}: {reason}", hint)


def main(task: dict[str, Any]) -> int:
    """The process: quantise as `task` says; on failure, stdout has the reason."""
    import llama_cpp

    from fireside.models.gguf import log

    log.collect(llama_cpp)
    llama_cpp.llama_backend_init()
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = kinds()[task["kind"]]
    parameters.allow_requantize = True
    parameters.nthread = task["threads"]
    kept: list[Any] = []
    if task["importance"]:
        parameters.imatrix = _imatrix(llama_cpp, read_importance(Path(task["importance"])), kept)
    try:
        status = llama_cpp.llama_model_quantize(
            task["source"].encode(), task["target"].encode(), ctypes.byref(parameters)
        )
    except OSError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    if status != 0:
        sys.stdout.write(f"{log.last_error()}\n")
    return int(status != 0)


def _imatrix(lib: Any, importance: Importance, kept: list[Any]) -> Any:
    """llama.cpp's array of importances, ended by one without a name; `kept` holds what it points to."""
    import numpy as np

    entries = (lib.llama_model_imatrix_data * (len(importance) + 1))()
    for entry, (name, values) in zip(entries, importance.items(), strict=False):
        array = np.ascontiguousarray(values, dtype=np.float32)
        kept.append(array)
        entry.name = name.encode()
        entry.data = array.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        entry.size = array.size
    kept.append(entries)
    return ctypes.cast(entries, ctypes.POINTER(lib.llama_model_imatrix_data))


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))

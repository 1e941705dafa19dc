"""Adapters as training leaves them: a folder with a card and a GGUF file of small matrices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from fireside import paths

SCRIPTED = "0" * 64
"""The sha256 that the scripted model tells."""


def write_adapter(
    path: Path,
    architecture: str = "scripted",
    width: int = 8,
    value: float = 0.0,
    tensor: str = "blk.0.attn_q.weight",
    alpha: float = 2.0,
) -> Path:
    """A LoRA adapter of rank 2 for one square matrix, all of whose values are `value`."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    writer.add_tensor(f"{tensor}.lora_a", np.full((2, width), value, dtype=np.float32))
    writer.add_tensor(f"{tensor}.lora_b", np.full((width, 2), value, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def keep_adapter(
    name: str, *, verified: bool | None = True, base: str = SCRIPTED, architecture: str = "scripted", **card: Any
) -> Path:
    """The adapter `name` in FIRESIDE_HOME; `card` has more of its card."""
    folder = paths.ensure_folder(paths.adapters_folder() / name)
    made = {"base": {"name": "tiny", "sha256": base, "architecture": architecture}, "verified": verified}
    (folder / "card.json").write_text(json.dumps({**made, **card}), "utf-8")
    write_adapter(folder / "adapter.gguf", architecture)
    return folder

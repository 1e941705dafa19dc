"""Writes a PEFT LoRA adapter as a GGUF adapter that llama.cpp applies to the base it was trained over.

llama.cpp's llama architecture keeps the rows of the query and key projections in another order than transformers (the
two halves of a head's rotary pairs lie interleaved), so the B matrices of those layers are permuted as the base's were.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.base import Base
from fireside.atomic import replacing
from fireside.errors import AdapterError, TrainingError
from fireside.models.adapters import BASE_NAME_KEY, BASE_SHA256_KEY

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float32]

_WEIGHT = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")


def export_adapter(folder: Path, base: Base, target: Path) -> None:
    """Convert the PEFT adapter in `folder` to the GGUF adapter `target`, written atomically.

    Raises AdapterError where the adapter cannot be expressed (it must be plain LoRA on known layers), StorageError
    where it cannot be written.
    """
    configuration = _configuration(folder)
    tensors = gguf_tensors(_weights(folder), base)
    import gguf

    with replacing(target) as temporary:
        writer = gguf.GGUFWriter(temporary, base.architecture)
        try:
            writer.add_type(gguf.GGUFType.ADAPTER)
            writer.add_name(target.parent.name)
            writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
            writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(configuration["lora_alpha"]))
            writer.add_string(BASE_NAME_KEY, base.name)
            writer.add_string(BASE_SHA256_KEY, base.sha256)
            for name, matrix in tensors.items():
                writer.add_tensor(name, matrix)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()


def gguf_tensors(weights: dict[str, Matrix], base: Base) -> dict[str, Matrix]:
    """PEFT's matrices, A (rank, in) and B (out, rank), under GGUF names; B of queries and keys is permuted."""
    import gguf
    import numpy as np

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[base.architecture.upper()], base.layers)
    tensors: dict[str, Matrix] = {}
    for key, matrix in weights.items():
        match = _WEIGHT.fullmatch(key)
        name = names.get_name(match["module"]) if match else None
        if match is None or name is None:
            raise AdapterError(f"the adapter holds {key}, which has no place in a GGUF adapter", "train plain LoRA")
        if match["side"] == "B" and match["module"].endswith("q_proj"):
            matrix = permute_rows(matrix, base.heads)
        elif match["side"] == "B" and match["module"].endswith("k_proj"):
            matrix = permute_rows(matrix, base.kv_heads)
        tensors[f"{name}.weight.lora_{match['side'].lower()}"] = np.ascontiguousarray(matrix, dtype=np.float32)
    if not tensors:
        raise AdapterError("the adapter holds no weights", "train it again")
    return dict(sorted(tensors.items()))


def permute_rows(matrix: Matrix, heads: int) -> Matrix:
    """Rows from transformers' order to llama.cpp's: per head, (half, pair) becomes (pair, half).

    transformers rotates row i of a head with row i + size/2 (its `rotate_half`), llama.cpp's llama rotates neighbours.
    """
    rows = matrix.shape[0]
    halves = matrix.reshape(heads, 2, rows // heads // 2, *matrix.shape[1:])
    return halves.swapaxes(1, 2).reshape(matrix.shape)


def _configuration(folder: Path) -> dict[str, Any]:
    """PEFT's adapter_config.json. Raises AdapterError for kinds of LoRA that a GGUF adapter cannot hold."""
    path = folder / "adapter_config.json"
    try:
        configuration: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise AdapterError(f"cannot read {path}: {error}", "train the adapter again") from error
    # llama.cpp scales by alpha / rank with one alpha for all layers.
    unsupported = [
        key
        for key in ("use_dora", "use_rslora", "alpha_pattern", "rank_pattern", "modules_to_save", "bias")
        if configuration.get(key) not in (None, False, {}, [], "none")
    ]
    if configuration.get("peft_type") != "LORA" or unsupported:
        raise AdapterError(
            f"the adapter is not plain LoRA ({', '.join(unsupported) or configuration.get('peft_type')})",
            "train it without these",
        )
    return configuration


def _weights(folder: Path) -> dict[str, Matrix]:
    """PEFT's matrices by name."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / "adapter_model.safetensors"
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"cannot read {path}: {error}", "train the adapter again") from error

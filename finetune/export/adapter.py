"""Writes a PEFT LoRA adapter as a GGUF adapter that llama.cpp applies to the base it was trained over.

Where llama.cpp keeps the rows of queries and keys in another order than transformers, the B matrices of those layers
are permuted as the base's were. llama.cpp scales by alpha / rank: rsLoRA's alpha / sqrt(rank) becomes another alpha.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.base import Base
from finetune.export.families import permutes
from finetune.export.tensors import permute_rows
from fireside.atomic import replacing
from fireside.errors import AdapterError, TrainingError
from fireside.models.adapters import BASE_NAME_KEY, BASE_SHA256_KEY

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float32]

_WEIGHT = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
_WHOLE = "export the whole model instead: --format gguf, or --format safetensors"
# What PEFT can do that one alpha for all layers and two matrices a layer cannot say.
_UNSUPPORTED = {
    "use_dora": "DoRA's lengths of rows",
    "alpha_pattern": "a strength of its own for some layers",
    "rank_pattern": "a rank of its own for some layers",
    "modules_to_save": "layers that were trained whole, such as embeddings",
    "trainable_token_indices": "trained rows of embeddings",
    "bias": "trained biases",
}


def why_not_an_adapter(configuration: dict[str, Any]) -> str:
    """What of a PEFT configuration a GGUF adapter cannot hold, in words; "" where it can hold everything."""
    if configuration.get("peft_type") != "LORA":
        return f"it is not LoRA ({configuration.get('peft_type')})"
    odd = [what for key, what in _UNSUPPORTED.items() if configuration.get(key) not in (None, False, {}, [], "none")]
    return f"it has {', '.join(odd)}" if odd else ""


def export_adapter(folder: Path, base: Base, target: Path) -> None:
    """Convert the PEFT adapter in `folder` to the GGUF adapter `target`, written atomically.

    Raises AdapterError where the adapter cannot be expressed (it must be LoRA on known layers), StorageError where it
    cannot be written.
    """
    configuration = read_configuration(folder)
    if reason := why_not_an_adapter(configuration):
        raise AdapterError(f"the adapter cannot be a GGUF adapter: {reason}", _WHOLE)
    tensors = gguf_tensors(_weights(folder), base)
    import gguf

    with replacing(target) as temporary:
        writer = gguf.GGUFWriter(temporary, base.architecture)
        try:
            writer.add_type(gguf.GGUFType.ADAPTER)
            writer.add_name(target.parent.name)
            writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
            writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, _alpha(configuration))
            writer.add_string(BASE_NAME_KEY, base.name)
            if base.file_sha256:
                writer.add_string(BASE_SHA256_KEY, base.file_sha256)
            for name, matrix in tensors.items():
                writer.add_tensor(name, matrix)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()


def _alpha(configuration: dict[str, Any]) -> float:
    """The alpha that gives the adapter its strength where it is divided by the rank."""
    alpha = float(configuration["lora_alpha"])
    return alpha * math.sqrt(configuration["r"]) if configuration.get("use_rslora") else alpha


def gguf_tensors(weights: dict[str, Matrix], base: Base) -> dict[str, Matrix]:
    """PEFT's matrices, A (rank, in) and B (out, rank), under GGUF names; B of queries and keys is permuted."""
    import gguf
    import numpy as np

    architecture = next(a for a, name in gguf.MODEL_ARCH_NAMES.items() if name == base.architecture)
    names = gguf.get_tensor_name_map(architecture, base.layers)
    reordered = permutes(base.architecture)
    tensors: dict[str, Matrix] = {}
    for key, matrix in weights.items():
        match = _WEIGHT.fullmatch(key)
        name = names.get_name(match["module"]) if match else None
        if match is None or name is None or match["module"] == "lm_head":
            raise AdapterError(f"the adapter holds {key}, which has no place in a GGUF adapter", _WHOLE)
        if reordered and match["side"] == "B" and match["module"].endswith("q_proj"):
            matrix = permute_rows(matrix, base.heads)
        elif reordered and match["side"] == "B" and match["module"].endswith("k_proj"):
            matrix = permute_rows(matrix, base.kv_heads)
        tensors[f"{name}.weight.lora_{match['side'].lower()}"] = np.ascontiguousarray(matrix, dtype=np.float32)
    if not tensors:
        raise AdapterError("the adapter holds no weights", "train it again")
    return dict(sorted(tensors.items()))


def read_configuration(folder: Path) -> dict[str, Any]:
    """PEFT's adapter_config.json in `folder`. Raises AdapterError."""
    path = folder / "adapter_config.json"
    try:
        configuration: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise AdapterError(f"cannot read {path}: {error}", "train the adapter again") from error
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

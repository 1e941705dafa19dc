"""The importance matrix: how large each input column of each weight is, on text the model will see.

llama.cpp keeps the columns that matter more exactly when it quantises. The file is llama.cpp's own (`llama-imatrix`,
GGUF): for each weight, `NAME.in_sum2` (sums of squares by column) and `NAME.counts` (tokens).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.export.tensors import Layout, gguf_names
from fireside.atomic import replacing
from fireside.errors import TrainingError
from fireside.models.gguf_header import read_header

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Importance = dict[str, npt.NDArray[np.float32]]
    """For each weight, by GGUF's name, the mean square of each input column."""
else:
    Importance = dict

_SUMS, _COUNTS = ".in_sum2", ".counts"


def collect_importance(model: Any, layout: Layout, texts: Iterable[Sequence[int]]) -> Importance:
    """Run `texts` (token ids) through a model of transformers and note the mean square of each linear layer's inputs.

    Raises TrainingError where there are no texts.
    """
    import torch

    names = gguf_names((key for key, _ in model.named_parameters()), layout)
    sums: dict[str, Any] = {}
    counts: dict[str, int] = {}

    def watch(name: str) -> Any:
        def note(_: Any, inputs: tuple[Any, ...]) -> None:
            rows = inputs[0].detach().reshape(-1, inputs[0].shape[-1]).double()
            sums[name] = sums.get(name, 0) + rows.square().sum(dim=0)
            counts[name] = counts.get(name, 0) + rows.shape[0]

        return note

    hooks = [
        module.register_forward_pre_hook(watch(names[f"{path}.weight"]))
        for path, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and f"{path}.weight" in names and not path.startswith("lm_head")
    ]
    try:
        with torch.no_grad():
            for tokens in texts:
                model(input_ids=torch.tensor([list(tokens)]), use_cache=False, logits_to_keep=1)
    finally:
        for hook in hooks:
            hook.remove()
    if not sums:
        raise TrainingError("there is no text to measure importance on", "name a file of chats: --imatrix FILE")
    return {name: (total / counts[name]).float().numpy() for name, total in sums.items()}


def write_importance(importance: Importance, target: Path, *, tokens: int) -> None:
    """Write the matrix as llama.cpp's own tools read it. tokens: how many it was measured on. Raises StorageError."""
    import gguf
    import numpy as np

    with replacing(target) as temporary:
        writer = gguf.GGUFWriter(temporary, "")
        try:
            writer.add_type("imatrix")
            writer.add_array("imatrix.datasets", ["calibration"])
            writer.add_uint32("imatrix.chunk_count", 1)
            writer.add_uint32("imatrix.chunk_size", tokens)
            for name, values in importance.items():
                writer.add_tensor(f"{name}{_SUMS}", np.ascontiguousarray(values[None] * tokens, dtype=np.float32))
                writer.add_tensor(f"{name}{_COUNTS}", np.full((1, 1), tokens, dtype=np.float32))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()


def is_importance(path: Path) -> bool:
    """Whether `path` is such a file, and not texts to measure on."""
    with path.open("rb") as stream:
        return stream.read(4) == b"GGUF"


def read_importance(path: Path) -> Importance:
    """The matrix in `path`. Raises ModelError (not GGUF, damaged) and TrainingError (no importance matrix)."""
    import gguf
    import numpy as np

    if read_header(path).text("general.type") != "imatrix":
        raise TrainingError(f"{path.name} is no importance matrix", "make one of texts: --imatrix TEXTS")
    tensors = {tensor.name: tensor.data for tensor in gguf.GGUFReader(path).tensors}
    importance: Importance = {}
    for name, sums in tensors.items():
        if name.endswith(_SUMS):
            counts = np.maximum(tensors[name.removesuffix(_SUMS) + _COUNTS].reshape(-1, 1), 1)
            importance[name.removesuffix(_SUMS)] = (sums.reshape(counts.shape[0], -1) / counts).reshape(-1)
    if not importance:
        raise TrainingError(f"{path.name} is an importance matrix of no weights", "make one of texts: --imatrix TEXTS")
    return importance

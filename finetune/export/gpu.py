"""AWQ and GPTQ: 4-bit weights for GPUs, by gptqmodel. Nothing here can prove them, and their card says so."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any, Literal

from finetune.base import Base
from finetune.export.folder import save_folder
from finetune.export.scratch import scratch_folder
from finetune.export.texts import texts
from finetune.vocabulary import open_vocabulary
from fireside.errors import StorageError, TrainingError
from fireside.models.model_cards import write_card
from fireside.paths import ensure_folder

Method = Literal["awq", "gptq"]
_BITS, _GROUP = 4, 128


def check_gpu(method: Method) -> None:
    """Raises TrainingError, in one line, where gptqmodel is not installed or there is no GPU for it."""
    if importlib.util.find_spec("gptqmodel") is None:
        raise TrainingError(f"{method.upper()} needs the package gptqmodel", "pip install 'fireside[gpu]'")
    import torch

    if not torch.cuda.is_available():
        raise TrainingError(f"{method.upper()} needs a GPU", "without one: --format gguf --type Q4_K_M")


def publish_for_gpu(
    model: Any, base: Base, target: Path, method: Method, template: str, card: dict[str, Any]
) -> dict[str, Any]:
    """Quantise `model`, a plain model of transformers, to 4 bits in groups of 128 into the folder `target`; its card.

    template: in place of the base's chat template, "" for its own. Raises TrainingError (`check_gpu`), StorageError.
    """
    check_gpu(method)
    ensure_folder(target.parent)
    with scratch_folder(target.parent, ".export-") as folder:
        plain, made = folder / "plain", folder / "made"
        vocabulary = open_vocabulary(base)
        save_folder(model, base, plain, "F16", template, vocabulary)
        vocabulary.free()
        _quantise(plain, made, method)
        size = sum(file.stat().st_size for file in made.glob("*.safetensors"))
        written = {**card, "name": target.name, "kind": method.upper(), "origin": "exported", "verified": None}
        write_card(made, {**written, "size": size})
        try:
            made.rename(target)
        except OSError as error:
            raise StorageError(f"cannot keep {target}: {error.strerror}", "free some space") from error
    return {"size": size, "verified": None, "reason": "nothing here can run it to check it"}


def _quantise(plain: Path, made: Path, method: Method) -> None:
    """gptqmodel's own steps, calibrated on the texts that tokenizers are compared on."""
    library: Any = importlib.import_module("gptqmodel")
    methods: Any = importlib.import_module("gptqmodel.quantization").METHOD
    config = library.QuantizeConfig(bits=_BITS, group_size=_GROUP, quant_method=methods(method))
    model = library.GPTQModel.load(str(plain), config)
    model.quantize(list(texts()))
    model.save(str(made))

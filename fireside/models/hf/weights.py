"""Reads a model's weights with transformers: a folder of safetensors, or a GGUF file dequantised. Never pickle."""

from __future__ import annotations

import importlib.util
import json
import logging
from pathlib import Path
from typing import Any

from fireside.errors import FiresideError, ModelError
from fireside.models.hf.devices import Placement, choose_attention
from fireside.models.hf.loading import HfLoading

_KERNELS = {"awq": ("gptqmodel",), "gptq": ("gptqmodel", "optimum")}


def load_model(loading: HfLoading, placement: Placement) -> Any:
    """The model, a transformers `PreTrainedModel` in evaluation mode on its device.

    Raises ModelError: no model there, pickle only, an architecture that is no causal language model or needs code of
    its own, damaged or missing weights, kernels that are not installed, not enough memory.
    """
    if loading.path.is_dir():
        return _load_folder(loading, placement)
    if loading.quantisation != "plain":
        raise ModelError(
            f"{loading.path.name} is a GGUF file, which {loading.quantisation} quantisation cannot be made from",
            "use a folder of safetensors, or run the GGUF file with llama.cpp",
        )
    model = dequantised(loading.path, placement.dtype)
    try:
        return model.to(placement.device)
    except RuntimeError as error:
        raise load_failure(loading.path, error) from error


def dequantised(path: Path, dtype: str = "float32") -> Any:
    """The weights of the GGUF file `path`, dequantised, as a transformers model in evaluation mode.

    dtype: torch's name of a number format. Raises ModelError where transformers cannot read the file.
    """
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    try:
        # Without `dequantize` the model counts as quantised, and a trainer refuses it.
        model = AutoModelForCausalLM.from_pretrained(
            str(path.parent),
            gguf_file=path.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=getattr(torch, dtype),
            local_files_only=True,
        )
    except Exception as error:  # a model file is a stranger's; whatever reading it fails with is the file's fault
        raise load_failure(path, error) from error
    model.train(False)
    return model


def load_failure(path: Path, error: BaseException) -> FiresideError:
    """What a failure while `path` was loaded means to the person."""
    if isinstance(error, FiresideError):
        return error
    if out_of_memory(error):
        return ModelError(
            f"there is not enough memory for {path.name}",
            'choose a smaller model, or set the quantisation to "nf4"',
        )
    said = " ".join(str(error).split())[:300]
    return ModelError(
        f"transformers cannot read {path.name}: {said or type(error).__name__}",
        "the files may be damaged or incomplete; get the model again, or use another one",
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on a GPU or the CPU (which torch tells only in words)."""
    named = type(error).__name__ in ("OutOfMemoryError", "AcceleratorError") and "memory" in str(error)
    return isinstance(error, MemoryError) or named or "can't allocate memory" in str(error)


def _load_folder(loading: HfLoading, placement: Placement) -> Any:
    folder = loading.path
    config = read_config(folder)
    _check_files(folder)
    _check_quantisation(config, loading)
    import torch
    import transformers
    from transformers.utils.import_utils import is_flash_attn_2_available

    if str(config.get("model_type")) not in transformers.CONFIG_MAPPING:
        own = "; it brings code of its own, which is never run" if "auto_map" in config else ""
        raise ModelError(
            f"{folder.name} is of the architecture {config.get('model_type')!r}, which transformers does not know{own}",
            "use another model",
        )
    dtype = getattr(torch, placement.dtype)
    # Has no types that tell of its settings, or of what it returns.
    library: Any = transformers
    options: dict[str, Any] = {}
    if loading.quantisation == "nf4":
        options["quantization_config"] = library.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    elif loading.quantisation == "int8":
        options["quantization_config"] = library.BitsAndBytesConfig(load_in_8bit=True)
        # It warns of its cast to float16 in every layer of every step.
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    try:
        # Without `trust_remote_code`, transformers would ask on the terminal whether to run the folder's own code.
        known = library.AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        kind = _causal_class(known, folder)
        attention = choose_attention(
            loading.attention,
            placement,
            installed=is_flash_attn_2_available(),
            supported=bool(getattr(kind, "_supports_flash_attn", False)),
        )
        if attention is not None:
            options["attn_implementation"] = attention
        model, report = library.AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=dtype,
            device_map={"": placement.device},
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **options,
        )
    except Exception as error:  # a model folder is a stranger's; whatever reading it fails with is the folder's fault
        raise load_failure(folder, error) from error
    # transformers fills what is missing, or of another size, with random numbers and only warns.
    odd = sorted({*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])})
    if odd:
        raise ModelError(
            f"{folder.name} lacks weights that its config.json asks for, or has them in another size "
            f"({odd[0]}{f' and {len(odd) - 1} more' if odd[1:] else ''})",
            "the download may be incomplete; get the model again",
        )
    model.train(False)
    return model


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's config.json. Raises ModelError."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"{folder} holds no model: there is no config.json in it",
            "name a folder as Hugging Face keeps models: config.json, tokenizer and safetensors",
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}", "get the model again") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path} is not the configuration of a model", "get the model again")
    return config


def _check_files(folder: Path) -> None:
    """Refuse a folder without safetensors. Pickle files run whatever is in them when they are opened."""
    if any(folder.glob("*.safetensors")):
        return
    if (folder / "adapter_config.json").exists():
        raise ModelError(f"{folder.name} is an adapter, not a model", "apply it with --adapter or /adapter")
    pickled = next((item.name for pattern in ("*.bin", "*.pt", "*.pth") for item in folder.glob(pattern)), None)
    if pickled is not None:
        raise ModelError(
            f"{folder.name} keeps its weights as pickle ({pickled}), which can run any code when it is opened",
            "get the model as safetensors or GGUF",
        )
    raise ModelError(f"{folder.name} holds no weights (*.safetensors)", "get the model again")


def _check_quantisation(config: dict[str, Any], loading: HfLoading) -> None:
    """Refuse what cannot be combined, and what needs kernels that are not installed."""
    known = config.get("quantization_config")
    if not isinstance(known, dict):
        return
    method = str(known.get("quant_method", ""))
    if loading.quantisation != "plain":
        raise ModelError(
            f"{loading.path.name} is quantised already ({method}), so it cannot be loaded as {loading.quantisation}",
            'set the quantisation to "plain"',
        )
    missing = [name for name in _KERNELS.get(method, ()) if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(
            f"{loading.path.name} is quantised with {method.upper()}, and the kernels for that are not installed "
            f"({', '.join(missing)})",
            "pip install 'fireside[gpu]'",
        )


def _causal_class(config: Any, folder: Path) -> type[Any]:
    """transformers' class for the model. Raises ModelError where it is no causal language model."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    kind = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    kinds = kind if isinstance(kind, tuple) else (kind,)
    named = config.architectures or []
    found = next((each for each in kinds if each and (not named or each.__name__ in named)), None)
    if found is None:
        raise ModelError(
            f"{folder.name} is of the architecture {', '.join(named) or config.model_type}, "
            "which is no language model that continues text",
            "use a model for chat or text generation",
        )
    assert isinstance(found, type)
    return found

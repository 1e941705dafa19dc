"""PEFT LoRA adapters over a loaded model: loaded once each, switched on with scales, and off again without a trace."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fireside.errors import AdapterError, FiresideError
from fireside.models.adapters import CARD_FILE
from fireside.models.hf.caches import AdapterSet
from fireside.models.hf.weights import out_of_memory
from fireside.models.types import AdapterUse

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"
_MOST_LOADED = 8
_UNKNOWN: AdapterSet = ((Path(), -1, 0.0),)  # equal to no set: the next one is applied in any case


class Adapters:
    """The adapters of one model. What is off costs nothing: PEFT's layers then call the base's own, bit for bit."""

    def __init__(self, model: Any, sha256: str) -> None:
        """sha256: of the model, "" where unknown; an adapter made for another base is refused by it."""
        self._model, self._sha256 = model, sha256
        self._names: dict[tuple[Path, int], str] = {}  # the one used last at the end
        self._loaded = 0
        self._applied: AdapterSet = ()
        self._layers: list[Any] = []  # PEFT's, of whatever adapter

    def prepare(self, uses: Sequence[AdapterUse]) -> AdapterSet:
        """Load what is not loaded yet, and return the set for `apply`; scale 0 is left out, it changes nothing.

        Raises AdapterError: no PEFT weights there, damaged, or made for another base.
        """
        wanted = tuple((folder_of(use.path), use.scale) for use in uses if use.scale != 0)
        adapters = tuple((folder, _written(folder), float(scale)) for folder, scale in wanted)
        for folder, written, _ in adapters:
            if (folder, written) not in self._names:
                self._load(folder, written)
        return adapters

    def apply(self, adapters: AdapterSet) -> None:
        """Compute with these from now on, and with no others. Raises AdapterError where one cannot be loaded again."""
        if adapters == self._applied:
            return
        for folder, written, _ in adapters:
            if (folder, written) not in self._names:
                self._load(folder, written)
        scales: dict[str, float] = {}
        for folder, written, scale in adapters:
            name = self._names[folder, written] = self._names.pop((folder, written))
            scales[name] = scales.get(name, 0.0) + scale
        for layer in self._layers:
            layer.enable_adapters(bool(scales))
            if scales:
                layer.set_adapter(list(scales), inference_mode=True)
            for name, scale in scales.items():
                layer.set_scale(name, scale)
        self._applied = adapters

    def _load(self, folder: Path, written: int) -> None:
        from peft import inject_adapter_in_model, set_peft_model_state_dict

        config, weights = _configuration(folder), _weights(folder)
        self._check_base(folder)
        self._check_shapes(folder, weights)
        self._make_room()
        name = f"adapter{self._loaded}"
        self._loaded += 1
        try:
            with warnings.catch_warnings():
                # Several adapters over one model are meant.
                warnings.filterwarnings("ignore", "Already found a `peft_config` attribute")
                inject_adapter_in_model(config, self._model, name)
            self._layers = _lora_layers(self._model)
            report = set_peft_model_state_dict(self._model, weights, adapter_name=name)
            missing = [key for key in report.missing_keys if f".{name}." in key or key.endswith(f".{name}")]
            if missing or report.unexpected_keys:
                odd = (missing or report.unexpected_keys)[0]
                raise _does_not_fit(folder, f"{odd} is {'missing' if missing else 'unknown to the model'}")
        except Exception as error:  # the files are a stranger's; whatever PEFT fails with is their fault
            self._layers = _lora_layers(self._model)
            self._remove(name)
            raise error if isinstance(error, FiresideError) else _load_failure(folder, error) from error
        finally:
            self._applied = _UNKNOWN  # injecting switches the new adapter on
        self._model.train(False)
        self._model.requires_grad_(False)
        self._names[folder, written] = name

    def _make_room(self) -> None:
        """Let go of the adapter unused longest where there are too many."""
        while len(self._names) >= _MOST_LOADED:
            key = next(iter(self._names))
            self._remove(self._names.pop(key))

    def _remove(self, name: str) -> None:
        for layer in self._layers:
            layer.set_adapter([], inference_mode=True)  # PEFT warns where an active one goes
            layer.delete_adapter(name)
        self._applied = _UNKNOWN
        getattr(self._model, "peft_config", {}).pop(name, None)

    def _check_base(self, folder: Path) -> None:
        """Refuse an adapter whose card names another base than the one that is loaded."""
        try:
            base = json.loads((folder / CARD_FILE).read_text("utf-8"))["base"]
            sha256, name = str(base["sha256"]), str(base["name"])
        except (OSError, ValueError, LookupError, TypeError):
            return  # no card: the shapes must do
        if sha256 and self._sha256 and sha256 != self._sha256:
            raise _does_not_fit(folder, f"it was made for another model ({name})")

    def _check_shapes(self, folder: Path, weights: dict[str, Any]) -> None:
        """Refuse an adapter whose matrices, A (rank, in) and B (out, rank), do not fit the layers they name."""
        modules = dict(self._model.named_modules())
        for key, matrix in weights.items():
            path, lora, side = key.removeprefix("base_model.model.").removesuffix(".weight").rpartition(".lora_")
            if not lora or side not in ("A", "B"):
                raise _does_not_fit(folder, f"it holds {key}, and only plain LoRA can be used")
            module = modules.get(path)
            sides = {"A": (1, getattr(module, "in_features", None)), "B": (0, getattr(module, "out_features", None))}
            axis, size = sides[side]
            if size is None:
                raise _does_not_fit(folder, f"the model has no layer {path!r}")
            if matrix.ndim != 2 or matrix.shape[axis] != size:
                raise _does_not_fit(
                    folder, f"{key} has the shape {tuple(matrix.shape)}, and the layer's size is {size}"
                )


def _lora_layers(model: Any) -> list[Any]:
    """The layers that PEFT has put around the model's own."""
    from peft.tuners.lora import LoraLayer

    return [module for module in model.modules() if isinstance(module, LoraLayer)]


def folder_of(path: Path) -> Path:
    """The folder with PEFT's files: `path` itself, or the one that the GGUF adapter file `path` lies in.

    Raises AdapterError where there are none.
    """
    folder = path if path.is_dir() else path.parent
    if not path.exists():
        raise AdapterError(f"there is no adapter {path}", "it was removed; /adapter off takes it out")
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            pickled = (folder / "adapter_model.bin").exists()
            raise AdapterError(
                f"the adapter {folder.name!r} has no PEFT weights ({name})"
                + (", only pickle, which can run any code when it is opened" if pickled else ""),
                "this engine applies adapters that were trained here or saved by PEFT as safetensors; "
                "a GGUF adapter alone works with the model as GGUF",
            )
    return folder


def _written(folder: Path) -> int:
    """When the weights were last written, in nanoseconds."""
    try:
        return (folder / WEIGHTS_FILE).stat().st_mtime_ns
    except OSError as error:
        raise _load_failure(folder, error) from error


def _configuration(folder: Path) -> Any:
    """PEFT's LoraConfig. Raises AdapterError where it cannot be read or is no LoRA."""
    from peft import LoraConfig, PeftConfig

    try:
        config = PeftConfig.from_pretrained(str(folder))
    except Exception as error:  # the file is a stranger's; whatever PEFT fails with is its fault
        raise _load_failure(folder, error) from error
    if (
        not isinstance(config, LoraConfig)
        or config.modules_to_save
        or config.use_dora
        or config.trainable_token_indices
    ):
        raise _does_not_fit(folder, f"it is not plain LoRA ({config.peft_type})")
    config.inference_mode = True
    return config


def _weights(folder: Path) -> dict[str, Any]:
    """PEFT's matrices by name. Raises AdapterError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(folder / WEIGHTS_FILE)
    except (OSError, SafetensorError, ValueError) as error:
        raise _load_failure(folder, error) from error
    if not weights:
        raise AdapterError(f"the adapter {folder.name!r} holds no weights", "train it again")
    return dict(weights)


def _load_failure(folder: Path, error: Exception) -> AdapterError:
    if out_of_memory(error):
        return AdapterError(f"there is not enough memory for the adapter {folder.name!r}", "close other programs")
    said = " ".join(str(error).split())[:300]
    return AdapterError(
        f"the adapter {folder.name!r} cannot be read: {said or type(error).__name__}", "train or import it again"
    )


def _does_not_fit(folder: Path, reason: str) -> AdapterError:
    return AdapterError(
        f"the adapter {folder.name!r} does not fit this model: {reason}",
        "choose the model it was trained on, or another adapter",
    )

"""Reranks passages with a cross-encoder, which reads question and passage together: any of sentence-transformers."""

from __future__ import annotations

import functools
import json
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside.errors import ModelError
from fireside.interrupts import interrupts_held
from fireside.paths import expanded, models_folder
from fireside.sentence_models import number_format, quietly, said, stay_offline

if TYPE_CHECKING:
    from rag.search import Rerank

MAX_TOKENS = 512
"""Tokens of question and passage together that are read, at most: a passage has at most 254 of the encoder's."""

_SETTING = "the setting documents.reranker takes a folder, or the name of a model in the Hugging Face cache"
_ACTIVATION = re.compile(
    r"torch\.nn\.(?:modules\.(?:activation|linear)\.)?(?:Identity|Sigmoid|Tanh|Softmax|LogSigmoid)"
)


class CrossEncoderReranker:
    """A cross-encoder as `rag.search` takes it. Loaded at the first call; safe to call from several threads."""

    def __init__(self, name: str) -> None:
        """name: a folder, also one in the models folder, or a name in the Hugging Face cache. Nothing is looked for
        yet."""
        self.name = name
        self._lock = threading.Lock()
        self._model: Any = None

    def __call__(self, question: str, texts: Sequence[str]) -> list[float]:
        """How well each text fits the question, in [0, 1]: the sigmoid of the model's logit, whatever activation its
        configuration names, so that the order is that of `CrossEncoder.predict`.

        The model lies on a GPU where there is one. Raises ModelError where it is missing, damaged or no reranker.
        """
        if not texts:
            return []
        with self._lock:
            if self._model is None:
                self._model = _loaded(_folder_of(self.name))
            import numpy as np
            import torch

            try:
                # In float64, where no two logits below 36 have the same sigmoid: in float32 the best ones would tie.
                logits = self._model.predict(
                    [(question, text) for text in texts], activation_fn=torch.nn.Identity(), show_progress_bar=False
                )
            except Exception as error:  # torch raises what it likes: no memory, a token the model has no row for
                raise ModelError(
                    f"the reranker {self.name} failed: {said(error)}", "try another, or none: documents.reranker"
                ) from error
            scores = 1 / (1 + np.exp(-np.clip(np.asarray(logits, dtype=np.float64), -500, 500)))
        if not np.isfinite(scores).all():
            raise ModelError(
                f"the reranker {self.name} gave scores that are no numbers: its weights are damaged", _SETTING
            )
        return [float(score) for score in scores]


@functools.cache
def reranker(name: str | None) -> Rerank | None:
    """The reranker called `name`, one for the whole process; None where the name is None or empty."""
    return CrossEncoderReranker(name) if name else None


def _folder_of(name: str) -> Path:
    """The folder with the model, one of the models folder first. Nothing is downloaded. Raises ModelError where there
    is none."""
    for folder in (models_folder() / name, expanded(name)):
        if folder.is_dir():
            return folder
    stay_offline()
    with interrupts_held():
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError):
        raise ModelError(
            f"there is no reranker {name}: no such folder, and not in the Hugging Face cache", _SETTING
        ) from None


def _loaded(folder: Path) -> Any:
    """The sentence-transformers CrossEncoder in `folder`, for inference."""
    _check(folder)
    stay_offline()
    with interrupts_held():
        from sentence_transformers import CrossEncoder
    try:
        with quietly():
            model = CrossEncoder(
                str(folder),
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True, "dtype": number_format()},
            )
    except Exception as error:  # a model folder is a stranger's; whatever reading it fails with is the folder's fault
        raise ModelError(
            f"the reranker in {folder} cannot be loaded: {said(error)}", "the download may be incomplete"
        ) from error
    if model.num_labels != 1:
        raise ModelError(f"{folder} is no reranker: it has {model.num_labels} labels, and a reranker has one", _SETTING)
    model.max_seq_length = min(model.max_seq_length or MAX_TOKENS, MAX_TOKENS)
    return model


def _check(folder: Path) -> None:
    """Raises ModelError where the folder holds no cross-encoder, of which transformers would make one with a head of
    random numbers, or one that would run code: its own, or weights in another format than safetensors."""
    architectures = _listed(folder / "config.json", "architectures")
    if not any(str(each).endswith(("ForSequenceClassification", "ForCausalLM")) for each in architectures):
        raise ModelError(
            f"{folder} is no cross-encoder: its architecture is {', '.join(map(str, architectures)) or 'not named'}",
            "a cross-encoder scores a question and a text together, as cross-encoder/ms-marco-MiniLM-L6-v2 does",
        )
    # Named in the configuration, any function of torch would be called.
    config = json.loads((folder / "config.json").read_text("utf-8"))
    own = config.get("sentence_transformers")
    fields = {**(own if isinstance(own, dict) else {}), **config}
    named = [str(each) for key, each in fields.items() if "activation_f" in key and each]
    calls = [each for each in named if "." in each and not _ACTIVATION.fullmatch(each)]
    if calls:
        raise ModelError(f"{folder} names {calls[0]} as its activation, which is none", "use another model")
    modules = _listed(folder / "modules.json") if (folder / "modules.json").exists() else []
    kinds = [str(module.get("type") if isinstance(module, dict) else module) for module in modules]
    foreign = [kind for kind in kinds if not kind.startswith("sentence_transformers.")]
    if foreign:
        raise ModelError(f"{folder} brings code of its own ({foreign[0]}), which is never run", "use another model")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"{folder} has no weights in safetensors", "get them in that format; others can run code")


def _listed(file: Path, key: str | None = None) -> list[Any]:
    """The list that a JSON file holds, at `key` where one is given."""
    try:
        content = json.loads(file.read_text("utf-8"))
        found = content[key] if key else content
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, list):
        raise ModelError(f"{file.parent} is no model: its {file.name} is missing or cannot be read", _SETTING)
    return found

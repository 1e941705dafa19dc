"""What is exported: an adapter with the base it was trained over, or a model alone; merged, and as it was trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.base import Base, find_base
from finetune.export.merge import Over, difference, merged
from finetune.verify.adapter import Prompt
from finetune.verify.again import PROMPTS_FILE, base_of, trained_model
from finetune.verify.prove import read_prompts
from fireside import paths
from fireside.errors import AdapterError
from fireside.models.adapters import CARD_FILE

Tell = Callable[[str], None]
"""Called with what is being done, for a person."""


@dataclass(frozen=True)
class Source:
    """What is exported.

    model: plain, of transformers. trained: what the export must speak like. template: in place of the base's chat
    template, "" for its own. details: what the export's card tells of it.
    """

    model: Any
    trained: Any
    base: Base
    prompts: tuple[Prompt, ...]
    template: str
    details: dict[str, Any]


def adapter_folder(name: str) -> Path:
    """The folder of the adapter `name`, which must have been trained here. Raises AdapterError."""
    folder = paths.adapters_folder() / name
    if read_card(folder).get("origin") != "trained":
        raise AdapterError(f"the adapter {name!r} was imported: its weights as trained are not here", "export its run")
    return folder


def read_card(folder: Path) -> dict[str, Any]:
    """The card of the adapter in `folder`. Raises AdapterError."""
    try:
        card: dict[str, Any] = json.loads((folder / CARD_FILE).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise AdapterError(f"the card of the adapter {folder.name!r} cannot be read", "train it again") from error
    return card


def source_of_model(name: str, tell: Tell) -> Source:
    """The model `name` alone. Raises ModelError, TrainingError."""
    from finetune.weights import load

    base = find_base(name)
    tell("reading the model ...")
    model = load(base)
    described = {"name": base.name, "content_sha256": base.sha256, "file": name}
    return Source(model, model, base, (), "", {"base": described})


def source_of_adapter(name: str, over: Over, tell: Tell) -> Source:
    """The base with the adapter `name` merged into its weights. Raises AdapterError, ModelError, TrainingError."""
    folder = adapter_folder(name)
    card = read_card(folder)
    base, config = base_of(card), card["config"]
    weights = config.get("weights", "plain")
    prompts = tuple(read_prompts(folder / PROMPTS_FILE))
    details = {"base": card["base"], "adapter": name, "weights": weights, "over": over}
    tell("merging the adapter into the weights ...")
    model = merged(folder, base, weights, over)
    # What 8 bits round in between no file of weights can hold, and other weights say other words: then the merged model
    # itself is what the export must say.
    as_trained = over == "dequantised" and weights != "int8"
    trained = trained_model(folder, base, weights) if as_trained else model
    if weights != "plain":
        tell("measuring what the choice of weights changes ...")
        other = merged(folder, base, weights, "original" if over == "dequantised" else "dequantised")
        found = difference(*((model, other) if over == "dequantised" else (other, model)), prompts)
        details["difference"] = found.as_json() if found else None
    template = ""
    if config.get("template"):
        from finetune.data.templates import template_named

        template = template_named(config["template"])
    return Source(model, trained, base, prompts, template, details)

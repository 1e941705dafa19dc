"""Checks a finished adapter once more, from its folder alone."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

from finetune.base import Base, find_base
from finetune.failures import explained
from finetune.verify.prove import prove_adapter, read_prompts
from fireside import atomic
from fireside.errors import TrainingError
from fireside.models.adapters import ADAPTER_FILE, CARD_FILE

PROMPTS_FILE, VERIFY_FILE = "prompts.json", "verify.json"


def verify_again(folder: Path) -> int:
    """Check the adapter in `folder` once more; card and verify.json tell the result, stdout an error as JSON."""
    try:
        card = json.loads((folder / CARD_FILE).read_text("utf-8"))
        base = base_of(card)
        weights = card["config"].get("weights", "plain")
        model = trained_model(folder, base, weights)
        proof = prove_adapter(model, base, folder / ADAPTER_FILE, read_prompts(folder / PROMPTS_FILE), weights=weights)
        atomic.write_text(folder / VERIFY_FILE, json.dumps(proof.as_json(), ensure_ascii=False, indent=1))
        card |= {"verified": proof.verified, "verify": proof.scores()}
        atomic.write_text(folder / CARD_FILE, json.dumps(card, ensure_ascii=False, indent=1))
    except Exception as error:
        traceback.print_exc()
        told = explained(error, "the check", "close other programs", "train the adapter again")
        sys.stdout.write(json.dumps({"error": told.message, "hint": told.hint}) + "\n")
        return 1
    return 0


def base_of(card: dict[str, Any]) -> Base:
    """The base that a card names, unchanged since. Raises ModelError, TrainingError."""
    base = find_base(str(card["base"]["file"]))
    known = card["base"].get("content_sha256") or card["base"]["sha256"]
    if base.sha256 != known:
        raise TrainingError(f"{base.path} is not the model the adapter was trained over", "put the old file back")
    return base


def trained_model(folder: Path, base: Base, weights: Any) -> Any:
    """The base with the PEFT adapter in `folder` over it, as it was trained, in evaluation mode."""
    from peft import PeftModel

    from finetune.weights import load

    return PeftModel.from_pretrained(load(base, weights), str(folder)).eval()

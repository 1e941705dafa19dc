"""Cards of models that were made here: what each was made of, and whether its export was proved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fireside import atomic


def card_path(model: Path) -> Path:
    """Where the card of the GGUF file or model folder `model` lies; most models have none."""
    return model / "card.json" if model.is_dir() else model.with_name(f"{model.stem}.card.json")


def read_card(model: Path) -> dict[str, Any] | None:
    """The card of `model`, None where it has none that can be read."""
    try:
        card = json.loads(card_path(model).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return card if isinstance(card, dict) else None


def write_card(model: Path, card: dict[str, Any]) -> None:
    """Keep the card of `model`, which is there already. Raises StorageError."""
    atomic.write_text(card_path(model), json.dumps(card, ensure_ascii=False, indent=1))


def refused(model: Path) -> bool:
    """Whether `model` was exported here and failed its check: it is kept, and never offered in the chat."""
    card = read_card(model)
    return card is not None and card.get("verified") is False

"""Loads the weights that are trained over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fireside.models.hf.weights import dequantised


def load_for_training(path: Path) -> Any:
    """The base's weights, dequantised to float32, as a transformers model with frozen parameters, in evaluation mode.

    Raises ModelError where transformers cannot read the file.
    """
    model = dequantised(path)
    model.requires_grad_(False)
    return model

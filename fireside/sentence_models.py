"""What every model of sentence-transformers is loaded with: no network, no words on the screen, errors in one line."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def stay_offline() -> None:
    """Tell Hugging Face's libraries, which look when they are imported, to ask no server and to report nothing."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


@contextmanager
def quietly() -> Iterator[None]:
    """Without the warnings and bars that transformers would write across the screen while a model is loaded."""
    from transformers.utils import logging as transformers_logging

    voice: Any = transformers_logging  # its functions have no types
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    verbosity, bar = voice.get_verbosity(), voice.is_progress_bar_enabled()
    voice.set_verbosity_error()
    voice.disable_progress_bar()
    try:
        yield
    finally:
        voice.set_verbosity(verbosity)
        if bar:
            voice.enable_progress_bar()


def number_format() -> Any:
    """The numbers to load with: 16-bit ones, which many models are kept in, are fast on a GPU and many times slower on
    most CPUs."""
    import torch

    return "auto" if torch.cuda.is_available() else torch.float32


def said(error: Exception) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__

"""What the screen of models lists: every model that can be chatted with, and what its files say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fireside.models import memory
from fireside.models.catalog import ModelFile, models
from fireside.models.describe import Description, described
from fireside.settings import ModelSettings, Settings
from tui.models import REMOTE

Fit = Literal["fits", "too big", "unknown", "damaged", "elsewhere"]

MARKS: dict[Fit, str] = {"fits": "✓", "too big": "✗", "unknown": "?", "damaged": "!", "elsewhere": "→"}


@dataclass(frozen=True)
class Entry:
    """One model. file and description: None of a model on a server, which has an `address`. free: bytes of memory."""

    name: str
    group: str
    free: int
    file: ModelFile | None = None
    description: Description | None = None
    address: str = ""

    @property
    def fit(self) -> Fit:
        """Whether this machine has the memory for it now."""
        if self.description is None:
            return "elsewhere"
        if self.description.problem:
            return "damaged"
        if self.description.fits is None:
            return "unknown"
        return "fits" if self.description.fits else "too big"


def entries(settings: Settings) -> list[Entry]:
    """Those on this machine, then the servers of the settings. Reads every file's header."""
    free = memory.free_memory()
    found = [
        Entry(
            model.name,
            "Ollama" if model.source == "Ollama" else "On this machine",
            free,
            model,
            described_here(settings.model, model),
        )
        for model in models()
    ]
    servers = [
        Entry(f"{REMOTE}{name}", "Servers", free, address=str(remote.url)) for name, remote in settings.remotes.items()
    ]
    return [*found, *servers]


def described_here(settings: ModelSettings, model: ModelFile) -> Description:
    """What `model` is, with the context and the kind of KV cache that the settings name."""
    return described(model, settings.context_length, "f16" if settings.kv_type == "auto" else settings.kv_type)


def parameters_text(count: int) -> str:
    """`135M`, `7.2B`; empty for none."""
    if not count:
        return ""
    return f"{count / 1e6:.0f}M" if count < 1e9 else f"{count / 1e9:.1f}B"

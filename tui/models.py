"""Opens the chat model the settings name. Nothing is loaded until it is started."""

from __future__ import annotations

from fireside.models.catalog import find
from fireside.models.client import GgufModel
from fireside.models.gguf import Loading
from fireside.models.types import ChatModel
from fireside.settings import Settings


def open_model(settings: Settings, name: str | None = None) -> ChatModel:
    """The model called `name`, or the one in the settings. Raises ModelError if there is none of that name."""
    model = find(name or settings.model.name)
    loading = Loading(model.path, settings.model.context_length, settings.model.threads, settings.model.gpu_layers)
    return GgufModel(model.name, loading)

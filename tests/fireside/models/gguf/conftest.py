"""The bundled model in llama.cpp, one thread, for the tests of the engine's parts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.gguf.context import Context
from fireside.models.gguf.loading import GgufLoading
from fireside.models.gguf.model import Model


@pytest.fixture(scope="session")
def model() -> Iterator[Model]:
    """The bundled model."""
    loaded = Model(located(CHAT_MODEL), sha256=CHAT_MODEL.sha256)
    yield loaded
    loaded.free()


@pytest.fixture
def context(model: Model) -> Iterator[Context]:
    """An empty context of 512 tokens."""
    made = Context(model, GgufLoading(located(CHAT_MODEL), context_length=512, threads=1))
    yield made
    made.free()

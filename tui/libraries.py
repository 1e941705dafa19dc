"""Opens document libraries as the settings say: with which encoder, and ordered anew by which model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fireside.encoder import Encoder
    from fireside.settings import DocumentSettings
    from rag.library import Library


def encoder_of(documents: DocumentSettings) -> Encoder:
    """The encoder of the settings; nothing is loaded yet. Raises SettingsError."""
    from fireside.encoder import chosen_encoder

    return chosen_encoder(documents.encoder, documents.encoder_dimension)


def library_of(documents: DocumentSettings, name: str) -> Library:
    """The library called `name`, with the settings' encoder and reranker. Raises DocumentError, SettingsError."""
    from rag.library import open_library
    from rag.rerank import reranker

    return open_library(name, reranker(documents.reranker), encoder_of(documents))

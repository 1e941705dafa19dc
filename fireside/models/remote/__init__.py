"""A model on an OpenAI-compatible server, reached over HTTP."""

from fireside.models.remote.model import RemoteModel
from fireside.models.remote.server import RemoteServer

__all__ = ["RemoteModel", "RemoteServer"]

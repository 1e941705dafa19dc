"""What the routes work with: the model, its names for clients, the limits and the counters."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from fireside.errors import AdapterError, FiresideError
from fireside.models import adapters
from fireside.models.types import AdapterUse, ChatModel, ModelInfo
from tui.serve.limits import Admission, Limits
from tui.serve.metrics import Metrics
from tui.serve.problems import ApiError, failure, unavailable

EMBEDDING_MODEL = "all-minilm-l6-v2"


@dataclass
class Service:
    """One loaded model and what serves it.

    info: what `start` told. encoding: held while the encoder works, which takes all cores. began: when, in Unix time.
    """

    model: ChatModel
    info: ModelInfo
    limits: Limits
    admission: Admission
    metrics: Metrics = field(default_factory=Metrics)
    encoding: asyncio.Lock = field(default_factory=asyncio.Lock)
    began: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def of(cls, model: ChatModel, info: ModelInfo, limits: Limits) -> Service:
        """The service of a started model."""
        return cls(model, info, limits, Admission(limits))

    @property
    def fingerprint(self) -> str | None:
        """Names the weights behind a reply, for `system_fingerprint`."""
        return f"fp_{self.info.sha256[:12]}" if self.info.sha256 else None

    async def started(self) -> None:
        """Load the model again if its process has died. Raises ApiError 503."""
        try:
            self.info = await self.model.start()
        except FiresideError as error:
            raise unavailable(error) from error

    def names(self) -> list[str]:
        """What a request can name as its model: `MODEL`, `MODEL:ADAPTER` for what fits it, and the encoder."""
        fitting = [
            f"{self.model.name}:{card.name}"
            for card in adapters.list_adapters()
            if card.offered and _made_for(card, self.info)
        ]
        return [self.model.name, *fitting, EMBEDDING_MODEL]

    def adapters_for(self, name: str | None) -> tuple[AdapterUse, ...]:
        """The adapters that `name` stands for: none for `MODEL` or no name, one for `MODEL:ADAPTER[:SCALE]`.

        Raises ApiError 404 for a name that is not served, 400 for an adapter that cannot be used.
        """
        base = self.model.name
        if name is None or name == base:
            return ()
        if not name.startswith(f"{base}:"):
            raise unknown_model(name, base)
        spec = name.removeprefix(f"{base}:")
        try:
            adapter, _ = adapters.split_scale(spec)
            if adapter not in {card.name for card in adapters.list_adapters()}:
                raise unknown_model(name, base)
            return (adapters.resolve(spec, self.info.sha256, self.info.architecture),)
        except AdapterError as error:
            raise ApiError(400, failure(error).message, param="model", code="adapter_not_usable") from error

    def catalogue(self) -> list[dict[str, object]]:
        """The models as /v1/models lists them, `meta` named as in llama.cpp's server."""
        meta = {"n_ctx": self.info.context_length, "n_params": self.info.parameters}
        listed = {"object": "model", "created": self.began, "owned_by": "fireside"}
        return [{"id": name, **listed, **({} if name == EMBEDDING_MODEL else {"meta": meta})} for name in self.names()]


def unknown_model(name: str, known: str) -> ApiError:
    """404: there is no model of that name here."""
    return ApiError(
        404,
        f"the model {name!r} is not served here; {known!r} is, and GET /v1/models lists all",
        param="model",
        code="model_not_found",
    )


def _made_for(card: adapters.Card, info: ModelInfo) -> bool:
    return card.base_sha256 in ("", info.sha256) and card.architecture == info.architecture

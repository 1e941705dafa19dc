"""What is compared: the chat as it is held now against another model, or with an adapter against without."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fireside.errors import FiresideError
from fireside.models.types import AdapterUse, ChatModel

if TYPE_CHECKING:
    from tui.session import ChatSession


@dataclass(frozen=True)
class Side:
    """One of the two. owned: its model was opened for the comparison, and is closed after it."""

    model: ChatModel
    adapters: tuple[AdapterUse, ...]
    owned: bool

    @property
    def title(self) -> str:
        """The model, and its adapter."""
        return " + ".join((self.model.name, *(adapter.spec for adapter in self.adapters)))


async def sides_of(session: ChatSession, named: str) -> tuple[Side, Side]:
    """The chat as it is now, and the other: `named` is a model or adapters, or empty for the chat's model without its
    adapter. The other has a model of its own, so that both write at once. Raises FiresideError.
    """
    from fireside.models.adapters import SEPARATOR, list_adapters, resolve_all, split_scale

    own = session.adapters
    now = Side(session.model, own, owned=False)
    if not named:
        if not own:
            raise FiresideError(
                "no adapter is applied that could be compared with the model alone", "name one, or another model"
            )
        return now, Side(session.another_model(session.model.name), (), owned=True)
    known = [card.name for card in await asyncio.to_thread(list_adapters)]
    if not any(split_scale(each.strip())[0] in known for each in named.split(SEPARATOR)):
        if named == session.model.name and not own:
            raise FiresideError(f"the chat is held with {named} already", "name another model, or an adapter")
        return now, Side(session.another_model(named), (), owned=True)
    info = await session.start_model()
    adapters = await asyncio.to_thread(resolve_all, named, info.sha256, info.architecture)
    others = () if own == adapters else adapters
    return now, Side(session.another_model(session.model.name), others, owned=True)

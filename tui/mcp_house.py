"""The tools that `fireside mcp serve` offers, with the libraries, the model and the settings they work with."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from agents.mcp.served import House, house_tools
from agents.tools import Tool
from agents.turn import Turn
from fireside.errors import ToolError
from fireside.models.types import ChatModel, Message
from fireside.settings import Settings, load
from tui.libraries import library_of
from tui.models import open_model
from tui.offered import every_tool

if TYPE_CHECKING:
    from rag.library import Library


@dataclass
class Served:
    """What is offered. The model is opened by the first question and closed with the rest."""

    settings: Settings
    model_name: str | None
    tools: tuple[Tool, ...] = ()
    _model: ChatModel | None = None

    async def model(self) -> ChatModel:
        """The chat model."""
        if self._model is None:
            self._model = open_model(self.settings, self.model_name)
        return self._model

    async def close(self) -> None:
        """End the model's process, where there is one."""
        if self._model is not None:
            await self._model.close()


def served_tools(options: argparse.Namespace) -> Served:
    """The house's tools and those named with --tool, which only read unless --allow says more. Raises ToolError."""
    settings = load()
    served = Served(settings, options.model)
    documents = settings.documents

    @cache
    def library(name: str) -> Library:
        return library_of(documents, name)

    def turn(question: str, opened: Library | None) -> Turn:
        reply = settings.reply
        return Turn(
            messages=(Message("system", reply.system), Message("user", question)),
            sampling=reply.sampling(),
            max_tokens=reply.max_tokens,
            library=opened,
            passages=documents.passages,
            expand_tokens=documents.expand_tokens,
        )

    house = house_tools(House(library, served.model, turn))
    known = {tool.name: tool for tool in every_tool(options.folder or settings.tools.folder, None)}
    for name in dict.fromkeys(options.tool):
        if name not in known:
            raise ToolError(f"there is no tool {name!r} to offer", f"there are: {', '.join(known)}")
        risk = known[name].traits.risk
        if risk != "reads" and risk not in options.allow:
            raise ToolError(f"{name} does more than read: {risk}", f"offer it with --allow {risk}")
    served.tools = (*house, *(known[name] for name in dict.fromkeys(options.tool)))
    return served

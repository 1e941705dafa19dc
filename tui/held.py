"""What the open chat is held with: model, persona, parameters, adapter, library, tools; and how each is changed."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside.errors import FiresideError, ModelError, ToolError
from fireside.models.adapters import SEPARATOR
from fireside.models.sampling import Sampling
from fireside.models.types import AdapterUse, ChatModel, ModelInfo
from fireside.settings import TOOL_KINDS, SamplingSettings, Settings, ToolKind
from tui.jobs import Jobs
from tui.libraries import library_of
from tui.servers import Servers

if TYPE_CHECKING:
    from agents.builtin.ask import Ask
    from agents.tools import Tool
    from fireside.conversations.types import Conversation
    from rag.library import Library

MAX_TOKENS = "max_tokens"


class Held(ABC):
    """What turns are made with, beside the messages. Each change is kept with the conversation by `_keep`."""

    def __init__(self, settings: Settings, open_model: Callable[[str | None], ChatModel]) -> None:
        """`open_model` gives the model of a name, or the settings' own for None; nothing is loaded by it."""
        self.settings = settings
        self.model = open_model(None)
        self.info: ModelInfo | None = None
        self.adapters: tuple[AdapterUse, ...] = ()
        self.library: Library | None = None
        self.library_name: str | None = None
        self.tools: tuple[Tool, ...] = ()
        self.tools_on = False
        self.tool_kinds: tuple[ToolKind, ...] = settings.tools.offered
        self.servers = Servers()
        self.jobs = Jobs()
        self.folder: Path | None = settings.tools.folder
        self.allowed: set[str] = set(settings.tools.allowed)
        self.system = settings.reply.system
        self.persona: str | None = None
        self.parameters: Mapping[str, Any] = {}
        self.note: Callable[[str], None] = lambda text: None  # told what the person should know and no event says
        self.ask_person: Ask | None = None
        self._open_model = open_model

    @property
    @abstractmethod
    def busy(self) -> bool:
        """Whether a reply is begun and not ended."""

    @property
    def sampling(self) -> Sampling:
        """How tokens are chosen: the conversation's own parameters over the settings'."""
        own = {name: value for name, value in self.parameters.items() if name != MAX_TOKENS}
        return SamplingSettings(**own).sampling().over(self.settings.reply.sampling())

    @property
    def max_tokens(self) -> int:
        """The longest reply, in tokens."""
        return int(self.parameters.get(MAX_TOKENS, self.settings.reply.max_tokens))

    @property
    def kept_tools(self) -> list[str] | None:
        """The kinds of tools as a conversation keeps them; None while they are off."""
        return list(self.tool_kinds) if self.tools_on else None

    @property
    def adapter_spec(self) -> str | None:
        """The adapters as a conversation keeps them, `NAME:SCALE+NAME:SCALE`; None where there are none."""
        return SEPARATOR.join(use.spec for use in self.adapters) or None

    async def start_model(self) -> ModelInfo:
        """Load the model if it is not loaded. Raises ModelError."""
        self.info = await self.model.start()
        return self.info

    def change_system(self, system: str) -> None:
        """Set the system prompt of the open conversation, or of the one that the next message begins."""
        self.system = system
        self._keep(system=system)

    def change_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Set sampling fields and `max_tokens` of this conversation alone; those left out are the settings'. Raises
        SettingsError for a name or a value that cannot be."""
        from fireside.personas import checked_parameters

        self.parameters = checked_parameters(parameters)
        self._keep(parameters=dict(self.parameters) or None)

    def another_model(self, name: str) -> ChatModel:
        """A model beside the one that is chatted with, whoever asks for it closes it. Raises ModelError."""
        return self._open_model(name)

    async def use_model(self, name: str) -> ModelInfo:
        """Chat with another model. The old one stays where the new one cannot be loaded. Raises ModelError."""
        self._refuse_while_busy()
        model = self._open_model(name)
        try:
            info = await model.start()
        except BaseException:  # also where the person has not waited for it
            await model.close()
            raise
        if self.busy:
            # A reply was begun while the other model loaded: it must not lose its own.
            await model.close()
            self._refuse_while_busy()
        old, self.model, self.info = self.model, model, info
        await old.close()
        # An adapter belongs to the model it was trained on.
        self.adapters = ()
        self._keep(model=model.name, adapter=None)
        return info

    async def use_adapter(self, spec: str | None) -> None:
        """Apply the adapters `NAME[:SCALE][+NAME[:SCALE]...]` from the next reply on, or none.

        Raises AdapterError, ModelError.
        """
        adapters: tuple[AdapterUse, ...] = ()
        before = self._open_id
        if spec is not None:
            from fireside.models.adapters import resolve_all

            info = await self.start_model()
            adapters = await asyncio.to_thread(resolve_all, spec, info.sha256, info.architecture)
        if before is not None and self._open_id != before:
            # The person has gone to another conversation, which keeps its own.
            return
        self.adapters = adapters
        self._keep(adapter=self.adapter_spec)

    async def use_library(self, name: str | None) -> None:
        """Answer from the document library `name`, or from none. Raises DocumentError."""
        library: Library | None = None
        before, old = self._open_id, self.library
        if name is not None:
            library = await asyncio.to_thread(library_of, self.settings.documents, name)
        if before is not None and self._open_id != before:
            # The person has gone to another conversation, which keeps its own.
            return
        self.library, self.library_name = library, name
        if old is not None and not self.busy:
            await asyncio.to_thread(old.close)
        self._choose_tools()
        self._keep(library=self.library_name)

    def use_tools(self, on: bool, folder: Path | None = None, kinds: tuple[ToolKind, ...] = ()) -> None:
        """Let the assistant ask for tools, or not; a `folder` confines the file tools, `kinds` are offered in place of
        those of the settings. Raises ToolError."""
        before = (self.tools_on, self.folder, self.tool_kinds)
        self.tools_on, self.folder, self.tool_kinds = on, folder or self.folder, kinds or self.tool_kinds
        try:
            self._choose_tools()
        except ToolError:
            self.tools_on, self.folder, self.tool_kinds = before
            raise
        self._keep(tools=self.kept_tools)

    async def use_server(self, name: str) -> tuple[str, ...]:
        """Start an MCP server and offer its tools; a line on each thing of it that is left out. Raises ToolError."""
        notes = await self.servers.use(name)
        self.tools_on = True
        self._choose_tools()
        return notes

    async def drop_server(self, name: str) -> bool:
        """End an MCP server; False where it does not run."""
        dropped = await self.servers.drop(name)
        self._choose_tools()
        return dropped

    async def use_persona(self, name: str | None) -> list[FiresideError]:
        """Take up a persona: its system prompt and parameters, and what else it names; what it does not name stays.
        None goes back to the settings' own prompt and parameters. Returns what could not be had. Raises FiresideError
        where there is no such persona."""
        from fireside.personas import Persona, load_persona

        persona = Persona(name="") if name is None else await asyncio.to_thread(load_persona, name)
        self.persona = name
        self._keep(persona=name)
        self.change_system(persona.system or self.settings.reply.system)
        self.parameters = persona.parameters
        self._keep(parameters=dict(self.parameters) or None)
        if persona.tools is not None:
            self.use_tools(bool(persona.tools), kinds=persona.tools)
        return await self._take_up(
            persona.model or self.model.name,
            persona.adapter or self.adapter_spec,
            persona.library or self.library_name,
        )

    def keep_persona(self, name: str) -> Path:
        """Keep what this chat is held with as the persona `name`; return its file. Raises FiresideError."""
        from fireside.personas import Persona, save_persona

        sampling = {key: value for key, value in self.parameters.items() if key != MAX_TOKENS}
        return save_persona(
            Persona(
                name=name,
                system=self.system,
                model=self.model.name,
                adapter=self.adapter_spec,
                library=self.library_name,
                tools=self.tool_kinds if self.tools_on else None,
                max_tokens=self.parameters.get(MAX_TOKENS),
                sampling=SamplingSettings(**sampling),
            )
        )

    async def restore(self) -> list[FiresideError]:
        """Take up what the open conversation was held with; return what could not be had."""
        held = self._open_conversation
        if held is None:
            return []
        return await self._take_up(held.model, held.adapter, held.library)

    def _begin_with(self, held: Conversation | None) -> None:
        """The parts that need no loading: of an open conversation, or the settings' own for one that is not begun."""
        self.allowed = set(self.settings.tools.allowed)
        self.system = self.settings.reply.system if held is None else held.system
        self.persona = held.persona if held else None
        self.parameters = dict((held.parameters if held else None) or {})
        if held is not None:
            known = tuple(kind for kind in TOOL_KINDS if kind in (held.tools or ()))
            with suppress(ToolError):
                self.use_tools(bool(known), kinds=known)

    async def _take_up(self, model: str, adapter: str | None, library: str | None) -> list[FiresideError]:
        """Load model, adapter and library where they are others than now; return what could not be had."""
        problems: list[FiresideError] = []
        try:
            if model and model != self.model.name:
                await self.use_model(model)
        except FiresideError as error:
            problems.append(error)
        try:
            if adapter != self.adapter_spec:
                await self.use_adapter(adapter)
        except FiresideError as error:
            self.adapters = ()
            problems.append(error)
        try:
            if library != self.library_name:
                await self.use_library(library)
        except FiresideError as error:
            self.library = self.library_name = None
            problems.append(error)
        return problems

    async def _let_go(self) -> None:
        """End what is under way, servers and model."""
        await self.jobs.close()
        await self.servers.close()
        with suppress(ModelError):
            await self.model.close()

    def _choose_tools(self) -> None:
        """The tools that the settings want offered and that have what they need."""
        if not self.tools_on:
            self.tools = ()
            return
        from tui.offered import offered_tools

        library, passages = self.library, self.settings.documents.passages
        search = None if library is None else lambda question: library.search(question, passages)
        offered = offered_tools(self.tool_kinds, self.folder, search, self.ask_person, self.note)
        self.tools = (*offered, *self.servers.tools)

    @property
    @abstractmethod
    def _open_conversation(self) -> Conversation | None:
        """The open conversation."""

    @property
    def _open_id(self) -> int | None:
        return self._open_conversation.id if self._open_conversation else None

    @abstractmethod
    def _keep(self, **changed: Any) -> None:
        """Save fields of the open conversation; one that is not begun has none."""

    def _refuse_while_busy(self) -> None:
        if self.busy:
            raise FiresideError("a reply is still being written", "Escape stops it")

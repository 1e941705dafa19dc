"""An app that is nothing but one screen, and a chat's setup without a chat: for tests of screens by themselves."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.screen import Screen
from textual.theme import Theme

from fireside.conversations.types import Conversation
from fireside.errors import ModelError
from fireside.models.scripted import ScriptedModel
from fireside.models.types import ChatModel, ModelInfo
from fireside.settings import Settings
from tui.held import Held
from tui.theme import DARK


class OneScreen(App[None]):
    """Shows one screen in one theme, as wide and as low as the chat would have it."""

    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "narrow"), (80, "wide")]  # noqa: RUF012  # as in App
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "low"), (18, "tall")]  # noqa: RUF012  # as in App

    def __init__(self, screen: Screen[None], theme: Theme = DARK) -> None:
        super().__init__()
        self.shown = screen
        self.register_theme(theme)
        self.theme = theme.name

    def on_mount(self) -> None:
        """Push the screen."""
        self.push_screen(self.shown)


class DeadModel(ScriptedModel):
    """A model whose process ends while it loads."""

    async def start(self) -> ModelInfo:
        """Raises ModelError."""
        raise ModelError("the model process ended by itself", "start it again; it may have been out of memory")


class HeldAlone(Held):
    """What a chat is held with, without a conversation. dead: names of models that cannot be loaded, "" for the
    settings' own."""

    def __init__(self, settings: Settings | None = None, dead: tuple[str, ...] = ()) -> None:
        self.kept: dict[str, Any] = {}

        def opened(name: str | None) -> ChatModel:
            kind = DeadModel if (name or "") in dead else ScriptedModel
            return kind([], name or "scripted")

        super().__init__(settings or Settings(), opened)

    @property
    def busy(self) -> bool:
        """No reply is ever written."""
        return False

    @property
    def _open_conversation(self) -> Conversation | None:
        return None

    def _keep(self, **changed: Any) -> None:
        self.kept.update(changed)

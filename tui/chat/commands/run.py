"""Which function carries out which slash command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tui.chat.commands import conversations, held_with, messages, screens, tools

if TYPE_CHECKING:
    from tui.chat.screen import ChatScreen


async def run(screen: ChatScreen, name: str, argument: str) -> None:
    """Run the command `name`. Raises FiresideError, which the screen shows."""
    await _COMMANDS[name](screen, argument)


_COMMANDS: dict[str, Callable[[ChatScreen, str], Awaitable[None]]] = {
    "help": screens.help_,
    "new": conversations.new,
    "open": conversations.open_,
    "search": conversations.search,
    "find": conversations.find,
    "tree": conversations.tree,
    "rename": conversations.rename,
    "pin": conversations.pin,
    "archive": conversations.archive,
    "tag": conversations.tag,
    "delete": conversations.delete,
    "retry": messages.retry,
    "edit": messages.edit,
    "continue": messages.continue_,
    "copy": messages.copy,
    "code": messages.code,
    "undo": messages.undo,
    "system": held_with.system,
    "persona": held_with.persona,
    "set": held_with.set_,
    "model": held_with.model,
    "compare": screens.compare,
    "models": screens.models,
    "context": screens.context,
    "docs": held_with.docs,
    "library": screens.library,
    "source": screens.source,
    "adapter": held_with.adapter,
    "adapters": screens.adapters,
    "tools": tools.tools,
    "mcp": tools.mcp,
    "allow": tools.allow,
    "trace": tools.trace,
    "traces": tools.traces,
    "plan": screens.plan,
    "train": screens.train,
    "evals": screens.evals,
    "data": screens.data,
    "story": screens.story,
    "export": conversations.export,
    "import": conversations.import_,
    "settings": screens.settings,
    "theme": screens.theme,
    "tour": screens.tour,
    "quit": screens.quit_,
}

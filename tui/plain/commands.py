"""The slash commands that make sense line by line. Each function is one command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fireside.errors import FiresideError
from fireside.text import for_terminal_line
from tui.plain.terminal import asked, chosen, confirmed, tell
from tui.slash import COMMANDS
from tui.tour import STEPS, spoken

if TYPE_CHECKING:
    from fireside.conversations.types import StoredMessage
    from tui.plain.loop import PlainChat

_LISTED = 30


async def run(chat: PlainChat, name: str, argument: str) -> None:
    """Run the command `name`. Raises FiresideError, also for a command that needs a screen."""
    if name not in _COMMANDS:
        raise FiresideError(
            f"/{name} needs a screen", "start `fireside --no-plain` for it; /help lists what works here"
        )
    await _COMMANDS[name](chat, argument)


async def help_(chat: PlainChat, argument: str) -> None:
    """The commands and keys."""
    for command in COMMANDS:
        if command.name in _COMMANDS:
            tell(f"{command.usage}: {command.summary}")
    tell("Enter sends. A line that ends in a backslash goes on in the next one.")
    tell("Ctrl+C stops a reply; twice in a row it leaves. Ctrl+D leaves.")


async def tour(chat: PlainChat, argument: str) -> None:
    """What there is, in five steps."""
    for number, step in enumerate(STEPS, 1):
        tell(f"{number}. {step.title}. {spoken(step, chat.session.settings.keys)}")


async def new(chat: PlainChat, argument: str) -> None:
    """Leave the conversation; the next message begins another."""
    chat.session.new()
    tell("A new conversation.")


async def open_(chat: PlainChat, argument: str) -> None:
    """Go to another conversation: by its title, or chosen from a numbered list."""
    conversations = chat.session.store.conversations()
    matching = [one for one in conversations if argument.lower() in one.title.lower()]
    if not matching:
        raise FiresideError("there is no such conversation", "/search looks in the messages")
    place: int | None = 0
    if len(matching) > 1:
        titles = [for_terminal_line(one.title, 80) or "untitled" for one in matching[:_LISTED]]
        place = await chosen("Conversations:", titles)
    if place is not None:
        await _go_to(chat, matching[place].id)


async def search(chat: PlainChat, argument: str) -> None:
    """Find text in all conversations, and go to what was found."""
    hits = chat.session.store.search(argument)[:_LISTED]
    if not hits:
        raise FiresideError(f"no conversation holds {argument!r}", "every word must occur; the last may be a beginning")
    lines = [for_terminal_line(f"{hit.title or 'untitled'}: {hit.excerpt}", 200) for hit in hits]
    place = await chosen(f"Found {len(hits)}:", lines)
    if place is None:
        return
    hit = hits[place]
    if hit.message is not None:
        chat.session.open(hit.conversation)
        chat.session.store.select(hit.message)
    await _go_to(chat, hit.conversation)


async def _go_to(chat: PlainChat, conversation: int) -> None:
    opened = chat.session.open(conversation)
    tell(f"Conversation: {for_terminal_line(opened.title, 80) or 'untitled'}.")
    chat.tell_messages()
    for problem in await chat.session.restore():
        chat.tell_error(problem)


async def rename(chat: PlainChat, argument: str) -> None:
    """Give the open conversation a title."""
    title = argument or await asked("New title:")
    if title:
        chat.session.rename(title)
        tell("Renamed.")


async def delete(chat: PlainChat, argument: str) -> None:
    """Delete the open conversation."""
    conversation = chat.session.conversation
    if conversation is None:
        raise FiresideError("there is nothing to delete yet", "send a message first")
    if await confirmed(f"Delete {for_terminal_line(conversation.title, 60) or 'this conversation'}?"):
        chat.session.delete(conversation.id)
        tell("Deleted. The next message begins a new conversation.")


async def retry(chat: PlainChat, argument: str) -> None:
    """Write the last reply again, beside the old one."""
    await chat.write(chat.session.retry(_last(chat, "assistant").id))


async def edit(chat: PlainChat, argument: str) -> None:
    """Write the person's last message anew, and answer that."""
    last = _last(chat, "user")
    tell(f"Your message: {last.text}")
    text = await asked("Your new message, or Enter to leave it:")
    if text:
        reply = chat.session.edit(last.id, text, await chat.session.attach(text, message_id=last.id))
        if reply is not None:
            await chat.write(reply)


async def system(chat: PlainChat, argument: str) -> None:
    """Change the system prompt of this conversation."""
    tell(f"System prompt: {chat.session.system}")
    text = argument or await asked("New system prompt, or Enter to leave it:")
    if text:
        chat.session.change_system(text)
        tell("Changed.")


async def model(chat: PlainChat, argument: str) -> None:
    """Chat with another model."""
    if argument:
        tell("Loading.")
        await chat.session.use_model(argument)
    tell(f"Chatting with {chat.session.model.name}.")


async def docs(chat: PlainChat, argument: str) -> None:
    """Answer from a document library, or from none."""
    if argument:
        await chat.session.use_library(None if argument == "off" else argument)
    name = chat.session.library_name
    tell(f"Answering from {name}." if name else "Answering without documents.")


async def adapter(chat: PlainChat, argument: str) -> None:
    """Apply an adapter, several together, or none."""
    if argument:
        await chat.session.use_adapter(None if argument == "off" else argument)
    applied = " and ".join(f"{use.name} at {use.scale:g}" for use in chat.session.adapters)
    tell(f"Applied: {applied}." if applied else "No adapter is applied.")


async def tools(chat: PlainChat, argument: str) -> None:
    """Which tools there are; on, off, or file tools inside a folder."""
    if argument:
        chat.session.use_tools(argument != "off", None if argument in ("on", "off") else Path(argument))
    names = ", ".join(tool.name for tool in chat.session.tools)
    tell(f"Tools: {names}." if names else "Tools are off.")


async def allow(chat: PlainChat, argument: str) -> None:
    """Let a tool run without asking."""
    if argument not in [tool.name for tool in chat.session.tools]:
        raise FiresideError(f"there is no tool {argument}", "/tools names them")
    chat.session.allowed.add(argument)
    tell(f"{argument} runs without asking in this conversation.")


async def quit_(chat: PlainChat, argument: str) -> None:
    """Leave."""
    chat.leave()


def _last(chat: PlainChat, role: str) -> StoredMessage:
    """The last message of `role` in the open conversation."""
    for message in reversed(chat.session.messages()):
        if message.role == role:
            return message
    raise FiresideError("there is no message yet", "send one first")


_COMMANDS: dict[str, Callable[[PlainChat, str], Awaitable[None]]] = {
    "help": help_,
    "tour": tour,
    "new": new,
    "open": open_,
    "search": search,
    "rename": rename,
    "delete": delete,
    "retry": retry,
    "edit": edit,
    "system": system,
    "model": model,
    "docs": docs,
    "adapter": adapter,
    "tools": tools,
    "allow": allow,
    "quit": quit_,
}

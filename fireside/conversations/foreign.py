"""What the exports of other programs have in common: a message of any of them, and a tree made of such messages.

Foreign text is made safe for the terminal here, at the door. Nothing else of an export is believed: a role or a time
that is none, a parent that is not there, and a loop are refused or replaced as each function says.
"""

from __future__ import annotations

import heapq
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fireside.conversations.types import Conversation, Status, StoredMessage
from fireside.errors import FiresideError
from fireside.models.types import Role
from fireside.text import for_terminal, for_terminal_line

Found = tuple[Conversation, list[StoredMessage]]
"""A conversation with its messages, parents before children, as `ConversationStore.restore` takes them."""

_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "ai": "assistant", "bot": "assistant", "gpt": "assistant", "chatgpt": "assistant",
    "model": "assistant",
    "tool": "tool", "function": "tool", "ipython": "tool", "observation": "tool",
}  # fmt: skip
_TITLE = 60  # characters of a title made of first words
_LATEST = 1e11  # seconds since the epoch; a larger number is taken for milliseconds, or for none
_FENCE = re.compile("`{3,}")


class NotThisConversation(FiresideError):
    """One conversation of an export cannot be used; the message is the reason."""


@dataclass(frozen=True)
class Node:
    """A message of a foreign tree. key, parent: the export's own. role: None for a node that holds no message, whose
    children hang on what is above it. created: seconds, or None where the export does not tell."""

    key: str
    parent: str | None
    role: Role | None
    text: str = ""
    status: Status = "complete"
    created: float | None = None


def role_of(name: object) -> Role:
    """The role that other programs call `name`. Raises NotThisConversation."""
    role = _ROLES.get(name.lower()) if isinstance(name, str) else None
    if role is None:
        raise NotThisConversation(f"{for_terminal_line(repr(name), 40)} is not a role")
    return role


def seconds(value: object) -> float | None:
    """A time in seconds or milliseconds since the epoch as seconds; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1000 * _LATEST:
        return None
    return float(value) if value < _LATEST else value / 1000


def text_of(content: object) -> str:
    """The text of a message's content: a string, or a list of parts, of which what is no text is named in brackets."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(part for part in map(_part, content) if part)
    if isinstance(content, dict):
        return _part(content)
    raise NotThisConversation("a message's content is neither text nor a list of parts")


def fenced(text: str, language: object = "") -> str:
    """`text` as a Markdown code block."""
    fence = "`" * max(3, 1 + max(map(len, _FENCE.findall(text)), default=0))
    named = language if isinstance(language, str) and language.isalnum() and language != "unknown" else ""
    return f"{fence}{named}\n{text}\n{fence}"


def field(entry: object, name: str) -> Any:
    """What the object `entry` holds under `name`; None where it is no object, or holds no such thing."""
    return entry.get(name) if isinstance(entry, dict) else None


def conversation_of(
    title: object, nodes: Iterable[Node], current: str | None, *, model: object = "", system: object = "",
    created: object = None, updated: object = None,
) -> Found:  # fmt: skip
    """The conversation of a foreign tree; `current` is the node that was shown last, else the newest leaf is.

    System messages at the root become the conversation's system prompt. Raises NotThisConversation for nodes of the
    same key, a loop, and a tree without messages.
    """
    known: dict[str, Node] = {}
    for node in nodes:
        if node.key in known:
            raise NotThisConversation(f"two messages have the id {for_terminal_line(node.key, 40)}")
        known[node.key] = node
    began, now = seconds(created), time.time()
    given = for_terminal(system) if isinstance(system, str) else ""
    messages: list[StoredMessage] = []
    # Of each node, the message it became, or that above it: None above the first.
    placed: dict[str, int | None] = {}
    for node in _in_order(known):
        above = placed.get(node.parent) if node.parent in known else None
        text = for_terminal(node.text).strip("\n")
        if node.role is None or not text:
            placed[node.key] = above
        elif node.role == "system" and above is None and not given:
            given, placed[node.key] = text, None
        else:
            when = node.created or (messages[above - 1].created if above else began) or now
            placed[node.key] = len(messages) + 1
            messages.append(StoredMessage(len(messages) + 1, 0, above, node.role, text, node.status, when, {}))
    if not messages:
        raise NotThisConversation("it holds no messages")
    named = for_terminal_line(title, 200) if isinstance(title, str) else ""
    times = [message.created for message in messages]
    chat = Conversation(
        id=0,
        title=named or for_terminal_line(messages[0].text, _TITLE),
        system=given,
        model=for_terminal_line(model, 100) if isinstance(model, str) else "",
        adapter=None,
        library=None,
        head=placed.get(current or "") or _newest_leaf(messages),
        created=began or min(times),
        updated=seconds(updated) or max(times),
        titled_by="person" if named else "first words",
    )
    return chat, messages


def _in_order(known: dict[str, Node]) -> list[Node]:
    """Parents before their children, else the oldest first, and as they came. Raises NotThisConversation for a loop."""
    children: dict[str, list[int]] = {}
    nodes, ready = list(known.values()), []
    for place, node in enumerate(nodes):
        if node.parent in known:
            children.setdefault(node.parent or "", []).append(place)
        else:
            ready.append((node.created or 0.0, place))
    heapq.heapify(ready)
    ordered: list[Node] = []
    while ready:
        when, place = heapq.heappop(ready)
        ordered.append(nodes[place])
        for child in children.get(nodes[place].key, ()):
            # No sooner than what it answers: clocks differ, and some nodes have no time.
            heapq.heappush(ready, (max(when, nodes[child].created or 0.0), child))
    if len(ordered) < len(nodes):
        raise NotThisConversation("its messages follow each other in a loop")
    return ordered


def _newest_leaf(messages: Sequence[StoredMessage]) -> int:
    parents = {message.parent for message in messages}
    return max(message.id for message in messages if message.id not in parents)


def _part(part: object) -> str:
    if isinstance(part, str):
        return part
    text = field(part, "text")
    if isinstance(text, str):
        return text
    kind = field(part, "type") or field(part, "content_type")
    named = re.sub(r"_(url|asset_pointer|file)$|^input_", "", kind) if isinstance(kind, str) else "part"
    return f"[{for_terminal_line(named, 40)}]"

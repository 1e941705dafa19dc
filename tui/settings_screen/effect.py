"""From when a changed setting counts, in words."""

from __future__ import annotations

from collections.abc import Sequence

_WHEN = {
    "theme": "at once",
    "prompt_keys": "at once",
    "keys": "at once",
    "plain": "at the next start",
    "titles": "from the next reply on",
    "model.name": "at the next start; /model changes it now",
    "model": "at the next start",
    "remotes": "at the next start",
    "reply.system": "in the next new conversation",
    "reply": "from the next reply on",
    "documents.passages": "from the next reply on",
    "documents.expand_tokens": "from the next reply on",
    "documents": "when a library is opened next, by /docs or at the next start",
    "tools.max_steps": "from the next reply on",
    "tools.allowed": "in the next conversation",
    "tools.folder": "at the next start; /tools FOLDER changes it now",
    "tools.offered": "when tools are turned on next, by /tools on",
}


def effect(path: Sequence[str]) -> str:
    """When a change of the setting at `path` counts."""
    for length in range(len(path), 0, -1):
        if (words := _WHEN.get(".".join(path[:length]))) is not None:
            return words
    return "at the next start"

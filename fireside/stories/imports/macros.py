"""The placeholders that cards and lorebooks write for names, resolved: `{{char}}`, `{{user}}` and their old forms."""

from __future__ import annotations

import re

from fireside.stories.imports.record import Findings

# Bounded: a text of opening braces alone would be searched to its end from each of them.
_MACRO = re.compile(r"\{\{([^{}]{0,200})\}\}|<(USER|BOT|CHAR)>")
_NOTHING = ("original", "noop", "trim")


def resolve(text: str, character: str, user: str, findings: Findings, name: str = "") -> str:
    """`text` with the names in place; a name that is empty leaves its placeholder.

    Comments go. What is no name (random choices, the time) stays as it is, and is a finding of `name`.
    """

    def replaced(found: re.Match[str]) -> str:
        macro = (found[1] if found[1] is not None else found[2]).strip().lower()
        if macro in ("char", "bot", "charifnotgroup"):
            value = character
        elif macro == "user":
            value = user
        elif macro.startswith("//") or macro in _NOTHING:
            return ""
        elif macro == "newline":
            return "\n"
        else:
            value = ""
        if not value:
            shown = re.split(r"[:\s]", macro, maxsplit=1)[0][:30]
            findings.add(f"the placeholder {shown or 'without a name'} cannot be filled in: left as it is", name)
        return value or found[0]

    return _MACRO.sub(replaced, text)

"""A lore entry as the fields of a form, both ways: what is typed, what is wrong with it, and the entry it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fireside.stories.lore import Logic, LoreEntry
from fireside.stories.lore_keys import is_regex, regex_problem
from fireside.text import for_terminal, for_terminal_line

NUMBERS = {
    "scan_depth": "Looked for in the last … paragraphs (0: all)",
    "order": "Order: the higher, the more it matters",
    "budget": "At most … tokens (0: no limit)",
    "group_weight": "Weight in the group",
}
"""Fields of whole numbers, and what each means."""

FLAGS = {
    "constant": "always shown",
    "enabled": "on",
    "case": "capitals count",
    "whole_words": "whole words",
    "triggered_by_lore": "other entries call it up",
    "triggers_lore": "it calls up others",
}
"""Fields that are ticked or not."""

_LONGEST_KEY = 1_000


def keys_in(lines: str) -> tuple[str, ...]:
    """The keys of a text with one a line."""
    return tuple(key for line in lines.splitlines() if (key := for_terminal_line(line, _LONGEST_KEY)))


def key_problems(keys: tuple[str, ...]) -> list[str]:
    """What is wrong with each of `keys`, a line each."""
    found = []
    for key in keys:
        shown = for_terminal_line(key, 40)
        if is_regex(key):
            if problem := regex_problem(key):
                found.append(f"{shown}: {for_terminal_line(problem, 200)}")
        elif key.startswith("/") and key.count("/") == 1 and len(key) > 1:
            found.append(f"{shown}: a regular expression ends with a slash too: /pattern/flags")
    return found


def number_problem(field: str, typed: str) -> str:
    """What is wrong with a number, "" where nothing is."""
    try:
        number = int(typed)
    except ValueError:
        return f"{field.replace('_', ' ')}: a whole number"
    if number < 0 and field != "order":
        return f"{field.replace('_', ' ')}: 0 or more"
    return "" if abs(number) < 1_000_000_000 else f"{field.replace('_', ' ')}: a smaller number"


def problems(texts: Mapping[str, str], flags: Mapping[str, bool]) -> dict[str, list[str]]:
    """What is wrong with the form, by field. texts: by the names of the entry's fields, keys one a line."""
    keys, secondary = keys_in(texts["keys"]), keys_in(texts["secondary"])
    found = {
        "name": [] if texts["name"].strip() else ["an entry needs a name"],
        "text": [] if texts["text"].strip() else ["an entry needs a text"],
        "keys": key_problems(keys),
        "secondary": key_problems(secondary),
        "numbers": [problem for field in NUMBERS if (problem := number_problem(field, texts[field]))],
    }
    if not keys and not flags["constant"]:
        found["keys"].append("nothing calls it up: give it a key, or show it always")
    return found


def entry_of(base: LoreEntry, texts: Mapping[str, str], flags: Mapping[str, bool], logic: Logic) -> LoreEntry:
    """The entry that a form without problems makes; what the form does not have is as in `base`."""
    return replace(
        base,
        name=for_terminal_line(texts["name"]),
        text=for_terminal(texts["text"]).strip(),
        keys=keys_in(texts["keys"]),
        secondary=keys_in(texts["secondary"]),
        logic=logic,
        group=for_terminal_line(texts["group"]),
        comment=for_terminal(texts["comment"]).strip(),
        scan_depth=int(texts["scan_depth"]),
        order=int(texts["order"]),
        budget=int(texts["budget"]),
        group_weight=int(texts["group_weight"]),
        constant=flags["constant"],
        enabled=flags["enabled"],
        case=flags["case"],
        whole_words=flags["whole_words"],
        triggered_by_lore=flags["triggered_by_lore"],
        triggers_lore=flags["triggers_lore"],
    )

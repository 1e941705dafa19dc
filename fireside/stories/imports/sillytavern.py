"""SillyTavern's world info, and the lorebooks of character cards, which are the same under other names.

Fields by SillyTavern's documentation of world info, and the specifications of character cards V2 and V3 (lorebooks,
decorators).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from fireside.stories.imports.macros import resolve
from fireside.stories.imports.record import Record
from fireside.stories.imports.result import Imported
from fireside.stories.lore import SCAN_DEPTH, Logic, LoreEntry
from fireside.stories.lore_keys import is_regex, regex_problem

_LOGIC: dict[int, Logic] = {0: "any", 1: "not_all", 2: "not_any", 3: "all"}

# What says nothing about the story: numbers for the editor, and what only has a meaning beside a field that is read.
_SILENT = ("uid", "id", "addMemo", "displayIndex", "extensions", "groupOverride", "depth", "role")
# A card's field, or the one of a card's extension, as world info calls it.
_CARD_FIELDS = {
    "keys": "key",
    "secondary_keys": "keysecondary",
    "insertion_order": "order",
    "case_sensitive": "caseSensitive",
}
_DECORATOR = re.compile(r"@@@?(\w+)[ \t]*(.*)")


@dataclass(frozen=True)
class Names:
    """Who `{{char}}` and `{{user}}` are; empty: not known."""

    character: str = ""
    user: str = ""


def world_info(book: Record, names: Names) -> Imported:
    """SillyTavern's world info file."""
    entries = tuple(_entry(record, names, SCAN_DEPTH) for record in book.records("entries"))
    title = book.line("name")
    book.ignore(("originalData", "extensions"))
    book.unread()
    return Imported("SillyTavern world info", title, entries=entries, problems=book.findings.lines())


def character_book(book: Record, names: Names) -> tuple[LoreEntry, ...]:
    """The lorebook in a card, or one of the V3 form alone."""
    depth = book.whole("scan_depth", SCAN_DEPTH)
    recursive = book.flag("recursive_scanning", True)
    if book.has("token_budget"):
        book.say(
            f"the lorebook's budget of {book.whole('token_budget')} tokens is left out: the story has one of its own"
        )
    book.ignore(("name", "description", "extensions"))
    entries = tuple(
        _entry(Record(_as_world_info(record.values()), book.findings, record.name), names, depth)
        for record in book.records("entries")
    )
    book.unread("the lorebook's ")
    return entries if recursive else tuple(replace(entry, triggers_lore=False) for entry in entries)


def usable_keys(keys: tuple[str, ...], record: Record) -> tuple[str, ...]:
    """`keys` without the regular expressions that Fireside cannot use, which are findings."""
    kept = []
    for key in keys:
        problem = regex_problem(key) if is_regex(key) else ""
        if problem:
            record.say(f"the key {key[:60]} is left out: {problem}")
        else:
            kept.append(key)
    return tuple(kept)


def _as_world_info(values: dict[str, Any]) -> dict[str, Any]:
    """A card's entry with the field names of world info; what stands in its extensions counts as the entry's own."""
    entry: dict[str, Any] = {}
    extensions = values.get("extensions")
    for field, value in (extensions if isinstance(extensions, dict) else {}).items():
        entry[_CARD_FIELDS.get(field) or re.sub(r"_(\w)", lambda found: found[1].upper(), str(field))] = value
    for field, value in values.items():
        if field == "enabled":
            entry["disable"] = value is False or value in (0, "false")
        elif field == "position" and isinstance(value, str):
            continue  # before or after the character's description: Fireside places lore itself
        elif field != "extensions":
            entry[_CARD_FIELDS.get(field, field)] = value
    return entry


def _entry(record: Record, names: Names, default_depth: int) -> LoreEntry:
    names_given = [each for each in (record.line("name"), record.line("comment")) if each]
    record.name = next(iter(names_given), record.name)
    keys = record.words("key")
    record.name = next(iter([*names_given, *keys]), record.name)
    keys, secondary = (_resolved_keys(each, record, names) for each in (keys, record.words("keysecondary")))
    if record.flag("use_regex"):
        keys, secondary = (tuple(k if is_regex(k) else f"/{k}/" for k in each) for each in (keys, secondary))
    keys, secondary = usable_keys(keys, record), usable_keys(secondary, record)
    if not record.flag("selective", True) and secondary:
        record.say("secondary keys that are switched off are left out")
        secondary = ()
    logic = record.whole("selectiveLogic")
    if logic not in _LOGIC:
        record.say("the logic of the secondary keys is not known: any of them will do")
    delayed = record.value("delayUntilRecursion")
    if delayed:
        record.say("delayUntilRecursion is not supported: the story itself can trigger it too")
    entry = LoreEntry(
        name=record.name,
        text=resolve(record.text("content"), names.character, names.user, record.findings, record.name),
        keys=keys,
        secondary=secondary,
        logic=_LOGIC.get(logic, "any"),
        case=record.flag("caseSensitive"),
        whole_words=record.flag("matchWholeWords", True),
        scan_depth=max(0, record.whole("scanDepth", default_depth)),
        order=record.whole("order", 100),
        enabled=not record.flag("disable"),
        constant=record.flag("constant"),
        group=record.line("group"),
        group_weight=max(0, record.whole("groupWeight", 100)),
        triggered_by_lore=not record.flag("excludeRecursion"),
        triggers_lore=not record.flag("preventRecursion"),
        comment=" ".join(names_given[1:]),
    )
    _say_what_is_different(record, entry)
    return _decorated(entry, record)


def _say_what_is_different(record: Record, entry: LoreEntry) -> None:
    chance = record.whole("probability", 100)
    if record.flag("useProbability", True) and chance < 100:
        record.say("a probability is not supported: it is shown whenever it is triggered")
    if record.whole("position") > 1:
        record.say("its place in the prompt is left out: Fireside places lore itself")
    record.value("outletName")
    if entry.group:
        if "," in entry.group:
            record.say("several groups are taken as one")
        if not record.flag("groupOverride"):
            record.say("one of a group is chosen by order, not by chance")
    filters = record.record("characterFilter")
    if any(filters.texts(field) for field in ("names", "tags")):
        record.say("its filter for characters is not supported: it holds for all")
    record.ignore(_SILENT)
    record.unread()


def _resolved_keys(keys: tuple[str, ...], record: Record, names: Names) -> tuple[str, ...]:
    return tuple(resolve(key, names.character, names.user, record.findings, record.name) for key in keys)


def _decorated(entry: LoreEntry, record: Record) -> LoreEntry:
    """The entry as the decorators at the beginning of its text say (`@@constant`), and without them."""
    lines = entry.text.split("\n")
    while lines and (found := _DECORATOR.fullmatch(lines[0].strip())):
        entry = _with(entry, found[1], found[2].strip(), record)
        lines.pop(0)
    return replace(entry, text="\n".join(lines).strip()) if entry.text.startswith("@@") else entry


def _with(entry: LoreEntry, decorator: str, value: str, record: Record) -> LoreEntry:
    words = usable_keys(tuple(word.strip() for word in value.split(",") if word.strip()), record)
    if decorator in ("constant", "activate"):
        return replace(entry, constant=True)
    if decorator == "dont_activate":
        return replace(entry, enabled=False)
    if decorator == "scan_depth" and value.isdecimal() and len(value) < 7:
        return replace(entry, scan_depth=int(value))
    if decorator in ("additional_keys", "exclude_keys") and words and not entry.secondary:
        return replace(entry, secondary=words, logic="any" if decorator == "additional_keys" else "not_any")
    record.say(f"the decorator @@{decorator[:30]} is not supported: left out")
    return entry


def lone_book(book: Record, names: Names) -> Imported:
    """A lorebook file of the cards' form."""
    title = book.line("name")
    return Imported("lorebook", title, entries=character_book(book, names), problems=book.findings.lines())

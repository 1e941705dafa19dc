"""NovelAI's lorebooks (versions 1 to 6), and its scenarios with a lorebook in them.

Fields as NovelAI's exports have them; what they mean by its documentation of the lorebook.
"""

from __future__ import annotations

import re

from fireside.stories.imports.macros import resolve
from fireside.stories.imports.record import Record
from fireside.stories.imports.result import Imported
from fireside.stories.imports.sillytavern import Names, usable_keys
from fireside.stories.lore import SCAN_DEPTH, LoreEntry

CHARACTERS_A_PARAGRAPH = 250
"""NovelAI's search range is in characters, Fireside's in paragraphs: of about so many characters in fiction."""

_KNOWN_VERSIONS = range(1, 7)
_CONJUNCTION = re.compile(r"\s+&\s+")
# Where in the prompt, and how it is cut: Fireside does both itself.
_PLACEMENT = ("insertionPosition", "insertionType", "allowInsertionInside", "allowInnerInsertion", "maximumTrimType")
_SILENT = ("id", "lastUpdatedAt", "lastUpdated", "category", "hidden", "contextConfig")


def lorebook(book: Record, names: Names) -> Imported:
    """A `.lorebook` file, or what a PNG holds under `naidata`."""
    entries = _entries(book, names)
    return Imported("NovelAI lorebook", book.line("name"), entries=entries, problems=book.findings.lines())


def scenario(story: Record, names: Names) -> Imported:
    """A `.scenario` file: memory, author's note, prompt and lorebook."""
    context = [part.text("text") for part in story.records("context")]
    entries = _entries(story.record("lorebook"), names)
    title, about, opening = story.line("title"), story.text("description"), story.text("prompt")
    story.ignore(("scenarioVersion", "author", "tags", "placeholders", "storyContextConfig"))
    story.unread()
    memory, note, opening, about = (
        resolve(each, names.character, names.user, story.findings)
        for each in ([*context, "", ""][0], [*context, "", ""][1], opening, about)
    )
    return Imported(
        "NovelAI scenario", title, memory, note, opening, entries=entries, about=about, problems=story.findings.lines()
    )


def _entries(book: Record, names: Names) -> tuple[LoreEntry, ...]:
    version = book.whole("lorebookVersion", 1)
    if version not in _KNOWN_VERSIONS:
        book.say(f"lorebooks of version {version} are not known to Fireside: read as far as they are like version 6")
    off = set()
    for category in book.records("categories"):
        if not category.flag("enabled", True):
            off.add(category.text("id") or category.text("name"))
        if category.flag("createSubcontext"):
            category.say("a category's own context is not supported: its entries stand alone")
    settings = book.record("settings")
    if settings.flag("orderByKeyLocations"):
        book.say("ordering by where keys stand is not supported: by order alone")
    return tuple(entry for record in book.records("entries") for entry in _entry(record, names, off))


def _entry(record: Record, names: Names, off: set[str]) -> list[LoreEntry]:
    """One entry, or several of one group where a key asks for several words at once."""
    name = record.line("displayName")
    record.name = name or record.name
    keys = record.words("keys")
    record.name = name or (keys[0] if keys else record.name)
    keys = usable_keys(keys, record)
    placing = record.record("contextConfig")
    enabled = record.flag("enabled", True)
    if enabled and record.text("category") in off:
        record.say("its category is switched off: so is it")
        enabled = False
    budget = placing.whole("tokenBudget")
    text = placing.prose("prefix") + record.text("text") + placing.prose("suffix")
    entry = LoreEntry(
        name=record.name,
        text=resolve(text.strip(), names.character, names.user, record.findings, record.name),
        keys=tuple(key for key in keys if not _CONJUNCTION.search(key) or key.startswith("/")),
        scan_depth=_depth(record),
        order=placing.whole("budgetPriority", 400),
        enabled=enabled,
        constant=record.flag("forceActivation"),
        # 1 and less are shares of the context: as good as no limit of its own.
        budget=budget if budget > 1 else 0,
        triggered_by_lore=record.flag("nonStoryActivatable"),
    )
    placing.value("reservedTokens")
    if placing.text("trimDirection") == "trimTop":
        placing.say("cutting a long text from its beginning is not supported: it is cut from its end")
    placing.ignore(_PLACEMENT)
    placing.unread()
    _say_what_is_different(record)
    return _by_conjunction(entry, [key for key in keys if key not in entry.keys])


def _by_conjunction(entry: LoreEntry, conjunctions: list[str]) -> list[LoreEntry]:
    """`a & b` as a key needs both: one key, and the others as secondary ones."""
    asked = [tuple(part for part in _CONJUNCTION.split(key) if part) for key in conjunctions]
    parts = [
        LoreEntry(**{**vars(entry), "keys": words[:1], "secondary": words[1:], "logic": "all"})
        for words in asked
        if words
    ]
    every = ([entry] if entry.keys or not parts else []) + parts
    if len(every) == 1:
        return every
    return [
        LoreEntry(**{**vars(each), "name": f"{each.name} ({number})", "group": entry.name})
        for number, each in enumerate(every, 1)
    ]


def _depth(record: Record) -> int:
    characters = record.whole("searchRange", SCAN_DEPTH * CHARACTERS_A_PARAGRAPH)
    if characters > 0:
        record.findings.add(f"search ranges in characters became paragraphs of about {CHARACTERS_A_PARAGRAPH}")
    return max(1, -(-characters // CHARACTERS_A_PARAGRAPH))


def _say_what_is_different(record: Record) -> None:
    if record.flag("keyRelative"):
        record.say("its place beside the key is left out: Fireside places lore itself")
    if any(group.value("phrases") for group in record.records("loreBiasGroups")):
        record.say("its phrase bias is not supported: left out")
    if record.value("advancedConditions"):
        record.say("its advanced conditions are not supported: its keys alone trigger it")
    record.ignore(_SILENT)
    record.unread()

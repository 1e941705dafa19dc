"""Kobold's saves with their world info: KoboldAI, KoboldAI United, and KoboldCpp's Lite.

Fields as those programs' save files have them.
"""

from __future__ import annotations

from typing import Any

from fireside.stories.imports.macros import resolve
from fireside.stories.imports.record import Record, records
from fireside.stories.imports.result import Imported
from fireside.stories.imports.sillytavern import Names, usable_keys
from fireside.stories.lore import LoreEntry

# Settings of the program, its look, and the model's: no part of the story.
_SILENT = (
    "gamestarted", "savedsettings", "savedaestheticsettings", "actions_metadata", "file_version", "worldinfofolders",
    "wifolders_d", "wifolders_l", "tempfile", "type", "version", "story_id", "useprompt", "chatmode", "adventure",
    "extrastopseq", "anotestr", "anotedepth", "anotetemplate", "authornotetemplate", "andepth", "completed_imgs_meta",
)  # fmt: skip
_ENTRY_SILENT = ("folder", "uid", "init", "type", "before", "after", "object_type", "wpp", "use_wpp", "used_in_game")


def save(story: Record, names: Names) -> Imported:
    """A story that was saved, and its world info."""
    written = "".join([story.prose("prompt"), *_actions(story)]).strip()
    memory = story.text("memory")
    note = story.text("authorsnote") or story.text("authornote")
    worlds = [name for name in ("worldinfo", "worldinfo_v2") if story.has(name)]
    entries: list[LoreEntry] = []
    for world in worlds:
        inner = story.record(world) if isinstance(story.value(world), dict) else story
        entries += _entries(inner, "entries" if inner is not story else world, names)
    story.ignore(_SILENT)
    story.unread()
    title = story.line("story_name") or story.line("title")
    memory, note, written = (
        resolve(each, names.character, names.user, story.findings) for each in (memory, note, written)
    )
    return Imported(
        "Kobold save", title, memory, note, written, entries=tuple(entries), problems=story.findings.lines()
    )


def world_info(values: list[Any], names: Names, findings_of: Record) -> Imported:
    """World info alone, as a list of entries."""
    entries = tuple(_entry(record, names) for record in records(values, findings_of.findings))
    return Imported("Kobold world info", entries=entries, problems=findings_of.findings.lines())


def united_world_info(book: Record, names: Names) -> Imported:
    """World info alone, as KoboldAI United exports it: folders and entries."""
    entries = tuple(_entries(book, "entries", names))
    book.ignore(("folders", "entries"))
    return Imported("Kobold world info", entries=entries, problems=book.findings.lines())


def _entries(book: Record, field: str, names: Names) -> list[LoreEntry]:
    return [_entry(record, names) for record in book.records(field)]


def _actions(story: Record) -> list[str]:
    """What was written after the prompt: a list of texts, or United's numbered objects."""
    if isinstance(story.value("actions"), dict):
        actions = story.record("actions")
        return [action.prose("Selected Text") for action in actions.records("actions")]
    return list(story.texts("actions"))


def _entry(record: Record, names: Names) -> LoreEntry:
    title = record.line("comment") or record.line("title")
    record.name = title or record.name
    keys = record.words("key")
    record.name = title or (keys[0] if keys else record.name)
    secondary = usable_keys(record.words("keysecondary"), record)
    unwanted = usable_keys(record.words("keyanti"), record)
    if not record.flag("selective", bool(secondary)):
        if secondary:
            record.say("secondary keys that are switched off are left out")
        secondary = ()
    if secondary and unwanted:
        record.say("keys that keep it away are left out: it has secondary keys that call it up")
    if record.whole("probability", 100) < 100:
        record.say("a probability is not supported: it is shown whenever it is triggered")
    text = record.text("content") or record.text("manual_text")
    if record.flag("use_wpp"):
        record.say("its W++ attributes are left out: its text is taken")
    entry = LoreEntry(
        name=record.name,
        text=resolve(text, names.character, names.user, record.findings, record.name),
        keys=usable_keys(keys, record),
        secondary=secondary or unwanted,
        logic="any" if secondary or not unwanted else "not_any",
        whole_words=False,
        enabled=not record.flag("widisabled"),
        constant=record.flag("constant"),
        budget=max(0, record.whole("token_budget")),
        comment=record.line("wigroup"),
    )
    record.ignore(_ENTRY_SILENT)
    record.unread()
    return entry

"""Character cards V1, V2 and V3: who somebody is, how the story begins, and a lorebook.

By the specifications of character cards V2 and V3; V1 is V2's fields without their wrapper.
"""

from __future__ import annotations

from dataclasses import replace

from fireside.stories.imports.macros import resolve
from fireside.stories.imports.record import Record
from fireside.stories.imports.result import Imported
from fireside.stories.imports.sillytavern import Names, character_book
from fireside.text import for_terminal_line

V1_FIELDS = ("description", "personality", "scenario", "first_mes", "mes_example")
"""Beside the name, what a V1 card has."""

# Who made it and when, and pictures: no part of a story.
_SILENT = (
    "creator", "character_version", "tags", "creation_date", "modification_date", "spec", "spec_version", "avatar",
    "chat", "create_date", "metadata", "talkativeness", "fav", "assets", "source", "alternate_avatars", "char_name",
    "creatorcomment", "data",
)  # fmt: skip
_EXTENSIONS_SILENT = ("fav", "talkativeness", "world", "chub", "depth_prompt")


def card(document: Record, names: Names) -> Imported:
    """A card of any version. `{{char}}` is its nickname, or else its name, where `names` says nothing else."""
    spec = document.text("spec")
    version = {"chara_card_v3": "V3", "chara_card_v2": "V2"}.get(spec, "V2" if document.has("data") else "V1")
    data = document.record("data") if document.has("data") else document
    if spec.startswith("chara_card") and spec not in ("chara_card_v2", "chara_card_v3"):
        document.say(f"cards of the form {spec[:40]} are not known to Fireside: read as far as they are like V3")
    name = data.line("name") or data.line("char_name")
    names = replace(names, character=names.character or data.line("nickname") or name)

    def resolved(text: str) -> str:
        return resolve(text, names.character, names.user, data.findings).strip()

    extensions = data.record("extensions")
    depth_prompt = extensions.record("depth_prompt")
    note = [data.text("post_history_instructions"), depth_prompt.text("prompt")]
    alternatives = data.texts("alternate_greetings")
    group_greetings = data.texts("group_only_greetings")
    if group_greetings:
        data.say("greetings for groups are left out")
    entries = character_book(data.record("character_book"), names) if data.has("character_book") else ()
    # These are read before `unread` asks what was not.
    memory, opening, about = _memory(data, names.character), data.text("first_mes"), _about(data)
    extensions.ignore(_EXTENSIONS_SILENT)
    extensions.unread("the extension ")
    data.ignore(_SILENT)
    data.unread()
    return Imported(
        kind=f"character card {version}",
        title=name,
        memory=resolved(memory),
        note=resolved("\n\n".join(part for part in note if part)),
        opening=resolved(opening),
        alternatives=tuple(text for text in map(resolved, alternatives) if text),
        entries=entries,
        about=resolved(about),
        problems=data.findings.lines(),
    )


def _memory(data: Record, character: str) -> str:
    """What always holds: who it is, what for, where, and how they speak."""
    description, personality = data.text("description"), data.text("personality")
    scenario, examples = data.text("scenario"), data.text("mes_example").replace("<START>", "\n").strip()
    parts = [
        f"{character}: {description}" if character and description else description,
        f"Personality: {personality}" if personality else "",
        f"Scenario: {scenario}" if scenario else "",
        f"How {character or 'they'} would speak:\n{examples}" if examples else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _about(data: Record) -> str:
    system_prompt = data.text("system_prompt")
    if system_prompt:
        data.say("the system prompt is not used: Fireside's is for stories (it is kept beside the creator's notes)")
    notes = [data.text("creator_notes") or data.text("creatorcomment"), *_translated(data)]
    return "\n\n".join(part for part in [*notes, f"System prompt:\n{system_prompt}" if system_prompt else ""] if part)


def _translated(data: Record) -> list[str]:
    """The creator's notes in other languages (V3)."""
    notes = data.record("creator_notes_multilingual")
    return [f"{for_terminal_line(language, 20)}: {notes.text(language)}" for language in list(notes.values())[:50]]

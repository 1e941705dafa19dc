"""What the lorebook shows of its entries: which would be shown to the model now, why, and what they cost to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from fireside.errors import FiresideError
from fireside.models.types import ChatModel
from fireside.stories import lore
from fireside.stories.asking import budget_for, called_up
from fireside.stories.lore import Lore, LoreEntry, Trigger
from fireside.stories.manuscript import text
from fireside.stories.prose import paragraph_starts
from fireside.stories.store import Story
from fireside.stories.upcoming import upcoming
from fireside.stories.write import MAX_TOKENS
from fireside.text import for_terminal, for_terminal_line

LOGICS: dict[lore.Logic, str] = {
    "any": "and any of",
    "all": "and all of",
    "not_any": "and none of",
    "not_all": "and not all of",
}
"""What must hold of the secondary keys, in words."""

_MOST_TEXT = 6_000  # characters of an entry laid out beside the list
_AROUND = 60  # characters of the story shown before and behind a key


@dataclass(frozen=True)
class Firing:
    """What the next prompt would have of the lore. tokens: of each entry's text. room: tokens that lore may have.

    prompt, to_read: tokens of the whole next prompt, and of those behind its first change, that the model would have to
    read; None where that is not known. problem: why there is no next prompt.
    """

    lore: Lore
    tokens: Sequence[int]
    room: int
    prompt: int = 0
    to_read: int | None = None
    problem: str = ""


async def firing(story: Story, model: ChatModel) -> Firing:
    """What would fire now. Raises ModelError; nothing is written."""
    entries = story.info.lore
    tokens = [await model.count_tokens(each.text) for each in entries]
    try:
        budget = budget_for(await model.start(), MAX_TOKENS)
        found = await called_up(story.info, model, text(story.manuscript), budget)
        coming = await upcoming(story, model)
    except FiresideError as error:
        return Firing(Lore(), tokens, 0, problem=error.message)
    to_read = None if coming.cached is None else coming.tokens - coming.cached
    return Firing(found, tokens, budget // 4, coming.tokens, to_read)


def triggers(found: Lore) -> dict[int, Trigger]:
    """Every entry that was called up, by its index, also those left out."""
    shown = [each.trigger for each in (*found.constant, *found.triggered)]
    return {each.index: each for each in (*shown, *(left.trigger for left in found.left_out))}


def row(entry: LoreEntry, index: int, fires: Firing | None, colours: Mapping[str, str], width: int) -> Text:
    """The line of an entry, of at most `width` columns: whether it is shown, its name, what calls it up, its tokens."""
    mark, style = "·", colours["muted"]
    if not entry.enabled:
        mark = "–"
    elif fires is not None and index in triggers(fires.lore):
        left_out = any(each.trigger.index == index for each in fires.lore.left_out)
        mark, style = ("◌", colours["caution"]) if left_out else ("●", colours["source"])
    called = "always" if entry.constant else ", ".join(entry.keys) or "no key"
    line = Text.assemble(
        (f"{mark} ", style),
        (for_terminal_line(entry.name, 60) or "without a name", colours["foreground" if entry.enabled else "muted"]),
        (f"  {for_terminal_line(called, 60)}", colours["muted"]),
    )
    tokens = f"  {fires.tokens[index]:,} t" if fires is not None and index < len(fires.tokens) else ""
    line.truncate(max(8, width - len(tokens)), overflow="ellipsis")
    return line.append(tokens, colours["muted"])


def whole(story: Story, index: int, fires: Firing | None, colours: Mapping[str, str]) -> Text:
    """An entry with its keys and limits, why it is shown now or not, and where its key stands."""
    entry = story.info.lore[index]
    shown = Text()
    shown.append(for_terminal_line(entry.name, 200) or "without a name", "bold")
    shown.append("\n")
    shown.append_text(why(story, index, fires, colours))
    keys = "always shown" if entry.constant else "keys: " + (", ".join(entry.keys) or "none")
    shown.append(f"\n\n{for_terminal_line(keys, 2_000)}", colours["user"])
    if entry.secondary:
        shown.append(
            f"\n{LOGICS[entry.logic]}: {for_terminal_line(', '.join(entry.secondary), 2_000)}", colours["user"]
        )
    depth = f"the last {entry.scan_depth} paragraphs" if entry.scan_depth else "the whole story"
    limits = [f"looked for in {depth}"] * (not entry.constant) + [f"order {entry.order}"]
    limits += [f"at most {entry.budget} tokens"] * bool(entry.budget)
    limits += [f"group {for_terminal_line(entry.group, 60)}"] * bool(entry.group)
    shown.append(f"\n{' · '.join(limits)}\n\n", colours["muted"])
    shown.append(_cut(entry.text), colours["foreground"])
    if entry.comment:
        shown.append(f"\n\n{_cut(entry.comment)}", colours["muted"])
    return shown


def why(story: Story, index: int, fires: Firing | None, colours: Mapping[str, str]) -> Text:
    """Why an entry is shown to the model now, or why not."""
    entry = story.info.lore[index]
    if not entry.enabled:
        return Text("off: Space turns it on", colours["muted"])
    if fires is None:
        return Text("looking…", colours["muted"])
    if fires.problem:
        return Text(for_terminal_line(fires.problem, 300), colours["caution"])
    trigger = triggers(fires.lore).get(index)
    if trigger is None:
        return Text(_why_not(entry), colours["muted"])
    reason = next((each.reason for each in fires.lore.left_out if each.trigger.index == index), "")
    told = Text()
    if reason:
        told.append(f"called up, but left out: {for_terminal_line(reason, 300)}\n", colours["caution"])
    if entry.constant:
        return told.append("" if reason else "shown now, as always", colours["source"])
    told.append("" if reason else "shown now: ", colours["source"])
    if trigger.by is not None:
        by = for_terminal_line(story.info.lore[trigger.by].name, 60)
        return told.append(f"“{for_terminal_line(trigger.key, 60)}” stands in the entry {by}", colours["source"])
    read = text(story.manuscript)
    behind = len(paragraph_starts(read[trigger.end :])) or 1
    where = "in the last paragraph" if behind == 1 else f"{behind} paragraphs before the end"
    told.append(f"“{for_terminal_line(trigger.key, 60)}” stands {where}\n", colours["source"])
    before = read[max(0, trigger.start - _AROUND) : trigger.start]
    told.append("…" + for_terminal_line(before, 200) + " ", colours["muted"])
    told.append(for_terminal_line(read[trigger.start : trigger.end], 200), f"bold {colours['foreground']}")
    told.append(" " + for_terminal_line(read[trigger.end : trigger.end + _AROUND], 200) + "…", colours["muted"])
    return told


def _cut(text: str) -> str:
    """As much of a text as is laid out."""
    return for_terminal(text[:_MOST_TEXT]) + (f"… {len(text) - _MOST_TEXT:,} more" if len(text) > _MOST_TEXT else "")


def _why_not(entry: LoreEntry) -> str:
    if not entry.keys:
        return "never shown: it has no key, and is not constant"
    where = f"the last {entry.scan_depth} paragraphs" if entry.scan_depth else "the story"
    beside = ", or its secondary keys do not agree" if entry.secondary else ""
    return f"not shown now: none of its keys stands in {where}{beside}"


def cost(fires: Firing, entries: int) -> str:
    """What the lore of the next prompt is and costs, in a line."""
    if fires.problem:
        return fires.problem
    shown = len(fires.lore.constant) + len(fires.lore.triggered)
    left = f", {len(fires.lore.left_out)} left out" if fires.lore.left_out else ""
    said = f"{shown} of {entries} shown now{left}: {fires.lore.tokens:,} of {fires.room:,} tokens"
    if fires.to_read is None:
        return f"{said} · next prompt {fires.prompt:,}"
    return f"{said} · next prompt {fires.prompt:,}, to read {fires.to_read:,}"

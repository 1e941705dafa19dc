"""What the screen of evaluations shows: Rich texts made of the kept results, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from fireside.evaluations import Evaluation
from fireside.text import for_terminal_line

_SAME = 0.0005
_MOST_FAILED = 200
# What grows where things get worse: times, and refusals of what could be answered.
_LOWER_IS_BETTER = ("_ms", "_s", "refused_answerable")
_COUNTS = ("questions", "items")


def score_table(evaluation: Evaluation, colours: Mapping[str, str]) -> Text:
    """One block a suite, one line a figure."""
    text = Text()
    for suite, figures in evaluation.scores.items():
        text.append(f"{for_terminal_line(suite, 60)}\n", f"bold {colours['user']}")
        width = max(map(len, figures), default=0)
        for name, value in figures.items():
            text.append(f"  {for_terminal_line(name, 40):<{width}}  ", colours["muted"])
            text.append(f"{written(name, value):>8}\n", colours["foreground"])
        text.append("\n")
    return text


def comparison(one: Evaluation, other: Evaluation, colours: Mapping[str, str]) -> Text:
    """Two runs side by side with the differences: `▲` is better, `▼` is worse, whichever way a figure counts."""
    text = Text()
    text.append(f"A  {for_terminal_line(one.name, 60)}\nB  {for_terminal_line(other.name, 60)}\n\n", colours["muted"])
    for suite in dict.fromkeys([*one.scores, *other.scores]):
        left, right = one.scores.get(suite, {}), other.scores.get(suite, {})
        names = list(dict.fromkeys([*left, *right]))
        width = max(map(len, names), default=0)
        text.append(f"{for_terminal_line(suite, 60)}\n", f"bold {colours['user']}")
        text.append(f"  {'':<{width}}  {'A':>8}  {'B':>8}  B - A\n", colours["muted"])
        for name in names:
            text.append(f"  {for_terminal_line(name, 40):<{width}}  ", colours["muted"])
            cells = [written(name, each[name]) if name in each else "–" for each in (left, right)]
            text.append(f"{cells[0]:>8}  {cells[1]:>8}  ", colours["foreground"])
            if name in left and name in right:
                text.append_text(_difference(name, right[name] - left[name], colours))
            text.append("\n")
        text.append("\n")
    changed = _changed_items(one, other)
    if changed:
        text.append("items that went another way\n", f"bold {colours['user']}")
        for name, better in changed[:_MOST_FAILED]:
            mark, colour = ("▲", "success") if better else ("▼", "error")
            text.append(f"  {mark} {name}\n", colours[colour])
    return text


def failed_table(evaluation: Evaluation, colours: Mapping[str, str]) -> Text:
    """The items that failed, each with why."""
    failed = [(item, why) for item in evaluation.items if (why := failure(evaluation.suite, item))]
    text = Text()
    text.append(f"{len(failed):,} of {len(evaluation.items):,} items failed\n\n", f"bold {colours['user']}")
    for item, why in failed[:_MOST_FAILED]:
        text.append(f"{for_terminal_line(_item_name(item), 60)}  ", colours["tool"])
        text.append(f"{for_terminal_line(_question(item), 200)}\n", colours["foreground"])
        text.append(f"  ✗ {for_terminal_line(why, 300)}\n", colours["error"])
    if len(failed) > _MOST_FAILED:
        text.append(f"… and {len(failed) - _MOST_FAILED:,} more", colours["muted"])
    return text


def failure(suite: str, item: Mapping[str, Any]) -> str:
    """Why an item failed, "" where it did not."""
    if suite == "tools":
        return str(item.get("problem") or "")
    if not item.get("answerable", True):
        return "" if item.get("refused") else "nothing answers it, and it was not refused"
    if item.get("refused"):
        return "it was refused, though the documents answer it"
    scores = item.get("scores")
    if isinstance(scores, Mapping) and any(scores.get(name) == 0 for name in ("recall", "mrr")):
        return "nothing of what answers it was found"
    answer = item.get("answer")
    citations = answer.get("citations") if isinstance(answer, Mapping) else None
    if isinstance(citations, list) and any(not each.get("correct", True) for each in citations):
        return "a citation is not what the document has there"
    return ""


def written(name: str, value: float) -> str:
    """A figure as the command prints it."""
    return f"{value:,.0f}" if name in _COUNTS or name.endswith("_ms") else f"{value:.3f}"


def _difference(name: str, change: float, colours: Mapping[str, str]) -> Text:
    if abs(change) < _SAME:
        return Text("=", colours["muted"])
    said = f"+{written(name, change)}" if change > 0 else f"-{written(name, -change)}"
    if name in _COUNTS:
        return Text(said, colours["muted"])
    better = (change < 0) == name.endswith(_LOWER_IS_BETTER)
    return Text(f"{'▲' if better else '▼'} {said}", colours["success" if better else "error"])


def _changed_items(one: Evaluation, other: Evaluation) -> Sequence[tuple[str, bool]]:
    """Items of both runs of which one failed: the name, and whether the second did better."""
    if one.suite != other.suite:
        return []
    before = {_item_name(item): bool(failure(one.suite, item)) for item in one.items}
    found = []
    for item in other.items:
        name, failed = _item_name(item), bool(failure(other.suite, item))
        if name in before and before[name] != failed:
            found.append((for_terminal_line(f"{name}  {_question(item)}", 120), not failed))
    return found


def _item_name(item: Mapping[str, Any]) -> str:
    return " ".join(str(item[key]) for key in ("corpus", "id") if item.get(key)) or "?"


def _question(item: Mapping[str, Any]) -> str:
    asked = item.get("question", "")
    if isinstance(asked, list):
        return " ".join(str(each.get("content", "")) for each in asked if isinstance(each, Mapping))
    return str(asked)

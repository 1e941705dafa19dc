"""What the screen of adapters lists: every adapter's folder, how its check went, and what its card says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Group, RenderableType
from rich.text import Text

from fireside.errors import AdapterError, FiresideError
from fireside.models.adapters import Card, check_file, list_adapters, list_damaged
from fireside.models.types import ModelInfo
from fireside.text import for_terminal, for_terminal_line
from tui.listed.job_line import duration
from tui.listed.screen import facts, heading
from tui.tuning_text import verify_lines

State = Literal["verified", "imported", "refused", "damaged"]

MARKS: dict[State, str] = {"verified": "✓", "imported": "?", "refused": "✗", "damaged": "!"}
COLOURS: dict[State, str] = {"verified": "success", "imported": "caution", "refused": "error", "damaged": "error"}
_TOLD: dict[State, str] = {
    "verified": "✓ verified: its export was compared with what was trained",
    "imported": "? imported: nothing here to compare it with",
    "refused": "✗ refused by its check, so it is not used",
    "damaged": "! damaged, so it is not used",
}


@dataclass(frozen=True)
class Entry:
    """One adapter's folder. card: None where it cannot be read; problem: what is wrong with the folder, if anything."""

    name: str
    card: Card | None
    problem: FiresideError | None = None

    @property
    def state(self) -> State:
        """How far it can be trusted."""
        if self.card is None or self.problem is not None:
            return "damaged"
        return {True: "verified", False: "refused", None: "imported"}[self.card.verified]  # type: ignore[return-value]  # the values are States

    def suits(self, info: ModelInfo | None) -> bool:
        """Whether it was made for the model that is loaded; true where that cannot be told."""
        if info is None or self.card is None or not info.sha256 or not self.card.base_sha256:
            return True
        return info.sha256 == self.card.base_sha256


def entries() -> list[Entry]:
    """All of them, by name. Reads every adapter's header."""
    found = []
    for card in list_adapters():
        try:
            check_file(card.name)
            found.append(Entry(card.name, card))
        except AdapterError as error:
            found.append(Entry(card.name, card, error))
    found += [Entry(name, None, error) for name, error in list_damaged()]
    return sorted(found, key=lambda entry: entry.name)


def told(entry: Entry, suits: bool, colours: dict[str, str]) -> RenderableType:
    """The card in words: state, base, data, figures, when it was made; or what is wrong with the folder."""
    text = Text()
    text.append(f"{_TOLD[entry.state]}\n", colours[COLOURS[entry.state]])
    if entry.problem is not None:
        text.append(f"{for_terminal_line(entry.problem.message, 300)}\n", colours["foreground"])
        text.append(f"{for_terminal_line(entry.problem.hint or '', 300)}\n", colours["muted"])
    if entry.card is None:
        return Group(heading(entry.name, colours), text)
    if not suits:
        text.append("made for another model than the one that is loaded\n", colours["caution"])
    scores = entry.card.details.get("verify")
    check = _check(scores, colours) if isinstance(scores, Mapping) else Text()
    return Group(heading(entry.name, colours), text, facts(_rows(entry.card), colours), Text(), check)


def _rows(card: Card) -> list[tuple[str, str]]:
    """Names and values; what the card lacks is left out."""
    details = card.details
    metrics, made, config = (_table(details.get(name)) for name in ("metrics", "made", "config"))
    rows = [
        ("base", card.base_name or "unnamed"),
        ("architecture", card.architecture),
        ("base sha256", card.base_sha256[:16]),
        ("data sha256", str(details.get("data_sha256") or "")[:16]),
        ("made", _at(str(made.get("at") or ""))),
        ("source", str(details.get("source") or "")),
        ("method", str(config.get("method") or "")),
        ("seed", str(details.get("seed") if details.get("seed") is not None else "")),
        ("examples", _number(metrics.get("examples"))),
        ("steps", _number(metrics.get("steps"))),
        ("took", duration(metrics["seconds"]) if isinstance(metrics.get("seconds"), int | float) else ""),
    ]
    before, after = metrics.get("eval_loss_before"), metrics.get("eval_loss_after")
    if before is not None and after is not None:
        rows.append(("held-back loss", f"{_number(before)} → {_number(after)}"))
    return rows


def _check(scores: Mapping[str, Any], colours: dict[str, str]) -> Text:
    try:
        lines = verify_lines(dict(scores))
    except (LookupError, TypeError, ValueError):  # a card that another program wrote
        lines = []
    if scores.get("reason"):
        lines.append(f"refused because {scores['reason']}")
    return Text("\n".join(for_terminal(line) for line in lines), colours["muted"])


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _at(written: str) -> str:
    """`2026-11-25 01:30` of an ISO time."""
    return written[:16].replace("T", " ")

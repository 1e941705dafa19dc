"""What is shown of training data: lines of figures, and examples as text with what is learnt of them marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from fireside.text import for_terminal, for_terminal_line

if TYPE_CHECKING:
    from finetune.data.preview import Preview, Shown

_WIDEST_BAR = 40
# What stands before a bar: two counts of tokens and one of examples.
_BESIDE_BAR = 28


def figures(seen: Preview, width: int = _WIDEST_BAR + _BESIDE_BAR) -> list[str]:
    """What there is to know of all rows, a line each. width: of the lines with bars, in columns."""
    share = seen.trained / seen.tokens if seen.tokens else 0.0
    most = max((count for _, _, count in seen.lengths), default=1)
    bar = max(min(_WIDEST_BAR, width - _BESIDE_BAR), 4)
    bad = f", {seen.judged_bad} judged bad and not learnt" if seen.judged_bad else ""
    return [
        f"{seen.rows} rows, {seen.examples} examples, {seen.tokens} tokens, {seen.trained} trained ({share:.0%}){bad}",
        f"{len(seen.left_out)} rows left out, {seen.cut} examples cut, {seen.endless} never train an end of turn",
        f"padding: {seen.padding.why}",
        "tokens an example, before cutting:",
        *(
            f"  {low:>6} to {high - 1:>6}  {count:>6}  {'#' * round(bar * count / most)}"
            for low, high, count in seen.lengths
        ),
        "the longest: " + ", ".join(f"{where} ({tokens})" for where, tokens in seen.longest),
        *(["the strangest:"] if seen.odd else []),
        *(f"  {where}: {reasons}" for where, reasons in seen.odd),
    ]


def example_text(shown: Sequence[Shown], colours: Mapping[str, str]) -> Text:
    """The examples of one row. colours: of the theme, by meaning. What is learnt is also underlined, for eyes that do
    not tell the colours apart; an end of turn is reversed."""
    text = Text()
    for number, example in enumerate(shown, start=1):
        if len(shown) > 1:
            text.append(f"── example {number} of {len(shown)}: {counts(example)}\n", colours["muted"])
        for piece in example.pieces:
            style = f"{colours['success']} underline" if piece.trained else colours["muted"]
            style += " reverse" if piece.mark == "end" and piece.trained else " bold" if piece.mark else ""
            text.append(for_terminal(piece.text), style)
        text.append("\n" if text.plain.endswith("\n") else "\n\n")
        text.append("▒▒▒ padding, up to the longest of its batch: never learnt\n", f"italic {colours['muted']}")
    return text


def counts(example: Shown) -> str:
    """An example's figures in a few words."""
    cut = f", {example.cut} cut off" if example.cut else ""
    return f"{example.tokens} tokens, {example.trained} trained{cut}"


def legend(colours: Mapping[str, str]) -> Text:
    """What the colours mean, on one line of less than 60 columns."""
    text = Text()
    text.append("learnt", f"{colours['success']} underline")
    text.append("  context", colours["muted"])
    text.append("  ")
    text.append("end of turn, learnt", f"{colours['success']} reverse")
    text.append("  special", f"{colours['muted']} bold")
    return text


def told_row(number: int, rows: Sequence[str], shown: Sequence[Shown], why: str | None) -> str:
    """The line above an example: which row it is, its figures, and what is strange about it."""
    what = counts(shown[0]) if len(shown) == 1 else f"{len(shown)} examples" if shown else "not learnt from"
    odd = f" · {why}" if why else ""
    return for_terminal_line(f"{number + 1} of {len(rows)} · {rows[number]} · {what}{odd}", 300)

"""A reply that is being written looks at every moment as the finished message of the same text would."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console, Group
from rich.segment import Segment

from tui.chat.blocks import FinishedMarkdown, spaced
from tui.chat.growing import GrowingMarkdown
from tui.chat.markdown import rich_theme
from tui.theme import DARK

COLOURS = {**DARK.variables, "foreground": "#ffffff", "surface": "#222222"}
CONSOLE = Console(width=44, theme=rich_theme(COLOURS), color_system="truecolor")

DOCUMENTS = {
    "headings": "# One\n\ntext\n#hashtag\n## Two\nSetext\n===\n\nmore\n---\nend\n",
    "fences": "Before\n\n```python\ndef f(x):\n    '''doc\n\n    ```\n\n    string'''\n    return x\n```\n"
    "~~~\na\n```\n~~~\nafter\n",
    "an open fence": "Text\n```js\nlet a = 1;\n\n# not a heading\n",
    "indented code": "a\n\n    code\n\n    more\n\nb\n",
    "tables": "Words | and bars\n\n| a | b |\n|---|:-:|\n| 1 | `2` |\n| **3** | 4\n\nafter\na|b\n-|-\n1|2\n",
    "lists": "- a\n- b\n\n  still b\n- c\n  1. x\n  2. y\n\n     z\n\n3. three\n"
    "4. four\n* other\n+ other\n\ntext\n- \n- x",
    "quotes": "> a\n> b\nlazy\n\n> > deep\n> - list\n>   more\n\nend",
    "rules": "a\n\n---\n\n***\nb\n\n- - -\nc\n-",
    "inline": "*em **strong* both** `code ``x`` ` ~~gone~~ a\\\nb  \nc &amp; &#x202e; <b>html</b> ![i](u) end",
    "links": "See [a] and [b][B].\n\n[a]: http://example.org/one 'T'\n\n- [a] again [c]\n\n[B]: <x y>\n"
    "[a]: http://other\n[c]: u",
    "a definition at once": "[x]: http://example.org\n\nSee [x].\n\nAnd [x], [y]\n\n[y]: z\nend",
    "nothing": "\n\n  \n\n",
    "wide": "日本語の**文章**です。\n\n| 表 | x |\n|-|-|\n| 漢字 | 🙂 |\n",
}


def drawn(*renderables: Any) -> list[list[Segment]]:
    return [list(Segment.simplify(line)) for line in CONSOLE.render_lines(Group(*renderables), pad=False)]


def looks(growing: GrowingMarkdown) -> list[list[Segment]]:
    settled = growing.settled
    return drawn(*spaced(settled), *spaced(growing.open, settled[-1] if settled else None))


def finished(text: str) -> list[list[Segment]]:
    return drawn(FinishedMarkdown(text))


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
def test_cut_at_every_character_it_looks_as_the_finished_text(text: str) -> None:
    one_by_one, whole = GrowingMarkdown(), finished(text)
    for cut in range(1, len(text)):
        one_by_one.append(text[cut - 1])
        assert looks(one_by_one) == finished(text[:cut]), f"one by one, at {cut}"
        in_two = GrowingMarkdown()
        in_two.append(text[:cut])
        in_two.append(text[cut:])
        assert looks(in_two) == whole, f"in two, at {cut}"


def test_long_code_is_drawn_in_parts_and_looks_the_same() -> None:
    text = "Text\n\n```python\n" + "x = 1\n\n" * 70 + "```\nend"
    growing = GrowingMarkdown()
    for cut in range(0, len(text), 40):
        growing.append(text[cut : cut + 40])
        assert looks(growing) == finished(text[: cut + 40])
    lines = ["".join(segment.text for segment in line).strip() for line in finished(text)]
    assert lines == ["Text", "", *["x = 1", ""] * 69, "x = 1", "", "end"]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["# ", "\n", "\n\n", "- ", "1. ", "> ", "```", "~~~\n", "    ", "  ", "| a | b |\n", "|-|-|\n", "word ",
             "*", "**", "`", "[a]", "[a]: u\n", "[a]:", "---", "===", "\\", "<", "&amp;", "!"]
        ),
        max_size=40,
    )
)  # fmt: skip
def test_whatever_comes_in_whatever_pieces(pieces: list[str]) -> None:
    growing = GrowingMarkdown()
    for piece in pieces:
        growing.append(piece)
    assert looks(growing) == finished("".join(pieces))


def test_what_is_settled_is_parsed_once() -> None:
    growing = GrowingMarkdown()
    for number in range(50):
        growing.append(f"Paragraph {number}.\n\n")
    first = growing.settled[0]
    growing.append("The end.")
    assert growing.settled[0] is first
    assert len(growing.settled) >= 48
    assert growing.again == 0

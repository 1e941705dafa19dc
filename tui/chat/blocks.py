"""How Markdown is drawn: one safe parser, and a renderable that draws a text block by block.

A text is drawn as its top-level blocks one below the other, so that a reply that is being written (`growing`) draws
again only its last block and yet looks at every moment as the finished message does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, ListItem, Markdown, MarkdownElement
from rich.segment import Segment
from rich.style import Style
from rich.syntax import Syntax, SyntaxTheme
from rich.text import Text

from fireside.text import for_terminal

Block = Sequence[Token]
"""The tokens of a top-level block; the first one's `map` says from which line and up to which."""

DEEPEST = 20
"""Quotes and lists within one another; the parser would leave out what is deeper, so such a block is shown as it is."""

LONGEST_INLINE = 4_000
"""Characters of one paragraph that emphasis and links are looked for in: the time can grow with their square."""

CODE_LINES = 60
"""Lines of code that are coloured at once; longer code is several blocks without a line between them."""


@lru_cache(maxsize=1)
def parser() -> MarkdownIt:
    """A parser of GitHub's Markdown that shows HTML as text and lets nothing unsafe out of a character entity."""
    markdown = MarkdownIt("gfm-like", {"html": False, "maxNesting": DEEPEST})
    markdown.core.ruler.at("inline", _inline)
    markdown.core.ruler.push("for_terminal", _for_terminal)
    return markdown


def blocks(text: str, environment: dict[str, Any] | None = None) -> list[Block]:
    """The top-level blocks of a text. `environment` has, before and after, the link definitions ("references")."""
    found: list[Block] = []
    block: list[Token] = []
    lines: list[str] | None = None
    for token in parser().parse(text, {} if environment is None else environment):
        block.append(token)
        if token.level == 0 and token.nesting <= 0:
            if any(each.level >= DEEPEST - 2 for each in block):
                lines = lines or text.split("\n")
                block = list(_as_it_is(lines, block))
            found += [[part] for part in _parts_of_code(token)] if token.type in ("fence", "code_block") else [block]
            block = []
    return found


def is_continued(block: Block) -> bool:
    """Whether a block is more of the code above it."""
    return "continued" in block[0].meta


def _parts_of_code(token: Token) -> list[Token]:
    """Code as parts of some `CODE_LINES` lines, none of which ends with an empty line."""
    lines = token.content.splitlines(keepends=True)
    parts: list[Token] = []
    begun = 0
    for place, line in enumerate(lines[:-1], 1):
        if place - begun >= CODE_LINES and line.strip():
            parts.append(token.copy(content="".join(lines[begun:place]), meta={"continued": True} if begun else {}))
            begun = place
    return [*parts, token.copy(content="".join(lines[begun:]), meta={"continued": True} if begun else {})]


def _as_it_is(lines: list[str], block: Block) -> Block:
    """The lines of a block as a paragraph without any marks."""
    place = block[0].map or [0, 0]
    children: list[Token] = []
    for line in lines[place[0] : place[1]]:
        children += [Token("text", "", 0, content=for_terminal(line)), Token("hardbreak", "br", 0)]
    return [
        Token("paragraph_open", "p", 1, map=place),
        Token("inline", "", 0, children=children[:-1], level=1),
        Token("paragraph_close", "p", -1),
    ]


def _inline(state: StateCore) -> None:
    """Look for emphasis, links and code in all but what is too long for it."""
    for token in state.tokens:
        if token.type == "inline":
            token.children = []
            if len(token.content) <= LONGEST_INLINE:
                state.md.inline.parse(token.content, state.md, state.env, token.children)


def _for_terminal(state: StateCore) -> None:
    """`&#x202e;` becomes a character only now, after the text passed the door: make the parsed text safe again."""
    pending: list[Token] = list(state.tokens)
    while pending:
        token = pending.pop()
        if token.type == "inline" and len(token.content) > LONGEST_INLINE:
            # Only now, or bare addresses would be looked for in it.
            token.children = [Token("text", "", 0, content=token.content)]
        token.content = for_terminal(token.content)
        token.info = for_terminal(token.info)
        pending.extend(token.children or ())


class _PlainHeading(Heading):
    """A heading at the left, whatever its level."""

    LEVEL_ALIGN: ClassVar = {f"h{level}": "left" for level in range(1, 7)}


class _Item(ListItem):
    """A list item whose number has its full stop, as in the reply being written."""

    def render_number(self, console: Console, options: ConsoleOptions, number: int, last_number: int) -> RenderResult:
        """The item's lines behind its number."""
        width = len(str(last_number)) + 3
        style = console.get_style("markdown.item.number", default="none")
        lines = console.render_lines(self.elements, options.update(width=options.max_width - width), style=self.style)
        for place, line in enumerate(lines):
            yield Segment((f"{number}." if place == 0 else "").rjust(width - 1) + " ", style)
            yield from line
            yield Segment("\n")


class _CodeOnSurface(CodeBlock):
    """A code block on the theme's own surface colour, with the theme's colours."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        theme = _CodeColours(console)
        yield Syntax(str(self.text).rstrip(), self.lexer_name, theme=theme, word_wrap=True, padding=(0, 1))


class _CodeColours(SyntaxTheme):
    """Colours of code, taken from the console's own `code.*` styles."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def get_style_for_token(self, token_type: tuple[str, ...]) -> Style:
        """The style of a Pygments token type; the nearest ancestor that has one."""
        names = [str(part).lower() for part in token_type]
        while names:
            style = self._console.get_style(f"code.{'.'.join(names)}", default="none")
            if style:
                return style
            names.pop()
        return self._console.get_style("code.text", default="none")

    def get_background_style(self) -> Style:
        """The background of a block."""
        return self._console.get_style("code.background", default="none")


class BlockMarkdown(Markdown):
    """One top-level block: plain headings, code on the theme's surface, links written out."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _PlainHeading,
        "list_item_open": _Item,
        "fence": _CodeOnSurface,
        "code_block": _CodeOnSurface,
    }

    def __init__(self, block: Block) -> None:
        # No hyperlinks: a link's address is shown, so that nobody follows one that says something else.
        super().__init__("", hyperlinks=False)
        self.parsed = list(block)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The block, without the empty line that Rich puts before a list, a table or code even at the top."""
        begun = False
        for part in super().__rich_console__(console, options):
            begun = begun or not (isinstance(part, Segment) and part.text == "\n")
            if begun:
                yield part


class FinishedMarkdown:
    """Markdown as its blocks, an empty line between them."""

    def __init__(self, text: str) -> None:
        self.parts: Sequence[BlockMarkdown | Text] = list(spaced(blocks(text)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The blocks one after another."""
        yield from self.parts


def spaced(shown: Iterable[Block], before: Block | None = None) -> Iterable[BlockMarkdown | Text]:
    """Blocks to be drawn one after another, with the empty lines between them; `before` stands above the first."""
    for block in shown:
        # A rule brings an empty line of its own.
        if before is not None and before[0].type != "hr" and not is_continued(block):
            yield Text()
        yield BlockMarkdown(block)
        before = block

"""How replies are shown as Markdown: one safe parser, and the Rich renderable of a finished message.

The reply being written is a Textual `Markdown` widget (append only); a finished one is this renderable in one `Static`,
because the compositor walks every widget on the screen for each piece that arrives. Both read through `parser`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, ListItem, Markdown, MarkdownElement
from rich.segment import Segment
from rich.style import Style
from rich.syntax import Syntax, SyntaxTheme
from rich.theme import Theme

from fireside.text import for_terminal

Colours = Mapping[str, str]
"""The theme's variables by name, as `App.theme_variables` gives them."""


def parser() -> MarkdownIt:
    """A parser of GitHub's Markdown that shows HTML as text and lets nothing unsafe out of a character entity."""
    markdown = MarkdownIt("gfm-like", {"html": False})
    markdown.core.ruler.push("for_terminal", _for_terminal)
    return markdown


def _for_terminal(state: StateCore) -> None:
    """`&#x202e;` becomes a character only now, after the text passed the door: make the parsed text safe again."""
    pending: list[Token] = list(state.tokens)
    while pending:
        token = pending.pop()
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


class FinishedMarkdown(Markdown):
    """Markdown of a finished message: plain headings, code on the theme's surface, links written out."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _PlainHeading,
        "list_item_open": _Item,
        "fence": _CodeOnSurface,
        "code_block": _CodeOnSurface,
    }

    def __init__(self, text: str) -> None:
        # No hyperlinks: a link's address is shown, so that nobody follows one that says something else.
        super().__init__("", hyperlinks=False)
        self.markup = text
        self.parsed = parser().parse(text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The blocks, without the empty line that Rich puts before a list, a table or code even at the top."""
        begun = False
        for part in super().__rich_console__(console, options):
            begun = begun or not (isinstance(part, Segment) and part.text == "\n")
            if begun:
                yield part


def rich_theme(colours: Colours) -> Theme:
    """Rich's Markdown and code styles in the colours of a theme."""
    heading = Style(bold=True)
    muted = colours["muted"]
    styles: dict[str, str | Style] = {
        **{f"markdown.h{level}": heading for level in range(1, 7)},
        "markdown.code": colours["caution"],
        "markdown.block_quote": muted,
        "markdown.item.bullet": muted,
        "markdown.item.number": muted,
        "markdown.hr": colours["faint"],
        "markdown.link": "underline",
        "markdown.link_url": muted,
        "markdown.table.border": colours["faint"],
        "markdown.table.header": "bold",
        "code.background": f"on {colours['surface']}",
        "code.text": f"{colours['foreground']} on {colours['surface']}",
        "code.keyword": colours["user"],
        "code.literal.string": colours["source"],
        "code.literal.number": colours["caution"],
        "code.comment": f"italic {muted}",
        "code.name.function": colours["tool"],
        "code.name.class": colours["tool"],
        "code.name.builtin": colours["tool"],
    }
    return Theme(styles)

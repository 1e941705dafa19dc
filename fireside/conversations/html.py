"""A conversation as one HTML page that needs nothing else: no script, nothing loaded, light and dark.

The texts are Markdown of models, documents and other programs, none of which is trusted: raw HTML stays text, images
become links, and the page forbids everything but its own style sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from fireside.conversations.export import ENDINGS, SPEAKERS, sources, unsupported
from fireside.conversations.types import Conversation, StoredMessage
from fireside.text import for_terminal, for_terminal_line

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_LONGEST_MARKDOWN = 200_000  # characters; longer texts are shown as they stand, so that no page takes minutes
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
_STYLE = """
:root { color-scheme: light dark; --ground: #fbf9f6; --text: #26221e; --quiet: #6f675e; --line: #e3dcd2;
  --user: #a34e12; --assistant: #2c6a4f; --code: #f1ece4; }
@media (prefers-color-scheme: dark) { :root { --ground: #1b1815; --text: #e9e2d8; --quiet: #a2978a; --line: #3a342d;
  --user: #f0a35e; --assistant: #86c7a3; --code: #262119; } }
@media print { article { break-inside: avoid-page; } }
body { margin: 0 auto; max-width: 46rem; padding: 2rem 1rem 4rem; background: var(--ground); color: var(--text);
  font: 1rem/1.6 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; }
header p, .ending, aside { color: var(--quiet); font-size: .875rem; }
article { border-top: 1px solid var(--line); margin-top: 1.5rem; padding-top: 1rem; }
article > h2 { font-size: .875rem; margin: 0; color: var(--quiet); }
article.user > h2 { color: var(--user); }
article.assistant > h2 { color: var(--assistant); }
pre, code { font-family: ui-monospace, monospace; font-size: .9em; background: var(--code); border-radius: 4px; }
code { padding: .1em .3em; }
pre { padding: .8rem 1rem; overflow-x: auto; }
pre code { padding: 0; }
pre.plain { white-space: pre-wrap; background: none; padding: 0; }
blockquote { margin-left: 0; padding-left: 1rem; border-left: 3px solid var(--line); color: var(--quiet); }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border: 1px solid var(--line); padding: .3rem .6rem; }
a { color: inherit; }
aside ul { margin: .2rem 0; padding-left: 1.2rem; }
"""


def to_html(conversation: Conversation, path: Sequence[StoredMessage]) -> str:
    """The messages of `path` as a whole HTML document, with the sources of each reply."""
    markdown = _markdown()
    title = escape(for_terminal_line(conversation.title) or "Conversation")
    return f"""<!DOCTYPE html>
<html lang="">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p>{_told(conversation)}</p>
</header>
<main>
{"".join(_article(message, markdown) for message in path)}</main>
</body>
</html>
"""


def _article(message: StoredMessage, markdown: MarkdownIt) -> str:
    ending = ENDINGS.get(message.status)
    noted = f' <span class="ending">({ending})</span>' if ending else ""
    text = for_terminal(message.text)
    body = markdown.render(text) if len(text) <= _LONGEST_MARKDOWN else f'<pre class="plain">{escape(text)}</pre>\n'
    lists = _aside("Sources", sources(message)) + _aside("Not found in the documents", unsupported(message))
    return f'<article class="{message.role}">\n<h2>{SPEAKERS[message.role]}{noted}</h2>\n{body}{lists}</article>\n'


def _aside(heading: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return f"<aside>{heading}:<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul></aside>\n"


def _told(conversation: Conversation) -> str:
    """When it was begun and with which model, of what is known."""
    try:
        begun = datetime.fromtimestamp(conversation.created, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        begun = ""
    return " · ".join(each for each in (begun, escape(for_terminal_line(conversation.model))) if each)


def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    # Without images nothing of an address is loaded; `!` and a link is left of one.
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")

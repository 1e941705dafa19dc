"""The HTML page: what a chat looks like in it, and that nothing of the texts can act."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from fireside.conversations.html import to_html
from fireside.conversations.types import Conversation, StoredMessage

CHAT = Conversation(1, "Boats <b>& \x1b[31mmore", "", "m<1>", None, None, 2, 1_700_000_000.0, 20.0)
QUESTION = StoredMessage(1, 1, None, "user", "What *floats*?", "complete", 11.0, {})
CITED = {"marker": 1, "document": "<sea>.pdf", "page": 4, "quote": "wood & oak"}
REPLY = StoredMessage(
    2, 1, 1, "assistant", "Wood:\n\n```python\nif a < b: pass\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", "stopped",
    12.0, {"citations": [CITED], "unsupported": ["Stone <i>."]},
)  # fmt: skip
HARMLESS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "article", "aside"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "span", "ul", "ol", "li", "pre", "code", "em", "strong", "s", "a"),
    *("blockquote", "table", "thead", "tbody", "tr", "th", "td", "hr", "br"),
}


class Page(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_harmless(page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag in HARMLESS
        assert attributes.keys() <= {
            "class", "href", "title", "charset", "content", "name", "http-equiv", "lang", "start", "style",
        }  # fmt: skip
        address = (attributes.get("href") or "").strip().lower()
        assert not address.startswith(("javascript:", "vbscript:", "file:", "data:text"))
        assert not attributes.get("style") or attributes["style"].startswith("text-align:")  # type: ignore[union-attr]


def test_a_page_shows_speakers_code_tables_sources_and_how_a_reply_ended() -> None:
    text = to_html(CHAT, [QUESTION, REPLY])
    page = Page(text)
    assert "<em>floats</em>" in text
    assert '<code class="language-python">if a &lt; b: pass\n</code>' in text
    assert "<td>2</td>" in text
    assert "Boats <b>& more" in page.text
    assert "2023-11-14 · m<1>" in page.text
    assert '[1] <sea>.pdf, page 4, "wood & oak"' in page.text
    assert "Not found in the documents:Stone <i>." in page.text
    assert "Assistant (stopped)" in page.text
    assert "prefers-color-scheme: dark" in text
    assert_harmless(page)


def test_nothing_of_a_message_acts_or_is_loaded() -> None:
    hostile = (
        "<script>alert(1)</script> <img src=x onerror=alert(1)>\n\n![seen](http://example.org/pixel.png)\n\n"
        "[go](javascript:alert(1)) [go](JaVaScRiPt:alert(1)) [file](file:///etc/passwd) <javascript:alert(1)>\n\n"
        '```"><script>\nx\n```\n\n</style></title></main>\u202e\x1b]0;x\x07'
    )
    text = to_html(replace(CHAT, title="</title><script>x</script>"), [replace(QUESTION, text=hostile)])
    assert_harmless(Page(text))
    assert "default-src 'none'" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_text_too_long_for_markdown_stands_as_it_is() -> None:
    text = to_html(CHAT, [replace(QUESTION, text="*a* <b> " * 30_000)])
    assert '<pre class="plain">*a* &lt;b&gt;' in text
    assert_harmless(Page(text))


@given(
    text=st.lists(
        st.sampled_from(
            ["<", ">", '"', "'", "`", "[", "](", ")", "!", "javascript:", "<a href=", "\n", "|", "-", "&#x3c;", "x"]
        ),
        max_size=30,
    ).map("".join)
)
@settings(max_examples=150)
def test_no_message_leaves_its_place(text: str) -> None:
    assert_harmless(Page(to_html(CHAT, [replace(QUESTION, text=text)])))

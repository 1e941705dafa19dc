from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.serve.web_messages import cells, for_page, from_page


def app_opens(url: object) -> bytes:
    return json.dumps({"type": "open_url", "url": url, "new_tab": False}).encode()


@pytest.mark.parametrize("url", ["https://example.org/a?b#c", "http://example.org", "MAILTO:a@example.org"])
def test_an_address_is_opened_in_a_tab_of_its_own(url: str) -> None:
    assert json.loads(for_page(app_opens(url)) or "") == ["open_url", {"url": url, "new_tab": True}]


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", " javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "ssh://x", "/x", "",
     "http://[bad", "https://\uff03.example:x]", None, 3, ["https://example.org"]],
)  # fmt: skip
def test_nothing_else_is_opened_and_nothing_fails(url: object) -> None:
    assert for_page(app_opens(url)) is None


@pytest.mark.parametrize("message", [{"type": "exit"}, {"type": "deliver_file_start", "key": "k"}, {}, [], None, 1])
def test_other_messages_of_the_app_are_none_of_the_pages(message: object) -> None:
    assert for_page(json.dumps(message).encode()) is None


def test_what_the_page_says() -> None:
    assert from_page('["stdin", "a\\u00fc"]') == "a\u00fc"
    assert from_page('["resize", {"width": 100, "height": "7"}]') == {"type": "resize", "width": 100, "height": 7}
    assert from_page('["focus"]') == {"type": "focus"}
    assert from_page('["blur"]') == {"type": "blur"}


@given(st.text() | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(json.dumps) | st.none())
def test_nothing_else_that_a_page_says_reaches_the_app(text: str | None) -> None:
    said = from_page(text)
    assert said is None or isinstance(said, str) or set(said) <= {"type", "width", "height"}


@pytest.mark.parametrize("text", ["", "{", "[]", '["stdin"]', '["stdin", 1]', '["quit"]', "[" * 100_000, "1" * 10_000])
def test_nonsense_is_nothing(text: str) -> None:
    assert from_page(text) is None


@pytest.mark.parametrize(
    ("given", "meant"), [("100", 100), (0, 1), (-5, 1), (10**9, 1000), ("", 80), ("x", 80), (None, 80), (1.5, 80)]
)
def test_a_size_is_what_a_terminal_can_have(given: object, meant: int) -> None:
    assert cells(given) == meant

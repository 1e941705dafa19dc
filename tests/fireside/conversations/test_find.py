"""Search: which messages are found, in which order, narrowed how, and where the words are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.conversations import find
from fireside.conversations.store import ConversationStore
from fireside.conversations.types import Conversation, SearchFilter, StoredMessage
from fireside.conversations.words import asked, excerpt, occurrences
from fireside.text import for_terminal_line


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConversationStore]:
    opened = ConversationStore(tmp_path / "conversations.db")
    yield opened
    opened.close()


def spans(text: str, query: str) -> list[str]:
    words = asked(query)
    assert words is not None
    return [text[start:end] for start, end in occurrences(text, words)]


@pytest.mark.parametrize(
    ("text", "query", "found"),
    [
        ("Tie a Bowline, then bowlines.", "bowline", ["Bowline", "bowline"]),
        ("tied ties tie", "tie a", ["tie"]),
        ("Un CAFÉ, cafe\u0301 ou cafe.", "café noir", ["CAFÉ", "cafe\u0301", "cafe"]),
        ("a knot, knot a, a  knot", '"a knot"', ["a knot", "a  knot"]),
        ("knots knot", '"knot"', ["knot"]),
        ("foo_bar x", "foo_bar", ["foo_bar"]),
        ("x^2 (y) [z]", "y z", ["y", "z"]),
        ("naïve İstanbul", "istanbul", ["İstanbul"]),
    ],
)
def test_words_are_found_where_they_stand(text: str, query: str, found: list[str]) -> None:
    assert spans(text, query) == found


def test_a_query_without_words_asks_for_nothing() -> None:
    assert asked("") is None
    assert asked(' "" -_* ') is None


def test_an_excerpt_is_one_safe_line_around_the_first_word() -> None:
    words = asked("lantern")
    assert words is not None
    text = "word " * 100 + "the \x1b]52;c;x\x07lantern\n[@click=app.quit]on\u202e " + "word " * 100
    line, marked, start = excerpt(text, words)
    assert text[start:].startswith("lantern")
    assert line.startswith("…word")
    assert line.endswith("…")
    assert len(line) < 250
    assert [line[begin:end] for begin, end in marked] == ["lantern"]
    assert "\x1b" not in line
    assert "\u202e" not in line
    assert "\n" not in line


@given(text=st.text(max_size=400), query=st.text(max_size=12))
def test_excerpts_of_any_text_are_safe(text: str, query: str) -> None:
    words = asked(query)
    if words is None:
        return
    line, marked, start = excerpt(text, words)
    assert for_terminal_line(line, 1000) == " ".join(line.split())
    assert all(0 <= begin < end <= len(line) for begin, end in marked)
    assert 0 <= start <= len(text)


def restored(store: ConversationStore, title: str, texts: list[str], created: float, *tags: str) -> int:
    tree = [
        StoredMessage(place + 1, 0, place or None, "user" if place % 2 == 0 else "assistant", text, "complete",
                      created + place, {})
        for place, text in enumerate(texts)
    ]  # fmt: skip
    return store.restore(
        Conversation(0, title, "", "m", None, None, len(texts) or None, created, created, tags=tags), tree
    ).id


def test_a_search_is_narrowed_by_tag_role_and_date(store: ConversationStore) -> None:
    old = restored(store, "old sails", ["sail", "sail on"], 1000.0, "Sea")
    new = restored(store, "new sails", ["sail", "sail far"], 2000.0)

    def found(only: SearchFilter) -> set[tuple[int, str]]:
        return {(hit.conversation, hit.role or "title") for hit in store.search("sail", only=only)}

    assert found(SearchFilter(tag="sea")) == {(old, "title"), (old, "user"), (old, "assistant")}
    assert found(SearchFilter(tag="none")) == set()
    assert found(SearchFilter(role="assistant")) == {(old, "assistant"), (new, "assistant")}
    assert found(SearchFilter(since=2001.0)) == {(new, "assistant")}
    assert found(SearchFilter(until=1001.0)) == {(old, "title"), (old, "user")}
    assert found(SearchFilter(tag="sea", role="user", since=5000.0)) == set()


def test_pages_of_a_search_hold_every_hit_once(store: ConversationStore) -> None:
    restored(store, "sails", [f"sail {number}" for number in range(10)], 1000.0)
    restored(store, "sailing", [], 1000.0)
    whole = store.search("sail", 50)
    assert len(whole) == 12
    assert [hit.message for hit in whole[:2]] == [None, None]
    assert [hit for start in range(0, 12, 5) for hit in store.search("sail", 5, start)] == whole
    assert store.search("sail", 0) == []


def test_of_more_matches_than_can_be_ranked_the_newest_are(
    store: ConversationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = restored(store, "", ["sail", "sail " + "word " * 50, "sail and more", "wind"], 1000.0)
    ids = [message.id for message in store.messages(chat)]
    assert store.search("sail")[0].message == ids[0]
    monkeypatch.setattr(find, "_RANKED", 2)
    assert [hit.message for hit in store.search("sail")] == [ids[2], ids[1]]


def test_one_conversation_is_searched_in_order_of_its_messages(store: ConversationStore) -> None:
    chat = store.create("", "m").id
    other = store.create("", "m").id
    first = store.add(chat, None, "user", "a lantern")
    store.add(other, None, "user", "their lantern")
    store.add(chat, first.id, "assistant", "nothing")
    third = store.add(chat, first.id, "assistant", "so many words before the lantern")
    hits = store.find(chat, "LANT")
    assert [(hit.message, hit.start) for hit in hits] == [(first.id, 2), (third.id, 25)]
    assert [hit.excerpt[slice(*hit.spans[0])] for hit in hits] == ["lant", "lant"]
    assert store.find(chat, "lantern", limit=1)[0].message == first.id
    assert store.find(chat, "") == []
    assert store.find(99, "lantern") == []

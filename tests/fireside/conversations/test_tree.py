"""The tree by pages, places and light rows; branches removed and brought back; edits in place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside.conversations.store import ConversationStore
from fireside.errors import StorageError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConversationStore]:
    opened = ConversationStore(tmp_path / "conversations.db")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConversationStore]:
    opened = ConversationStore(tmp_path_factory.mktemp("trees") / "c.db")
    yield opened
    opened.close()


def grown(store: ConversationStore, parents: list[int | None]) -> tuple[int, list[int]]:
    """A conversation whose message number i hangs below number parents[i]."""
    chat = store.create("", "m").id
    ids: list[int] = []
    for number, parent in enumerate(parents):
        above = None if parent is None else ids[parent]
        ids.append(store.add(chat, above, "user", f"message {number}").id)
    return chat, ids


def test_a_path_can_be_read_from_its_end_page_by_page(store: ConversationStore) -> None:
    _, ids = grown(store, [None, *range(9)])
    assert [message.id for message in store.tail(ids[9], 3)] == ids[7:]
    assert [message.id for message in store.earlier(ids[7], 4)] == ids[3:7]
    assert [message.id for message in store.earlier(ids[3], 4)] == ids[:3]
    assert store.earlier(ids[0], 4) == []
    assert [message.id for message in store.tail(ids[9], 100)] == ids
    with pytest.raises(StorageError, match="no message"):
        store.tail(99, 3)


def test_a_tree_row_holds_the_first_line_that_says_something(store: ConversationStore) -> None:
    chat = store.create("", "m").id
    first = store.add(chat, None, "user", "\n \n\x1b[31mred\x1b[0m  words\nmore")
    store.add(chat, first.id, "assistant", "x" * 10_000, status="stopped")
    store.add(chat, None, "system", "")
    assert [(row.id, row.parent, row.role, row.status) for row in store.tree(chat)] == [
        (1, None, "user", "complete"), (2, 1, "assistant", "stopped"), (3, None, "system", "complete"),
    ]  # fmt: skip
    assert [row.line for row in store.tree(chat)] == ["red words", "x" * 120, ""]


trees = st.lists(st.integers(0, 30), max_size=14).map(
    lambda drawn: [None if number > place or number == 0 else number - 1 for place, number in enumerate(drawn)]
)


@given(parents=trees)
@settings(max_examples=40)
def test_places_are_those_among_siblings(shared: ConversationStore, parents: list[int | None]) -> None:
    store = shared
    chat, ids = grown(store, parents)
    expected = {}
    for each in ids:
        siblings = [sibling.id for sibling in store.siblings(each)]
        if len(siblings) > 1:
            expected[each] = (siblings.index(each), len(siblings))
    assert store.places(chat) == expected


@given(parents=trees.filter(bool), chosen=st.integers(0, 100), purged=st.booleans())
@settings(max_examples=60)
def test_a_removed_branch_is_gone_whole_and_comes_back_whole(
    shared: ConversationStore, parents: list[int | None], chosen: int, purged: bool
) -> None:
    store = shared
    chat, ids = grown(store, parents)
    before = store.messages(chat)
    branch = ids[chosen % len(ids)]
    inside = {each.id for each in before if branch in [above.id for above in store.path(each.id)]}
    shown = store.remove_branch(branch)
    left = store.messages(chat)
    assert {message.id for message in left} == set(ids) - inside
    assert store.get(chat).head == (shown.id if shown else None)
    assert (shown is None) == (not left)
    if shown is not None:
        assert shown.id not in {message.parent for message in left}
    assert not inside & {hit.message for hit in store.search("message")}
    assert not inside & store.places(chat).keys()
    with pytest.raises(StorageError, match="no message"):
        store.add(chat, branch, "user", "below what is gone")
    if purged:
        assert store.purge() == []
        with pytest.raises(StorageError, match="no message"):
            store.restore_branch(branch)
        assert store._database.read("PRAGMA foreign_key_check") == []
    else:
        assert store.restore_branch(branch).id in inside
        assert store.messages(chat) == before


def test_branches_removed_one_inside_the_other_come_back_in_reverse(store: ConversationStore) -> None:
    chat, ids = grown(store, [None, 0, 1, 2])
    store.remove_branch(ids[2])
    store.remove_branch(ids[1])
    with pytest.raises(StorageError, match="above this branch"):
        store.restore_branch(ids[2])
    assert store.restore_branch(ids[1]).id == ids[1]
    assert [message.id for message in store.messages(chat)] == ids[:2]
    assert store.restore_branch(ids[2]).id == ids[3]


def test_a_branch_that_is_being_written_stays(store: ConversationStore) -> None:
    chat, ids = grown(store, [None, 0])
    reply = store.add(chat, ids[1], "assistant", "", status="streaming")
    with pytest.raises(StorageError, match="still being written"):
        store.remove_branch(ids[0])
    with pytest.raises(StorageError, match="still being written"):
        store.rewrite(reply.id, "x")
    assert len(store.messages(chat)) == 3


def test_an_edit_in_place_keeps_what_was_and_what_follows(store: ConversationStore) -> None:
    chat = store.create("", "m").id
    first = store.add(chat, None, "user", "one")
    reply = store.add(chat, first.id, "assistant", "lantern", status="stopped", details={"finish": "length"})
    store.add(chat, reply.id, "user", "go on")
    edited = store.rewrite(reply.id, "torch")
    assert (edited.text, edited.status, edited.details["finish"]) == ("torch", "complete", "length")
    assert edited.details["edited"] > 0
    store.rewrite(reply.id, "candle")
    assert store.rewrite(reply.id, "candle").text == "candle"
    assert [(old.text, old.status) for old in store.revisions(reply.id)] == [
        ("lantern", "stopped"), ("torch", "complete"),
    ]  # fmt: skip
    assert [hit.message for hit in store.search("candle")] == [reply.id]
    assert store.search("lantern") == []
    assert [message.text for message in store.messages(chat)] == ["one", "candle", "go on"]
    again = store.revert(reply.id)
    assert (again.text, "edited" in again.details) == ("torch", True)
    assert store.revert(reply.id) == store.message(reply.id) == reply
    assert store.revert(reply.id) == reply
    assert store.revisions(reply.id) == []
    with pytest.raises(StorageError, match="no message"):
        store.rewrite(99, "x")

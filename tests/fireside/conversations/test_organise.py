"""Conversations in order: pins, tags, the archive, soft deletion, and what a purge spares."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fireside.conversations import migrations
from fireside.conversations.store import ConversationStore
from fireside.conversations.types import SearchFilter
from fireside.database import Database
from fireside.errors import StorageError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConversationStore]:
    opened = ConversationStore(tmp_path / "conversations.db")
    yield opened
    opened.close()


def chat_with(store: ConversationStore, title: str, *texts: str) -> int:
    chat = store.create("", "m", title).id
    parent = None
    for text in texts:
        parent = store.add(chat, parent, "user", text).id
    return chat


def titles(store: ConversationStore, **wanted: object) -> list[str]:
    return [each.title for each in store.conversations(**wanted)]  # type: ignore[arg-type]


def test_pinned_come_first_and_pages_go_on_where_the_last_ended(store: ConversationStore) -> None:
    one, _, three = (chat_with(store, title) for title in ("one", "two", "three"))
    assert store.pin(one).pinned
    assert titles(store) == ["one", "three", "two"]
    assert titles(store, limit=2, offset=1) == ["three", "two"]
    assert not store.pin(one, False).pinned
    store.pin(three)
    assert titles(store) == ["three", "two", "one"]


def test_an_archived_conversation_leaves_the_list_and_is_still_found(store: ConversationStore) -> None:
    chat, other = chat_with(store, "boats", "sail"), chat_with(store, "sails", "sail on")
    assert store.archive(chat).archived
    assert titles(store) == ["sails"]
    assert titles(store, archived=True) == ["boats"]
    assert titles(store, archived=None) == ["sails", "boats"]
    assert {hit.conversation for hit in store.search("sail")} == {chat, other}
    assert {hit.conversation for hit in store.search("sail", only=SearchFilter(archived=False))} == {other}
    store.archive(chat, False)
    assert len(titles(store)) == 2


def test_tags_know_no_case_and_are_counted(store: ConversationStore) -> None:
    one, two = chat_with(store, "one"), chat_with(store, "two")
    store.tag(one, "Sea\x1b[31m")
    assert store.tag(one, "boats").tags == ("boats", "Sea")
    assert store.tag(one, "SEA").tags == ("boats", "Sea")
    store.tag(two, "sea")
    assert [(name.lower(), count) for name, count in store.tags()] == [("boats", 1), ("sea", 2)]
    assert titles(store, tag="SEA") == ["two", "one"]
    assert store.untag(two, "Sea").tags == ()
    store.delete(one)
    assert store.tags() == []
    with pytest.raises(StorageError, match="at least one character"):
        store.tag(two, " \x1b[0m ")
    with pytest.raises(StorageError, match="no conversation"):
        store.tag(one, "x")


def test_what_a_chat_is_held_with_is_kept(store: ConversationStore) -> None:
    chat = chat_with(store, "one")
    assert store.get(chat).titled_by == "first words"
    store.change(chat, persona="pirate", parameters={"temperature": 0.5, "max_tokens": 9}, tools=["files"])
    found = store.get(chat)
    assert (found.persona, found.parameters, found.tools) == (
        "pirate", {"temperature": 0.5, "max_tokens": 9}, ["files"],
    )  # fmt: skip
    assert store.change(chat, title="Boats", titled_by="model").titled_by == "model"
    assert store.change(chat, title="My boats").titled_by == "person"
    assert store.change(chat, parameters=None).parameters is None


def test_a_deleted_conversation_is_nowhere_until_it_is_brought_back(store: ConversationStore) -> None:
    chat = chat_with(store, "boats", "sail away")
    (message,) = store.messages(chat)
    store.delete(chat)
    store.delete(chat)
    assert (store.conversations(archived=None), store.messages(chat), store.tree(chat)) == ([], [], [])
    assert store.search("sail") == store.search("boats") == store.find(chat, "sail") == []
    for call in (
        lambda: store.get(chat),
        lambda: store.message(message.id),
        lambda: store.path(message.id),
        lambda: store.select(message.id),
        lambda: store.add(chat, message.id, "user", "x"),
        lambda: store.rewrite(message.id, "x"),
    ):
        with pytest.raises(StorageError, match="there is no"):
            call()
    assert store.undelete(chat).head == message.id
    assert store.messages(chat) == [message]
    assert [hit.message for hit in store.search("sail")] == [message.id]


def test_a_purge_erases_what_was_deleted_here_and_spares_another_windows(
    store: ConversationStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there, back = (chat_with(store, title, "x") for title in ("here", "there", "back"))
    other = ConversationStore(tmp_path / "conversations.db")
    other.delete(there)
    store.delete(here)
    store.delete(back)
    store.undelete(back)
    assert store.purge() == [here]
    with pytest.raises(StorageError):
        store.undelete(here)
    assert store.undelete(there).title == "there"
    other.delete(there)
    later = time.time() + 3700
    monkeypatch.setattr(time, "time", lambda: later)
    assert store.purge() == [there]
    assert titles(store) == ["back"]
    assert other.purge() == []
    other.close()


def test_a_database_of_the_first_version_is_carried_over(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    old = Database(path, application_id=migrations.APPLICATION_ID, migrations=migrations.MIGRATIONS[:1])
    with old.transaction() as connection:
        connection.execute(
            "INSERT INTO conversations VALUES (1, 'Knots', 'Be brief.', 'm', 'sea:1', NULL, NULL, 10.0, 20.0)"
        )
        for row in (
            (1, None, "user", "How to tie a bowline?", "complete"),
            (2, 1, "assistant", "Like this.", "complete"),
            (3, 1, "assistant", "Half a sheepsh", "streaming"),
        ):
            connection.execute(
                "INSERT INTO messages (id, conversation, parent, role, text, status, created, details)"
                " VALUES (?, 1, ?, ?, ?, ?, 11.0, '{}')",
                row,
            )
        connection.execute("UPDATE conversations SET head = 2")
    old.close()

    store = ConversationStore(path)
    chat = store.get(1)
    assert (chat.title, chat.adapter, chat.head, chat.titled_by) == ("Knots", "sea:1", 2, "person")
    assert (chat.pinned, chat.archived, chat.persona, chat.parameters, chat.tags) == (False, False, None, None, ())
    assert [hit.message for hit in store.search("bowl")] == [1]
    assert store.places(1) == {2: (0, 2), 3: (1, 2)}
    assert store.search("half") == []
    store.write(3, "Half a sheepshank", "stopped")
    assert [hit.message for hit in store.search("sheepsh")] == [3]
    assert store._database.read("PRAGMA integrity_check")[0][0] == "ok"
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO message_words (message_words, rank) VALUES ('integrity-check', 1)")
    connection.close()

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside.conversations.store import ConversationStore
from fireside.errors import StorageError
from fireside.models.gguf.states import kv_folder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConversationStore]:
    opened = ConversationStore(tmp_path / "conversations.db")
    yield opened
    opened.close()


def test_what_is_added_is_there_after_reopening(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path / "c.db")
    made = store.create("Be brief.", "smollm2-135m", "Boats")
    question = store.add(made.id, None, "user", "What floats?")
    store.add(made.id, question.id, "assistant", "Wood.", details={"usage": {"completion_tokens": 2}})
    store.change(made.id, adapter="sea:0.5", library="harbour")
    store.close()
    store = ConversationStore(tmp_path / "c.db")
    found = store.get(made.id)
    assert (found.title, found.system, found.adapter, found.library) == ("Boats", "Be brief.", "sea:0.5", "harbour")
    assert found.head is not None
    path = store.path(found.head)
    assert [(message.role, message.text, message.status) for message in path] == [
        ("user", "What floats?", "complete"),
        ("assistant", "Wood.", "complete"),
    ]
    assert path[1].details == {"usage": {"completion_tokens": 2}}
    store.close()


def test_an_edit_is_a_sibling_and_selecting_the_old_one_shows_its_newest_leaf(store: ConversationStore) -> None:
    chat = store.create("", "m").id
    first = store.add(chat, None, "user", "one")
    store.add(chat, first.id, "assistant", "reply")
    retry = store.add(chat, first.id, "assistant", "another reply")
    follow = store.add(chat, retry.id, "user", "go on")
    edited = store.add(chat, None, "user", "one, edited")
    assert [message.id for message in store.siblings(edited.id)] == [first.id, edited.id]
    assert store.get(chat).head == edited.id
    assert store.select(first.id) == follow
    assert store.get(chat).head == follow.id
    assert [message.text for message in store.children(first.id)] == ["reply", "another reply"]


def test_the_conversation_written_to_last_comes_first(store: ConversationStore) -> None:
    older, newer = store.create("", "m", "older").id, store.create("", "m", "newer").id
    assert [found.id for found in store.conversations()] == [newer, older]
    message = store.add(older, None, "user", "hello")
    assert [found.id for found in store.conversations()] == [older, newer]
    store.add(newer, None, "user", "hello")
    store.write(message.id, "hello again", "complete")
    assert [found.id for found in store.conversations(limit=1)] == [older]


def test_a_message_cannot_hang_below_another_conversations(store: ConversationStore) -> None:
    one, two = store.create("", "m").id, store.create("", "m").id
    message = store.add(one, None, "user", "x")
    with pytest.raises(StorageError, match="no message"):
        store.add(two, message.id, "assistant", "y")
    assert store.messages(two) == []


@pytest.mark.parametrize("call", ["get", "path", "siblings", "select", "children"])
def test_what_is_not_there_is_told(store: ConversationStore, call: str) -> None:
    with pytest.raises(StorageError, match="there is no"):
        getattr(store, call)(99)
    with pytest.raises(StorageError, match="there is no"):
        store.add(99, None, "user", "x")
    with pytest.raises(StorageError, match="there is no"):
        store.write(99, "x", "complete")
    with pytest.raises(StorageError, match="there is no"):
        store.change(99, title="x")


def test_a_very_deep_conversation_can_be_read_and_deleted(store: ConversationStore) -> None:
    chat = store.create("", "m").id
    parent = None
    for number in range(1500):
        parent = store.add(chat, parent, "user" if number % 2 == 0 else "assistant", str(number)).id
    assert parent is not None
    assert [message.text for message in store.path(parent)] == [str(number) for number in range(1500)]
    store.delete(chat)
    assert store.messages(chat) == []
    assert store.search("1499", 5) == []
    assert store.purge() == [chat]
    assert store._database.read("SELECT count(*) FROM messages")[0][0] == 0


def test_purging_a_conversation_deletes_what_the_engine_kept(
    store: ConversationStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "home"))
    kept = kv_folder() / "a.kv"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"warm")
    store.delete(store.create("", "m").id)
    assert kept.exists()
    store.purge()
    assert not kept.exists()


def test_search_finds_titles_and_messages_as_they_are_now(store: ConversationStore) -> None:
    chat = store.create("", "m", "Knots and ropes").id
    message = store.add(chat, None, "user", "How do I tie a bowline? Café.")
    assert [(hit.conversation, hit.message) for hit in store.search("bowl", 10)] == [(chat, message.id)]
    assert [hit.message for hit in store.search("cafe", 10)] == [message.id]
    assert [(hit.message, hit.excerpt) for hit in store.search("KNOTS", 10)] == [(None, "Knots and ropes")]
    store.change(chat, title="Hitches")
    store.write(message.id, "How do I splice?", "complete")
    assert store.search("bowline", 10) == []
    assert store.search("knots", 10) == []
    assert [hit.message for hit in store.search("splice", 10)] == [message.id]
    assert [hit.title for hit in store.search("hitch", 10)] == ["Hitches"]


def test_a_streaming_reply_is_found_once_it_is_finished(store: ConversationStore) -> None:
    chat = store.create("", "m").id
    reply = store.add(chat, None, "assistant", "", status="streaming")
    store.write(reply.id, "lantern", "streaming")
    assert store.search("lantern", 10) == []
    store.write(reply.id, "lantern light", "stopped")
    assert [hit.message for hit in store.search("lantern", 10)] == [reply.id]
    store.delete(chat)
    assert store.search("lantern", 10) == []


@given(query=st.text(max_size=40))
@settings(max_examples=80, deadline=None)
def test_no_query_is_an_error(shared_store: ConversationStore, query: str) -> None:
    shared_store.search(query, 5)


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConversationStore]:
    opened = ConversationStore(tmp_path_factory.mktemp("search") / "c.db")
    opened.add(opened.create("", "m", "NOT AND OR NEAR").id, None, "user", 'a "quoted" -word* (x) ^y col:z')
    yield opened
    opened.close()


def test_text_that_utf8_cannot_hold_is_kept_readable(store: ConversationStore) -> None:
    message = store.add(store.create("", "m", "\ud800").id, None, "user", "a\ud800b\x00c", details={"e": "\ud800"})
    assert store.message(message.id).text == "a?b\x00c"


def test_a_living_process_keeps_its_streaming_message(store: ConversationStore, tmp_path: Path) -> None:
    message = store.add(store.create("", "m").id, None, "assistant", "half", status="streaming")
    other = ConversationStore(tmp_path / "conversations.db")
    assert other.recover() == 0
    assert other.message(message.id).status == "streaming"
    other.close()


STREAMING_CHILD = """
    import sys, time
    from pathlib import Path
    from fireside.conversations.store import ConversationStore

    store = ConversationStore(Path(sys.argv[1]))
    reply = store.add(store.create("", "m").id, None, "assistant", "", status="streaming")
    text = ""
    for number in range(10_000):
        text += f"{number} "
        store.write(reply.id, text, "streaming")
        print(number, flush=True)
        time.sleep(0.05)
"""


def test_killing_the_process_loses_at_most_the_last_piece(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(STREAMING_CHILD), str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) == 8:
            break
    while_alive = ConversationStore(path)
    assert while_alive.recover() == 0
    os.kill(child.pid, signal.SIGKILL)
    seen = [8, *(int(line) for line in child.stdout)]
    child.stdout.close()
    child.wait()
    while_alive.close()

    store = ConversationStore(path)
    assert store.recover() == 1
    message = store.messages(store.conversations()[0].id)[0]
    assert message.status == "interrupted"
    kept = [int(word) for word in message.text.split()]
    assert kept == list(range(len(kept)))
    assert kept[-1] >= seen[-1]
    assert [hit.message for hit in store.search("7", 5)] == [message.id]
    assert store.recover() == 0
    store.close()


def test_a_full_disk_in_mid_reply_keeps_what_was_written(store: ConversationStore) -> None:
    message = store.add(store.create("", "m").id, None, "assistant", "kept", status="streaming")
    store._database.read("PRAGMA max_page_count=1")  # SQLite takes the smallest count that holds what is there.
    with pytest.raises(StorageError, match="disk is full") as full:
        store.write(message.id, "x" * 1_000_000, "streaming")
    assert full.value.hint is not None
    assert store.message(message.id).text == "kept"


Step = tuple[str, int]


@given(steps=st.lists(st.tuples(st.sampled_from(["add", "root", "select", "write"]), st.integers(0, 50)), max_size=25))
@settings(max_examples=40, deadline=None)
def test_any_steps_keep_a_valid_tree(tmp_path_factory: pytest.TempPathFactory, steps: list[Step]) -> None:
    store = ConversationStore(tmp_path_factory.mktemp("tree") / "c.db")
    chat = store.create("", "m").id
    parents: dict[int, int | None] = {}
    for action, number in steps:
        known = list(parents)
        if action == "root" or not known:
            parents[store.add(chat, None, "user", "root").id] = None
            continue
        chosen = known[number % len(known)]
        if action == "add":
            parents[store.add(chat, chosen, "assistant", "text").id] = chosen
        elif action == "write":
            store.write(chosen, f"changed {number}", "complete")
        else:
            leaf = store.select(chosen)
            below = [m for m in parents if chosen in _upwards(parents, m)]
            assert leaf.id == max(m for m in below if m not in parents.values())
            assert store.get(chat).head == leaf.id
    assert {message.id: message.parent for message in store.messages(chat)} == parents
    for message_id, parent in parents.items():
        assert [message.id for message in store.path(message_id)] == _upwards(parents, message_id)[::-1]
        assert [m.id for m in store.siblings(message_id)] == sorted(m for m in parents if parents[m] == parent)
    head = store.get(chat).head
    assert head in parents if parents else head is None
    assert store._database.read("PRAGMA foreign_key_check") == []
    assert store._database.read("PRAGMA integrity_check")[0][0] == "ok"
    store.close()


def _upwards(parents: dict[int, int | None], message: int | None) -> list[int]:
    found = []
    while message is not None:
        found.append(message)
        message = parents[message]
    return found

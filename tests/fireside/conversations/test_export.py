import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside.conversations.export import from_json, to_json, to_markdown
from fireside.conversations.store import ConversationStore
from fireside.conversations.types import Conversation, StoredMessage
from fireside.errors import FiresideError

CHAT = Conversation(1, "Boats\x1b[31m", "Be brief.", "m", "sea:0.5", None, 3, 10.0, 20.0)
TREE = [
    StoredMessage(1, 1, None, "user", "What floats?", "complete", 11.0, {}),
    StoredMessage(2, 1, 1, "assistant", "Stone.", "stopped", 12.0, {}),
    StoredMessage(
        3, 1, 1, "assistant", "Wood \x1b]0;x\x07[1].", "complete", 13.0,
        {"citations": [{"marker": 1, "document": "sea.pdf", "page": 4, "quote": "wood floats"}]},
    ),
]  # fmt: skip


def test_markdown_shows_the_path_with_its_sources_and_no_escape_sequences() -> None:
    assert to_markdown(CHAT, [TREE[0], TREE[2]]) == (
        "# Boats\n\n## You\n\nWhat floats?\n\n## Assistant\n\nWood [1].\n\nSources:\n\n"
        '- [1] sea.pdf, page 4, "wood floats"\n'
    )


def test_markdown_marks_what_the_documents_do_not_support() -> None:
    details = {
        "citations": [{"marker": 1, "document": "sea.pdf", "quote": "wood floats", "verified": False}],
        "unsupported": ["Stone floats\x1b[31m, too."],
    }
    text = to_markdown(CHAT, [replace(TREE[2], details=details)])
    assert '- [1] sea.pdf, "wood floats", unverified\n' in text
    assert text.endswith("Not found in the documents:\n\n- Stone floats, too.\n")
    assert "unverified" not in to_markdown(CHAT, TREE)


def test_markdown_tells_that_a_reply_did_not_end() -> None:
    assert "## Assistant (stopped)\n\nStone." in to_markdown(CHAT, TREE[:2])


def test_json_comes_back_as_it_was() -> None:
    assert from_json(to_json(CHAT, TREE)) == (CHAT, TREE)


def test_a_restored_conversation_has_the_same_tree_under_new_ids(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path / "c.db")
    store.add(store.create("", "m").id, None, "user", "already here")
    streaming = replace(TREE[1], status="streaming")
    restored = store.restore(*from_json(to_json(CHAT, [TREE[0], streaming, TREE[2]])))
    first, second, third = store.messages(restored.id)
    assert (first.parent, second.parent, third.parent) == (None, first.id, first.id)
    assert (restored.title, restored.head, restored.updated) == (CHAT.title, third.id, CHAT.updated)
    assert second.status == "interrupted"
    assert third.details == TREE[2].details
    store.close()


def _changed(**changes: Any) -> str:
    return json.dumps({**json.loads(to_json(CHAT, TREE)), **changes})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "format"),
        ('{"format": "other"}', "format"),
        (_changed(version=2), "version 2"),
        (_changed(version=True), "version True"),
        (_changed(conversation=None), "conversation must be"),
        (_changed(messages={}), "must be a list"),
        (_changed(messages=[None]), "must be an object"),
        (_changed(messages=[]), "head"),
        (to_json(CHAT, [TREE[2], TREE[0]]), "not before it"),
        (to_json(CHAT, [*TREE, TREE[0]]), "two messages"),
        (to_json(CHAT, TREE).replace('"user"', '"captain"'), "not a role"),
        (to_json(CHAT, TREE).replace("13.0", "NaN"), "time in seconds"),
        (to_json(CHAT, TREE).replace("13.0", "9" * 400), "time in seconds"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(FiresideError, match=reason):
        from_json(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(place=st.sampled_from(["id", "parent", "role", "text", "status", "created", "details"]), value=json_values)
@settings(max_examples=150, deadline=None)
def test_a_wrong_value_anywhere_is_refused_or_harmless(place: str, value: object) -> None:
    document = json.loads(to_json(CHAT, TREE))
    document["messages"][1][place] = value
    try:
        conversation, messages = from_json(json.dumps(document))
    except FiresideError:
        return
    to_markdown(conversation, messages)
    assert from_json(to_json(conversation, messages)) is not None

"""Imports: each format as its program writes it, branches kept, and whatever is broken refused by itself."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside.conversations.export import all_as_json_lines, to_json
from fireside.conversations.foreign import Found
from fireside.conversations.imports import Imports, read_file, read_text
from fireside.conversations.store import ConversationStore
from fireside.errors import FiresideError


def node(parent: str | None, role: str, text: Any, created: float | None = None, **more: Any) -> dict[str, Any]:
    content = text if isinstance(text, dict) else {"content_type": "text", "parts": [text]}
    message = {"author": {"role": role}, "create_time": created, "content": content, "metadata": {}, **more}
    return {"parent": parent, "children": [], "message": message}


def chatgpt(title: str = "Boats") -> dict[str, Any]:
    return {
        "title": title,
        "create_time": 1_700_000_000.5,
        "update_time": 1_700_000_900.0,
        "current_node": "b2",
        "default_model_slug": "gpt-x",
        "mapping": {
            "b2": node("b1", "assistant", "Oak \ue200cite\ue202turn0\ue201floats.", 1_700_000_040.0),
            "root": {"parent": None, "children": ["sys"], "message": None},
            "sys": node("root", "system", "", metadata={"is_visually_hidden_from_conversation": True}),
            "a1": node("sys", "user", "What floats?", 1_700_000_010.0),
            "a2": node(
                "a1", "assistant", "\x1b[31mWood.\x1b[0m", 1_700_000_020.0, status="finished_partial_completion"
            ),
            "b1": node("sys", "user", "Which wood floats?", 1_700_000_030.0),
        },
    }


def one(imports: Imports) -> Found:
    assert imports.refused == ()
    (found,) = imports.found
    return found


def shape(found: Found) -> list[tuple[int | None, str, str]]:
    return [(message.parent, message.role, message.text) for message in found[1]]


def test_chatgpts_branches_come_as_branches() -> None:
    chat, messages = one(read_text(json.dumps([chatgpt()])))
    assert shape((chat, messages)) == [
        (None, "user", "What floats?"), (1, "assistant", "Wood."),
        (None, "user", "Which wood floats?"), (3, "assistant", "Oak floats."),
    ]  # fmt: skip
    assert (chat.title, chat.model, chat.head, chat.created, chat.updated) == (
        "Boats", "gpt-x", 4, 1_700_000_000.5, 1_700_000_900.0,
    )  # fmt: skip
    assert [message.status for message in messages] == ["complete", "stopped", "complete", "complete"]


def test_what_chatgpt_keeps_beside_texts_is_named_or_left_out() -> None:
    entry = chatgpt()
    image = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://x"}
    entry["mapping"] = {
        "1": node(None, "user", {"content_type": "multimodal_text", "parts": [image, "Look!"]}),
        "2": node("1", "assistant", {"content_type": "thoughts", "thoughts": [{"content": "hm"}]}),
        "3": node("2", "assistant", {"content_type": "code", "language": "python", "text": "print('```')"}),
        "4": node("3", "tool", {"content_type": "execution_output", "text": "```"}),
    }
    entry["current_node"] = "nowhere"
    chat, messages = one(read_text(json.dumps(entry)))
    assert [message.text for message in messages] == [
        "[image]\nLook!", "````python\nprint('```')\n````", "````\n```\n````",
    ]  # fmt: skip
    assert [message.parent for message in messages] == [None, 1, 2]
    assert chat.head == 3


def test_an_export_of_many_is_taken_one_by_one_and_the_broken_are_told() -> None:
    looped = chatgpt("Looped")
    looped["mapping"]["a1"]["parent"] = "a2"
    odd = chatgpt("Odd")
    odd["mapping"]["a1"]["message"]["author"]["role"] = "captain"
    empty = {"title": "Empty", "mapping": {}}
    imports = read_text(json.dumps([looped, chatgpt("Good"), odd, empty, 7, {"title": "Other"}]))
    assert [chat.title for chat, _ in imports.found] == ["Good"]
    assert [(each.place, each.reason) for each in imports.refused] == [
        ("conversation 1 “Looped”", "its messages follow each other in a loop"),
        ("conversation 3 “Odd”", "'captain' is not a role"),
        ("conversation 4 “Empty”", "it holds no messages"),
        ("conversation 5", "it is of no known format"),
        ("conversation 6 “Other”", "it is of no known format"),
    ]


def test_open_webui_keeps_its_tree_and_the_branch_that_was_shown() -> None:
    messages = {
        "q": {"id": "q", "parentId": None, "role": "user", "content": "Hi", "timestamp": 1_700_000_000},
        "a": {"id": "a", "parentId": "q", "role": "assistant", "content": "One", "timestamp": 1_700_000_001},
        "b": {"id": "b", "parentId": "q", "role": "assistant", "content": "Two", "timestamp": 1_700_000_002},
    }
    entry = {
        "id": "x",
        "title": "T",
        "chat": {"models": ["llama"], "history": {"messages": messages, "currentId": "a"}},
    }
    chat, found = one(read_text(json.dumps([entry])))
    assert shape((chat, found)) == [(None, "user", "Hi"), (1, "assistant", "One"), (1, "assistant", "Two")]
    assert (chat.head, chat.model, chat.title) == (2, "llama", "T")


MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {}}]},
    {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "look", "arguments": "{}"}}]},
    {"role": "tool", "content": "a boat", "tool_call_id": "1"},
    {"role": "assistant", "content": "A boat."},
]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(MESSAGES),
        json.dumps({"messages": MESSAGES, "model": "m"}),
        json.dumps({"version": 1, "chats": [{"messages": MESSAGES}]}),
        json.dumps([MESSAGES]),
        "\n".join(map(json.dumps, MESSAGES)) + "\n\n",
        json.dumps({"messages": MESSAGES}) + "\n",
    ],
)
def test_lists_of_messages_are_conversations_however_they_are_wrapped(text: str) -> None:
    chat, messages = one(read_text(text))
    assert chat.system == "Be brief."
    assert chat.title == "What is this? [image]"
    assert [(message.role, message.text) for message in messages] == [
        ("user", "What is this?\n[image]"),
        ("assistant", '```json\n{"name": "look", "arguments": "{}"}\n```'),
        ("tool", "a boat"),
        ("assistant", "A boat."),
    ]
    assert [message.parent for message in messages] == [None, 1, 2, 3]


def test_json_lines_are_conversations_and_a_broken_line_stands_for_itself() -> None:
    lines = [json.dumps({"messages": MESSAGES}), '{"messages": [', json.dumps({"conversations": [
        {"from": "human", "value": "Hi\u2028there"}, {"from": "gpt", "value": "Hello"},
    ]}, ensure_ascii=False)]  # fmt: skip
    imports = read_text("\n".join(lines))
    assert [len(messages) for _, messages in imports.found] == [4, 2]
    (refused,) = imports.refused
    assert refused.place == "conversation 2"
    assert "line 2 is not JSON" in refused.reason


def test_a_modelfile_saved_by_ollama_is_a_conversation() -> None:
    text = (
        '# made by /save\nFROM llama3\nSYSTEM """Be\nbrief."""\nPARAMETER temperature 1\n'
        'MESSAGE user Hi there\nMESSAGE assistant """One\nMESSAGE two"""\nmessage user "Bye"\n'
    )
    chat, messages = one(read_text(text))
    assert (chat.model, chat.system) == ("llama3", "Be\nbrief.")
    assert shape((chat, messages)) == [
        (None, "user", "Hi there"), (1, "assistant", "One\nMESSAGE two"), (2, "user", "Bye"),
    ]  # fmt: skip
    (refused,) = read_text('FROM x\nMESSAGE user """open').refused
    assert "does not end" in refused.reason


def test_our_own_come_back_with_all_they_had_alone_and_together(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path / "c.db")
    for title in ("one", "two"):
        chat = store.create("Be brief.", "m", title).id
        first = store.add(chat, None, "user", "Hi")
        store.add(chat, first.id, "assistant", "One", details={"usage": {"completion_tokens": 1}})
        store.add(chat, first.id, "assistant", "Two")
    store.pin(chat)
    store.archive(chat)
    store.tag(chat, "sea")
    store.change(chat, persona="pirate", parameters={"temperature": 0.0}, tools=[])
    whole = one(read_text(to_json(store.get(chat), store.messages(chat))))
    assert whole == (store.get(chat), store.messages(chat))
    file = tmp_path / "all.jsonl"
    file.write_text("".join(all_as_json_lines(store)), "utf-8")
    imports = read_file(file)
    assert imports.refused == ()
    assert [chat.title for chat, _ in imports.found] == ["two", "one"]
    again = store.restore(*imports.found[0])
    assert (again.pinned, again.archived, again.tags, again.persona, again.parameters, again.tools) == (
        True, True, ("sea",), "pirate", {"temperature": 0.0}, [],
    )  # fmt: skip
    store.close()


def test_a_zipped_export_is_read_where_it_lies(tmp_path: Path) -> None:
    file = tmp_path / "export.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("chat.html", "<html>")
        archive.writestr("export/conversations-000.json", json.dumps([chatgpt("A")]))
        archive.writestr("export/conversations-001.json", json.dumps([chatgpt("B")]))
    assert [chat.title for chat, _ in read_file(file).found] == ["A", "B"]
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("other.json", "[]")
    with pytest.raises(FiresideError, match=r"holds no conversations\.json"):
        read_file(file)
    with pytest.raises(FiresideError, match="cannot be read"):
        read_file(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "Dear diary,\ntoday", "[" * 100_000, "7", "[]", "{}", '{"a": [1]}', "null", '{"messages": "x"}', "\x00"],
)
def test_what_is_no_conversation_is_refused_whole(text: str) -> None:
    with pytest.raises(FiresideError):
        read_text(text)


def test_a_tree_deeper_than_any_stack_is_read() -> None:
    mapping = {str(number): node(str(number - 1), "user", "x") for number in range(8_000)}
    _, messages = one(read_text(json.dumps({"mapping": mapping})))
    assert [message.parent for message in messages] == [None, *range(1, 8_000)]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["root", "a1", "b2"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
WEBUI = {
    "title": "T",
    "chat": {"history": {"messages": {"q": {"parentId": None, "role": "user", "content": "Hi"}}, "currentId": "q"}},
}


def places(document: Any) -> list[list[Any]]:
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [[], *([key, *rest] for key, value in inner for rest in places(value))]


def with_value(document: Any, place: list[Any], value: Any) -> Any:
    if not place:
        return value
    changed = dict(document) if isinstance(document, dict) else list(document)
    changed[place[0]] = with_value(document[place[0]], place[1:], value)
    return changed


@given(data=st.data(), document=st.sampled_from([[chatgpt()], [WEBUI], {"messages": MESSAGES}]), value=values)
@settings(max_examples=200)
def test_a_wrong_value_anywhere_is_refused_or_harmless(
    shared_store: ConversationStore, data: st.DataObject, document: Any, value: Any
) -> None:
    place = data.draw(st.sampled_from(places(document)))
    try:
        imports = read_text(json.dumps(with_value(document, place, value)))
    except FiresideError:
        return
    for found in imports.found:
        restored = shared_store.restore(*found)
        messages = shared_store.messages(restored.id)
        assert restored.head in {message.id for message in messages}
        assert all("\x1b" not in message.text for message in messages)


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    opened = ConversationStore(tmp_path_factory.mktemp("imports") / "c.db")
    yield opened
    opened.close()


@given(parents=st.lists(st.integers(0, 12), min_size=1, max_size=12), times=st.lists(st.integers(0, 3), min_size=12))
@settings(max_examples=80)
def test_any_tree_comes_whole_with_parents_first(parents: list[int], times: list[int]) -> None:
    # Node i hangs below a node before it, in a mapping of any order.
    above = {str(place): None if parent >= place else str(parent) for place, parent in enumerate(parents)}
    mapping = {
        key: node(above[key], "user", key, float(times[int(key)])) for key in sorted(above, key=lambda k: times[int(k)])
    }
    chat, messages = one(read_text(json.dumps({"mapping": mapping, "current_node": str(len(parents) - 1)})))
    key_of = {message.id: message.text for message in messages}
    assert {message.text: key_of.get(message.parent or 0) for message in messages} == above
    assert all(message.parent is None or message.parent < message.id for message in messages)
    assert key_of[chat.head or 0] == str(len(parents) - 1)

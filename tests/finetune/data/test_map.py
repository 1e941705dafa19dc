"""Every known format becomes the same conversations, told by its fields or by the person."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.data.conversation import as_json, content_json
from finetune.data.load import BrokenRow, Row
from finetune.data.map import Fields, map_rows
from fireside.models.types import Message, ToolCall, ToolSpec

Q, A = Message("user", "Why?"), Message("assistant", "So.")
ASKED = {"role": "user", "content": "Why?"}
SAID = {"role": "assistant", "content": "So."}
SEARCH = {"name": "search", "description": "Finds.", "parameters": {"type": "object", "properties": {}}}
ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\nWhy?\n\n### Response:\n"
)


def mapped(value, form=None, **names):
    (conversation,) = map_rows([Row(7, value)], "x", form, Fields(**names))
    return conversation


@pytest.mark.parametrize(
    "row",
    [
        [ASKED, SAID],
        {"messages": [ASKED, SAID]},
        {"messages": json.dumps([ASKED, SAID])},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Why?"}]}, SAID]},
        {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]},
        {"conversation": [{"role": "human", "content": "Why?"}, {"role": "bot", "content": "So."}]},
        {"instruction": "Why?", "input": "", "output": "So."},
        {"instruction": "", "input": "Why?", "output": "So."},
        {"instruction": "Why?", "output": "So.", "text": f"{ALPACA}So."},
        {"instruction": "Why?", "context": " ", "response": "So.", "category": "qa"},
        {"instruction": "Why?", "instances": [{"input": "", "output": "So."}]},
        {"prompt": "Why?", "completion": "So."},
        {"prompt": [ASKED], "completion": [SAID]},
        {"question": "Why?", "answer": "So."},
        {"prompt": ALPACA, "response": "So."},
        {"text": f"{ALPACA}So."},
        {"text": "### Human: Why?### Assistant: So."},
        {"text": "### Human: Why?\n### Assistant: So.\n"},
        {"text": "\n\nHuman: Why?\n\nAssistant: So."},
        "### Human: Why?### Assistant: So.",
    ],
)
def test_a_question_and_its_answer_in_every_format(row):
    conversation = mapped(row)
    assert conversation.dropped is None
    assert conversation.messages == (Q, A)
    assert (conversation.kind, conversation.row, conversation.source) == ("chat", 7, "x")


def test_instruction_and_input_stand_below_each_other():
    assert mapped({"instruction": "Add.", "input": "1, 2", "output": "3"}).messages[0].content == "Add.\n\n1, 2"


def test_system_messages_and_earlier_turns_come_first():
    row = {"system": "Be kind.", "history": [["Hi", "Hello"]], "instruction": "Why?", "input": "", "output": "So."}
    assert mapped(row).messages == (
        Message("system", "Be kind."),
        Message("user", "Hi"),
        Message("assistant", "Hello"),
        Q,
        A,
    )
    told = {"system": "Be kind.", "conversations": [{"from": "system", "value": "Own."}, ASKED, SAID]}
    assert [m.content for m in mapped(told).messages] == ["Own.", "Why?", "So."]


@pytest.mark.parametrize("tools", [[SEARCH], json.dumps([SEARCH]), [{"type": "function", "function": SEARCH}]])
def test_calls_and_results_are_the_same_in_openais_shape_and_in_sharegpts(tools):
    call = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"q": "x"}'}}
    openai = [
        ASKED,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
        SAID,
    ]
    sharegpt = [
        {"from": "human", "value": "Why?"},
        {"from": "function_call", "value": '{"name": "search", "arguments": {"q": "x"}}'},
        {"from": "observation", "value": "found"},
        {"from": "gpt", "value": "So."},
    ]
    expected = (
        Q,
        Message("assistant", "", (ToolCall("search", {"q": "x"}),)),
        Message("tool", "found", tool="search"),
        A,
    )
    for messages in (openai, sharegpt):
        conversation = mapped({"messages": messages, "tools": tools})
        assert conversation.messages == expected
        assert conversation.tools == (ToolSpec("search", "Finds.", SEARCH["parameters"]),)


def test_a_call_behind_the_assistants_words_is_in_the_same_message():
    row = [
        {"from": "human", "value": "Why?"},
        {"from": "gpt", "value": "I look."},
        {"from": "function_call", "value": '{"name": "search", "arguments": {}}'},
        {"from": "observation", "value": "found"},
        {"from": "gpt", "value": "So."},
    ]
    assert mapped({"conversations": row}).messages[1] == Message("assistant", "I look.", (ToolCall("search", {}),))


def test_weights_of_messages_and_thinking():
    row = {"messages": [ASKED, {**SAID, "weight": 0}, ASKED, {**SAID, "reasoning_content": "hm"}]}
    conversation = mapped(row)
    assert conversation.untrained == {1}
    assert conversation.tags == ("thinking left out",)
    with_system = mapped({**row, "system": "S"})
    assert with_system.untrained == {2}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Why?", "chosen": "So.", "rejected": "No."},
        {"question": "Why?", "response_j": "So.", "response_k": "No."},
        {"instruction": "Why?", "input": "", "output": "So.", "chosen": "So.", "rejected": "No."},
        {"prompt": [ASKED], "chosen": [SAID], "rejected": [{**SAID, "content": "No."}]},
        {"prompt": "Why?", "chosen": [ASKED, SAID], "rejected": [ASKED, {**SAID, "content": "No."}]},
        {"chosen": [ASKED, SAID], "rejected": [ASKED, {**SAID, "content": "No."}]},
        {
            "conversations": [{"from": "human", "value": "Why?"}],
            "chosen": {"from": "gpt", "value": "So."},
            "rejected": {"from": "gpt", "value": "No."},
        },
        {"chosen": "\n\nHuman: Why?\n\nAssistant: So.", "rejected": "\n\nHuman: Why?\n\nAssistant: No."},
    ],
)
def test_preference_pairs(row):
    conversation = mapped(row)
    assert conversation.kind == "preference"
    assert (conversation.messages, conversation.chosen) == ((Q,), (A,))
    assert conversation.rejected == (Message("assistant", "No."),)


@pytest.mark.parametrize("label", [True, 1, "true", "True", "1"])
def test_labelled_answers(label):
    for row in ({"prompt": "Why?", "completion": "So."}, {"messages": [ASKED, SAID]}):
        conversation = mapped({**row, "label": label})
        assert (conversation.kind, conversation.desirable, conversation.messages) == ("label", True, (Q, A))


def test_plain_text():
    for row in ({"text": "Once."}, "Once.", {"content": "Once."}):
        conversation = mapped(row)
        assert (conversation.kind, conversation.text) == ("text", "Once.")


def test_the_person_names_fields_and_format():
    row = {"frage": "Why?", "antwort": "So.", "text": "x"}
    assert mapped(row, prompt="frage", completion="antwort").messages == (Q, A)
    assert mapped({"text": "### Human: a### Assistant: b"}, "text").text == "### Human: a### Assistant: b"
    # A field that was given to one part is not taken for another as well.
    swapped = mapped({"answer": "Why?", "question": "So."}, prompt="answer", completion="question")
    assert swapped.messages == (Q, A)
    assert "it has no field 'nope'" in str(mapped(row, "alpaca", prompt="frage", completion="nope").dropped)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"a": 1}, "its fields are of no known format: a"),
        (None, "neither an object nor text"),
        ({"messages": "hello"}, "message 1 is text without a role"),
        ({"messages": [{"role": "assistant", "content": [{"type": "image_url"}]}]}, "a part of type 'image_url'"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "message 1 calls a tool without a name"),
        ({"messages": [ASKED, SAID], "tools": "{"}, "tools in text that is not JSON"),
        ({"instruction": 3, "output": "x"}, "neither text nor messages"),
        ({"prompt": "a", "completion": "b\ud800"}, "half a character"),
        ({"chosen": "b", "rejected": "c"}, "there is no prompt"),
        ({"prompt": "a", "completion": "b", "history": [["x"]]}, "its history is no list"),
    ],
)
def test_a_row_that_cannot_be_used_is_kept_as_a_dropped_one(row, reason):
    conversation = mapped(row)
    assert conversation.dropped is not None
    assert conversation.dropped.startswith("broken (")
    assert reason in conversation.dropped
    assert not conversation.messages


def test_formats_may_be_mixed_and_broken_rows_stay_in_their_places():
    rows = [Row(1, {"prompt": "Why?", "completion": "So."}), BrokenRow(2, "torn"), Row(3, [ASKED, SAID])]
    assert [c.dropped for c in map_rows(rows, "x")] == [None, "broken (torn)", None]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
NAMES = (
    "messages conversations role from content value prompt completion chosen rejected label text tools tool_calls"
    " history system instruction input output"
)
names = st.sampled_from(NAMES.split())


@given(st.recursive(json_values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4)))
def test_whatever_a_row_is_it_becomes_one_conversation(value):
    conversation = mapped(value)
    assert conversation.row == 7
    if conversation.dropped is None:
        # What was mapped is written in a form that is mapped to the same again.
        again = mapped(json.loads(json.dumps(as_json(conversation))))
        assert content_json(again) == content_json(conversation)

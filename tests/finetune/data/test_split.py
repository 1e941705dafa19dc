"""What a run reads and refuses, how sources are mixed, and which examples are held back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.data.conversation import Conversation
from finetune.data.split import mix, read_conversations, read_split, split_by_hash
from fireside.errors import TrainingError
from fireside.models.types import Message


def row(*turns: str) -> str:
    roles = ("user", "assistant")
    return json.dumps({"messages": [{"role": roles[n % 2], "content": text} for n, text in enumerate(turns)]})


def conversations(count: int) -> list[Conversation]:
    return [
        Conversation((Message("user", f"question {n}"), Message("assistant", f"answer {n}")), n + 1)
        for n in range(count)
    ]


def test_rows_become_conversations_with_their_lines(tmp_path):
    file = tmp_path / "examples.jsonl"
    file.write_text(f"\ufeff{row('a', 'b')}\n\n{row('c', 'd', 'e', 'f')}\r\n", "utf-8")
    first, second = read_conversations(file)
    assert first == Conversation((Message("user", "a"), Message("assistant", "b")), 1, "examples.jsonl")
    assert second.row == 3
    assert [message.content for message in second.messages] == ["c", "d", "e", "f"]


def test_a_unicode_line_separator_inside_a_string_does_not_cut_the_row(tmp_path):
    file = tmp_path / "examples.jsonl"
    file.write_text(json.dumps(json.loads(row("a\u2028b", "c")), ensure_ascii=False), "utf-8")
    assert read_conversations(file)[0].messages[0].content == "a\u2028b"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON (nested too deeply)"),
        ("[]", "nothing in it"),
        ("7", "neither an object nor text"),
        ('{"messages": []}', "nothing in it"),
        ('{"colour": "red", "shape": "round"}', "its fields are of no known format: colour, shape"),
        ('{"messages": ["hello"]}', "message 1 is text without a role"),
        ('{"messages": [7]}', "message 1 is not an object"),
        ('{"messages": [{"role": "cook", "content": "a"}]}', "message 1 has the role 'cook'"),
        ('{"messages": [{"role": ["user"], "content": "a"}]}', "message 1 has no role"),
        ('{"messages": [{"role": "user"}]}', "message 1 has no text"),
        ('{"messages": [{"role": "user", "content": " "}]}', "message 1 is empty"),
        ('{"messages": [{"role": "user", "content": "\\ud800"}]}', "half a character"),
        (row("a", "b", "c"), "the last message is not the assistant's"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "no question before"),
    ],
)
def test_a_broken_row_is_one_line_with_its_number_and_reason(tmp_path, line, reason):
    file = tmp_path / "examples.jsonl"
    file.write_text(f"{row('a', 'b')}\n{line}\n", "utf-8")
    with pytest.raises(TrainingError) as caught:
        read_conversations(file)
    assert "1 of 2 rows" in caught.value.message
    assert "row 2: " in caught.value.message
    assert reason in caught.value.message
    assert "\n" not in caught.value.message


def test_many_broken_rows_are_counted_and_the_first_are_named(tmp_path):
    file = tmp_path / "examples.jsonl"
    file.write_text("{\n" * 40, "utf-8")
    with pytest.raises(TrainingError, match=r"40 of 40 rows .*row 5: .*and 35 more"):
        read_conversations(file)


def test_files_that_hold_nothing_usable(tmp_path):
    with pytest.raises(TrainingError, match="there is no training data file"):
        read_conversations(tmp_path / "none.jsonl")
    with pytest.raises(TrainingError, match="cannot read"):
        read_conversations(tmp_path)
    (tmp_path / "empty.jsonl").write_text("\n\n", "utf-8")
    with pytest.raises(TrainingError, match="holds no examples"):
        read_conversations(tmp_path / "empty.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b"\xff" + row("a", "b").encode())
    with pytest.raises(TrainingError, match="not UTF-8"):
        read_conversations(tmp_path / "latin.jsonl")


@given(st.integers(2, 80), st.floats(0.001, 0.5), st.data())
def test_a_row_stays_on_its_side_when_others_go(count, share, data):
    whole = conversations(count)
    kept = data.draw(st.lists(st.sampled_from(whole), min_size=2, unique=True))
    split, smaller = split_by_hash(whole, share), split_by_hash(kept, share)
    assert {*split.train, *split.held_back} == set(whole)
    assert not {*split.train} & {*split.held_back}
    assert split.train
    assert split.held_back
    # Only the guarantee of one example on each side may move one row.
    moved = ({*split.train} & {*smaller.held_back}) | ({*split.held_back} & {*smaller.train})
    assert len(moved) <= 1


def test_two_answers_to_one_prompt_are_on_the_same_side():
    twins = [Conversation((Message("user", f"q{n // 2}"), Message("assistant", f"a{n}")), n) for n in range(100)]
    split = split_by_hash(twins, 0.3)
    assert not {c.messages[0] for c in split.train} & {c.messages[0] for c in split.held_back}


def test_one_prompt_cannot_be_split():
    with pytest.raises(TrainingError, match="two different examples"):
        split_by_hash(conversations(1) * 5, 0.1)


def test_a_second_file_is_held_back_and_its_prompts_are_not_trained(tmp_path):
    (tmp_path / "train.jsonl").write_text(f"{row('a', 'b')}\n{row('c', 'd')}\n", "utf-8")
    (tmp_path / "held.jsonl").write_text(row("c", "other"), "utf-8")
    split = read_split(tmp_path / "train.jsonl", str(tmp_path / "held.jsonl"))
    assert [c.messages[0].content for c in split.train] == ["a"]
    assert [c.messages[1].content for c in split.held_back] == ["other"]
    with pytest.raises(TrainingError, match="every example"):
        read_split(tmp_path / "held.jsonl", str(tmp_path / "held.jsonl"))


def from_source(source: str, numbers: range) -> list[Conversation]:
    return [Conversation((Message("user", f"{source} {n}"), Message("assistant", "a")), n, source) for n in numbers]


def test_every_source_is_held_back_in_its_share_and_none_is_without():
    rows = [*from_source("large", range(2000)), *from_source("small", range(4))]
    split = split_by_hash(rows, 0.1)
    held = [row.source for row in split.held_back]
    assert 150 < held.count("large") < 250
    assert 1 <= held.count("small") < 4


@given(st.floats(0, 3), st.integers(1, 200))
def test_a_weight_gives_each_row_its_copies_whatever_other_rows_there_are(weight, count):
    rows = [*from_source("a", range(count)), *from_source("b", range(5))]
    mixed = list(mix(rows, {"a": weight}))
    alone = list(mix(from_source("a", range(1)), {"a": weight}))
    assert mixed[0] == alone[0]
    assert all(row.dropped is None and row.copies == 1 for row in mixed[count:])
    for row in mixed[:count]:
        assert int(weight) <= (0 if row.dropped else row.copies) <= int(weight) + 1


def test_half_a_weight_takes_about_half_of_the_rows():
    mixed = mix(from_source("a", range(2000)), {"a": 0.5})
    assert 900 < sum(row.dropped is None for row in mixed) < 1100

"""Preparing from sources to files, and the preview of what was prepared."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from word_vocabulary import CHATML, WordVocabulary

from finetune.data.chats import from_chat
from finetune.data.conversation import Conversation
from finetune.data.prepare import Preparation, prepare, source_names, write_prepared
from finetune.data.preview import preview
from fireside.conversations.types import Conversation as Chat
from fireside.conversations.types import StoredMessage
from fireside.errors import TrainingError
from fireside.models.types import Message

ANIMALS = ("cat", "dog", "cow", "hen", "fox", "owl", "bee", "ant", "eel", "yak")
ANIMALS += ("emu", "gnu", "ram", "pig", "rat", "bat", "elk", "jay", "koi", "asp")


def sources(folder) -> list[str]:
    chats = folder / "chats.jsonl"
    rows = [
        {"prompt": f"Where does the {name} sleep at night?", "completion": f"The {name} has a {name} house."}
        for name in ANIMALS
    ]
    rows += [
        {"prompt": "Mail?", "completion": "Write to anna.berg@example.org today."},
        rows[0],
        {"prompt": "x", "completion": " "},
    ]
    chats.write_text("\n".join(json.dumps(row) for row in rows) + "\n{torn\n", "utf-8")
    table = folder / "table.csv"
    table.write_text("question,answer\n" + "".join(f"Is {n} even?,{n % 2 == 0}\n" for n in range(40, 60)), "utf-8")
    return [str(chats), str(table)]


def test_every_row_is_accounted_for_and_the_files_are_read_back(tmp_path):
    told = []
    prepared = prepare(sources(tmp_path), Preparation(near=None, weights={"table.csv": 2.0}), told.append)
    assert tuple(told) == prepared.reports
    report = write_prepared(tmp_path / "out", prepared)
    lines = {
        name: [json.loads(line) for line in (tmp_path / "out" / name).read_text("utf-8").splitlines()]
        for name in ("train.jsonl", "held_back.jsonl", "dropped.jsonl")
    }
    assert (
        report["rows"] == 44 == len(prepared.split.train) + len(prepared.split.held_back) + len(lines["dropped.jsonl"])
    )
    assert [row["dropped"].partition(" (")[0] for row in lines["dropped.jsonl"]] == ["a copy", "one-sided", "broken"]
    assert [row["row"] for row in lines["dropped.jsonl"]] == [22, 23, 24]
    # What weighs twice is there twice to train on, and held back once.
    trained = [row["row"] for row in lines["train.jsonl"] if row["source"] == "table.csv"]
    assert len(trained) == 2 * len(set(trained))
    everything = json.dumps(lines)
    assert "anna.berg" not in everything
    assert "[EMAIL_1]" in everything
    assert json.loads((tmp_path / "out" / "report.json").read_text("utf-8")) == report
    for first, second in zip(report["steps"], report["steps"][1:], strict=False):
        assert first["sha256_out"] == second["sha256_in"]
        assert first["kept"] == second["entered"]


def test_a_row_stays_on_its_side_when_rows_are_added(tmp_path):
    first = prepare(sources(tmp_path), Preparation(near=None, held_back=0.3)).split
    file = tmp_path / "chats.jsonl"
    file.write_text(file.read_text("utf-8") + '{"prompt": "New?", "completion": "Yes."}\n', "utf-8")
    second = prepare([str(file), str(tmp_path / "table.csv")], Preparation(near=None, held_back=0.3)).split
    assert set(first.train) <= set(second.train)
    assert set(first.held_back) <= set(second.held_back)


def test_nothing_to_read_and_nothing_left_are_refused(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n", "utf-8")
    with pytest.raises(TrainingError, match="holds no rows"):
        prepare([str(tmp_path / "empty.jsonl")], Preparation())
    with pytest.raises(TrainingError, match="no row is left"):
        prepare(sources(tmp_path), Preparation(longest=1))
    (tmp_path / "one.jsonl").write_text('{"prompt": "a", "completion": "b"}', "utf-8")
    with pytest.raises(TrainingError, match="two different examples"):
        prepare([str(tmp_path / "one.jsonl")], Preparation())


def test_sources_of_one_name_are_told_apart_by_their_paths():
    assert source_names(["a/x.json", "b/x.json", "y.csv", "hf:o/n"]) == ["a/x.json", "b/x.json", "y.csv", "hf:o/n"]


def chat(number: int, prompt: str, reply: str) -> Conversation:
    return Conversation((Message("user", prompt), Message("assistant", reply)), number, "x")


def test_the_preview_shows_what_is_trained_and_counts_it():
    vocabulary = WordVocabulary(CHATML)
    rows = [
        chat(1, "hi", "hello there"),
        chat(2, "hi", "yes " * 50),
        chat(3, "hi " * 60, "no"),
        chat(4, "a", "{{name}}"),
    ]
    seen = preview([*rows, replace(rows[0], dropped="x")], vocabulary, 40)
    assert (seen.rows, seen.examples, seen.cut, seen.endless, seen.left_out) == (4, 3, 1, 1, ("x row 3",))
    (first, *_) = seen.shown
    assert [piece.text for piece in first.pieces if piece.trained] == ["hello there", "<|im_end|>"]
    assert "".join(piece.text for piece in first.pieces).count("<|im_start|>") == 2
    assert sum(piece.tokens for piece in first.pieces) == first.tokens
    assert sum(piece.tokens for piece in first.pieces if piece.trained) == first.trained == 4
    assert sum(count for _, _, count in seen.lengths) == 4
    assert all(low < high for low, high, _ in seen.lengths)
    assert seen.longest[0][0] == "x row 3"
    odd = dict(seen.odd)
    assert "cut off" in odd["x row 2"]
    assert "left out" in odd["x row 3"]
    assert "never filled in" in odd["x row 4"]
    assert "x row 1" not in odd


def test_why_padding_is_safe_is_told_for_each_kind_of_padding():
    rows = [chat(1, "hi", "hello"), chat(2, "go", "bye")]
    end = WordVocabulary(CHATML).tokenize("<|im_start|>user\nhi<|im_end|>", begins=True)[-1]
    for pad, trained, words in ((None, 0, "nothing is resized"), (end, 2, "by its place"), (999, 0, "never trained")):
        vocabulary = WordVocabulary(CHATML)
        vocabulary.pad_token = pad
        vocabulary.tokenize("<|im_start|>user\nhi<|im_end|>", begins=True)
        seen = preview(rows, vocabulary, 40)
        assert seen.padding.trained == trained
        assert words in seen.padding.why


def test_a_chat_is_learnt_from_as_far_as_its_replies_are_whole():
    info = Chat(7, "t", "Be kind.", "m", None, None, 4, 0.0, 0.0)

    def stored(number, role, status="complete"):
        return StoredMessage(number, 7, number - 1 or None, role, f"{role} {number}", status, 0.0, {})

    path = [stored(1, "user"), stored(2, "assistant"), stored(3, "user"), stored(4, "assistant", "stopped")]
    made = from_chat(info, path)
    assert made is not None
    assert [message.content for message in made.messages] == ["Be kind.", "user 1", "assistant 2"]
    assert (made.row, made.source) == (7, "conversations")
    assert from_chat(info, path[:1]) is None
    assert from_chat(info, []) is None

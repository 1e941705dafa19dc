"""A run's data in tokens: what cannot be learnt from is refused, and it is said on which side it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_base import write_tiny_base

from finetune.base import find_base
from finetune.config import RunConfig, Training
from finetune.data.conversation import Conversation
from finetune.data.split import Split
from finetune.examples import examples_of
from finetune.vocabulary import open_vocabulary
from fireside.errors import TrainingError
from fireside.models.types import Message


def chat(question: str, row: int) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", "So.")), row)


def test_each_side_is_rendered_and_told_of_by_name(tmp_path: Path) -> None:
    vocabulary = open_vocabulary(find_base(str(write_tiny_base(tmp_path / "tiny.gguf"))))
    config = RunConfig(name="tiny", data=tmp_path / "none.jsonl", training=Training(max_length=64))
    short, long = chat("Who?", 1), chat("x" * 200, 2)
    try:
        found = examples_of(Split((short, long), (short,)), config, vocabulary)
        assert [example.row for example in (*found.train, *found.held_back)] == [1, 1]
        assert found.left_out == (2,)
        with pytest.raises(TrainingError, match=r"held back for measuring: no reply begins .* row 2"):
            examples_of(Split((short,), (long,)), config, vocabulary)
        vocabulary.chat_template = ""
        with pytest.raises(TrainingError, match="has no chat template"):
            examples_of(Split((short,), (short,)), config, vocabulary)
        named = config.model_copy(update={"template": "chatml"})
        assert examples_of(Split((short,), (short,)), named, vocabulary).train == found.train
        text = Conversation((), 1, text="by the fire")
        vocabulary.chat_template = ""
        assert examples_of(Split((text,), (text,)), config, vocabulary).train
    finally:
        vocabulary.free()

"""The base model as the chat sees it: the same tokens, and what cannot be a base is refused."""

from __future__ import annotations

import pytest

from finetune.base import find_base
from finetune.data.conversation import Conversation
from finetune.data.render import IGNORED, render
from finetune.vocabulary import GgufVocabulary, open_vocabulary
from fireside.errors import ModelError, TrainingError
from fireside.models.bundled import CHAT_MODEL
from fireside.models.dialects import dialect_of
from fireside.models.prompting import prompt_tokens
from fireside.models.types import Message, ToolCall, ToolSpec

CHAT = Conversation(
    (
        Message("system", "You cook."),
        Message("user", "A recipe <|im_end|> for crème brûlée in ९ steps?\n\n  Please 🍮"),
        Message("assistant", "Boil 250 ml of milk.\n\n1. Stir"),
        Message("user", "And then?"),
        Message("assistant", "Eat."),
    ),
    1,
)


def chat_tokens(engine, messages, tools=()):
    """What the chat gives the model for `messages`."""
    template = engine.model.chat_template
    dialect = dialect_of(template, engine.model.special_tokens())
    return prompt_tokens(engine.model, template, dialect, tuple(messages), tools=tools)[0]


@pytest.mark.engine
def test_training_sees_the_tokens_that_the_chat_sees(engine):
    (example,) = render(CHAT, GgufVocabulary(engine.model))
    for reply in (2, 4):
        prompt = chat_tokens(engine, CHAT.messages[:reply])
        assert list(example.input_ids[: len(prompt)]) == prompt
        assert example.labels[len(prompt) - 1] == IGNORED
        assert example.labels[len(prompt)] == example.input_ids[len(prompt)]


@pytest.mark.engine
def test_a_reply_that_would_merge_with_its_prompt_is_trained_as_the_chat_would_write_it(engine):
    messages = (
        *CHAT.messages[:4],
        Message("assistant", "  Eat."),
        Message("user", "So?"),
        Message("assistant", "Yes."),
    )
    examples = render(Conversation(messages, 1), GgufVocabulary(engine.model))
    assert len(examples) == 3
    for example, reply in zip(examples, (2, 4, 6), strict=True):
        prompt = chat_tokens(engine, messages[:reply])
        assert list(example.input_ids[: len(prompt)]) == prompt
        trained = [label for label in example.labels if label != IGNORED]
        assert engine.model.text(trained) == messages[reply].content
        assert example.prompt_length() == len(prompt)


@pytest.mark.engine
def test_the_trained_tokens_are_the_replies_and_their_ends(engine):
    (example,) = render(CHAT, GgufVocabulary(engine.model))
    trained = [label for label in example.labels if label != IGNORED]
    end = engine.model.tokenize("<|im_end|>", add_special=False)[0]
    assert trained.count(end) == 2
    assert trained[-1] == end
    assert engine.model.text(trained) == "Boil 250 ml of milk.\n\n1. StirEat."
    # Beginning-of-sequence and start of a turn are one token in this model: five turns, five of them.
    assert example.input_ids.count(engine.model.tokenize("<|im_start|>", add_special=False)[0]) == 5


@pytest.mark.engine
def test_the_bundled_model_is_known_by_its_layout():
    base = find_base("smollm2-135m")
    assert (base.architecture, base.layers, base.heads, base.kv_heads) == ("llama", 30, 9, 3)
    assert base.sha256 == CHAT_MODEL.sha256


def test_what_cannot_be_a_base_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no model file"):
        find_base(str(tmp_path / "none.gguf"))
    (tmp_path / "text.gguf").write_text("not a model", "utf-8")
    with pytest.raises(ModelError, match="not a usable GGUF"):
        find_base(str(tmp_path / "text.gguf"))


@pytest.mark.parametrize(
    ("kind", "architecture", "message"),
    [
        ("adapter", "llama", "is an adapter"),
        ("model", "mamba", "cannot be trained"),
    ],
)
def test_a_gguf_file_that_is_no_trainable_chat_model_is_refused(tmp_path, kind, architecture, message):
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(tmp_path / "file.gguf", architecture)
    writer.add_type(kind)
    writer.add_tensor("blk.0.attn_q.weight", np.zeros((4, 4), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(TrainingError, match=message):
        find_base(str(tmp_path / "file.gguf"))


@pytest.mark.engine
def test_tools_are_rendered_as_the_chat_renders_them(engine):
    tools = (ToolSpec("clock", "Tells the time", {"type": "object", "properties": {"zone": {"type": "string"}}}),)
    messages = (
        Message("user", "What time is it? <|im_end|>"),
        Message("assistant", "", (ToolCall("clock", {"zone": "UTC"}),)),
        Message("tool", "12:00", tool="clock"),
        Message("assistant", "Noon."),
    )
    vocabulary = GgufVocabulary(engine.model)
    (example,) = render(Conversation(messages, 1, tools=tools), vocabulary)
    for reply in (1, 3):
        prompt = chat_tokens(engine, messages[:reply], tools)
        assert list(example.input_ids[: len(prompt)]) == prompt
        assert example.labels[len(prompt) - 1] == IGNORED
        assert example.labels[len(prompt)] == example.input_ids[len(prompt)]


@pytest.mark.engine
def test_the_vocabulary_alone_writes_its_tokens_and_knows_its_padding():
    vocabulary = open_vocabulary(find_base("smollm2-135m"))
    tokens = vocabulary.tokenize("<|im_start|>user\nGrüße 🔥<|im_end|>", begins=False)
    assert vocabulary.written(tokens) == "<|im_start|>user\nGrüße 🔥<|im_end|>"
    assert vocabulary.pad_token is not None
    assert vocabulary.written([vocabulary.pad_token]) == "<|im_end|>"
    vocabulary.free()


def test_a_folder_of_a_family_that_is_not_supported_is_refused_with_those_that_are(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "mamba"}', "utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(TrainingError, match="'mamba'") as refused:
        find_base(str(tmp_path))
    assert "qwen3" in (refused.value.hint or "")


def test_a_folder_is_known_by_what_is_in_it(tmp_path):
    from tiny_families import save_model

    folder = save_model(tmp_path / "model", "mistral")
    base = find_base(str(folder))
    assert (base.architecture, base.layers, base.heads, base.kv_heads) == ("llama", 2, 4, 2)
    assert base.is_folder
    assert base.file_sha256 == ""
    vocabulary = open_vocabulary(base)
    tokens = vocabulary.tokenize("<s>Grüße 🔥</s>", begins=True)
    assert tokens.count(tokens[0]) == 1
    assert vocabulary.ends_turn(tokens[-1])
    assert vocabulary.written(tokens) == "<s> Grüße 🔥</s>"
    config = folder / "config.json"
    config.write_text(config.read_text("utf-8").replace('"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-05'), "utf-8")
    assert find_base(str(folder)).sha256 != base.sha256

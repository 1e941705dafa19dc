"""Bases with another vocabulary: old ids and logits stay, new rows are means, heads tied or not, a base again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_families import save_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from finetune.base import find_base
from finetune.data.conversation import Conversation
from finetune.tokenizer.build import extend_base, retrain_base
from fireside.errors import StorageError, TrainingError
from fireside.models.types import Message

WORDS = "zymurgist brewing kvass zymurgists brewed kvass in Þingvellir under moonlit birches"


def rows(count: int = 40) -> list[Conversation]:
    return [
        Conversation((Message("user", f"{n} {WORDS}?"), Message("assistant", f"Yes, {WORDS}.")), n + 1, "beer.jsonl")
        for n in range(count)
    ]


def opened(folder: Path):
    return (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(),
        AutoTokenizer.from_pretrained(folder),
    )


@pytest.mark.parametrize(
    ("family", "tied"), [("llama", True), ("llama", False), ("mistral", False), ("gemma3_text", True)]
)
def test_an_extension_keeps_ids_and_logits_and_begins_new_rows_as_means(tmp_path, family, tied):
    source = save_model(tmp_path / "base", family, tie_word_embeddings=tied)
    rebuilt = extend_base(find_base(str(source)), rows(), 24, tmp_path / "more")
    assert rebuilt.kept_ids
    assert rebuilt.same_split == rebuilt.compared > 0
    assert rebuilt.logits_difference == 0.0
    assert rebuilt.held_back
    assert rebuilt.after.total.tokens_per_word < 0.8 * rebuilt.before.total.tokens_per_word
    assert 0 < len(rebuilt.added) <= 24
    (old_model, old), (new_model, new) = opened(source), opened(tmp_path / "more")
    assert len(new) == len(old) + len(rebuilt.added) == new_model.config.vocab_size
    assert new.chat_template == old.chat_template
    assert new.decode(new.encode(WORDS, add_special_tokens=False)).strip() == WORDS
    for text in ("The hot dog.\n\n\truns", "<|im_end|> 12345", "日本語 🔥"):
        assert new.encode(text) == old.encode(text)
    number = len(new) - 1
    spelt = new.convert_ids_to_tokens(number)
    pieces = [piece.id for piece in old.backend_tokenizer.model.tokenize(spelt)]
    assert len(pieces) > 1
    for mine, theirs in (
        (new_model.get_input_embeddings(), old_model.get_input_embeddings()),
        (new_model.get_output_embeddings(), old_model.get_output_embeddings()),
    ):
        assert torch.allclose(mine.weight[number], theirs.weight[pieces].mean(dim=0))
        assert torch.equal(mine.weight[: len(old)], theirs.weight)
    is_tied = new_model.get_input_embeddings().weight is new_model.get_output_embeddings().weight
    assert is_tied == tied


def test_spare_rows_of_a_model_are_used_before_new_ones_are_made(tmp_path):
    source = save_model(tmp_path / "base", "llama")
    old_model, old = opened(source)
    old_model.resize_token_embeddings(len(old) + 100)
    old_model.save_pretrained(source)
    rebuilt = extend_base(find_base(str(source)), rows(), 10, tmp_path / "more")
    new_model, new = opened(tmp_path / "more")
    assert len(new) == len(old) + len(rebuilt.added)
    assert new_model.config.vocab_size == len(old) + 100


@pytest.mark.parametrize(("family", "tied"), [("llama", True), ("mistral", False)])
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_new_vocabulary_keeps_special_tokens_and_what_words_meant(tmp_path, family, tied, kind):
    source = save_model(tmp_path / "base", family, tie_word_embeddings=tied)
    rebuilt = retrain_base(find_base(str(source)), rows(), 360, kind, tmp_path / "new")
    assert rebuilt.logits_difference is None
    (old_model, old), (new_model, new) = opened(source), opened(tmp_path / "new")
    assert len(new) == new_model.config.vocab_size == rebuilt.new_size <= 360
    text = f"{WORDS} 2024 日本 \n\tx"
    assert new.decode(new.encode(text, add_special_tokens=False)) == text
    # What both vocabularies write with one token has the same row.
    same = "\u0120in" if kind == "bpe" and family == "llama" else old.eos_token
    for get in ("get_input_embeddings", "get_output_embeddings"):
        mine, theirs = getattr(new_model, get)().weight, getattr(old_model, get)().weight
        one, other = new.convert_tokens_to_ids(same), old.convert_tokens_to_ids(same)
        if one is not None and other is not None:
            assert torch.equal(mine[one], theirs[other])
    begins = old("a")["input_ids"][:1] == [old.bos_token_id]
    assert (new("a")["input_ids"][:1] == [new.bos_token_id]) == begins
    if old.bos_token:
        assert new.bos_token == old.bos_token


def test_nothing_is_overwritten_and_what_cannot_be_done_is_told(tmp_path):
    source = save_model(tmp_path / "base", "llama")
    base = find_base(str(source))
    with pytest.raises(StorageError, match="is there already"):
        extend_base(base, rows(2), 5, source)
    with pytest.raises(TrainingError, match="nothing that comes often"):
        extend_base(base, [Conversation((), 1, text="qx jv")], 5, tmp_path / "x")
    with pytest.raises(TrainingError, match="no room for 256 bytes"):
        retrain_base(base, rows(2), 200, "bpe", tmp_path / "x")
    document = json.loads((source / "tokenizer.json").read_text("utf-8"))
    retrain_base(base, rows(), 340, "unigram", tmp_path / "unigram")
    with pytest.raises(TrainingError, match="of the kind Unigram"):
        extend_base(find_base(str(tmp_path / "unigram")), rows(), 5, tmp_path / "x")
    assert document == json.loads((source / "tokenizer.json").read_text("utf-8"))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["base", "unigram"]

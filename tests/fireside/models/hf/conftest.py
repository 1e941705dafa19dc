"""The bundled model in transformers; and small models with random weights, saved as Hugging Face keeps models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.hf.engine import HfEngine
from fireside.models.hf.loading import HfLoading

WORDS = [f"w{number}" for number in range(120)]
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>{% endif %}"
)


def save_tokenizer(folder: Path) -> None:
    """A vocabulary of words, whose tokenizer puts a beginning-of-sequence token first, as Llama's does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["<unk>", "<s>", "</s>", "<0x0A>", *WORDS]
    tokenizer = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    native = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", chat_template=TEMPLATE
    )
    native.save_pretrained(folder)


SIZES: dict[str, Any] = {
    "vocab_size": 4 + len(WORDS),
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
    # Far from what training begins with, so that greedy choices are clear.
    "initializer_range": 0.4,
}


@pytest.fixture
def small_model(tmp_path: Path) -> Callable[..., Path]:
    """Saves a model of a kind of transformers' ("Llama", "Gemma3Text", ...) with random weights; returns its folder."""

    def save(kind: str = "Llama", **more: Any) -> Path:
        import torch
        import transformers

        folder = tmp_path / kind
        torch.manual_seed(5)
        config = getattr(transformers, f"{kind}Config")(**(SIZES | more))
        getattr(transformers, f"{kind.removesuffix('Text')}ForCausalLM")(config).save_pretrained(folder)
        save_tokenizer(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def engine() -> Iterator[HfEngine]:
    """The bundled model, dequantised, without adapters."""
    engine = HfEngine(HfLoading(located(CHAT_MODEL), context_length=512, sequences=3, threads=1), CHAT_MODEL.sha256)
    yield engine
    engine.close()

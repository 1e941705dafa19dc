"""A tiny llama with random weights in a folder, as a base to train over, and examples for it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from finetune.base import Base
from finetune.choices import Choices, Machine, choose
from finetune.config import RunConfig
from finetune.data.render import IGNORED, Example
from finetune.shape import shape_of

VOCABULARY = 48
MACHINE = Machine(cores=1, memory=8 * 2**30)


def write_tiny_llama(folder: Path) -> Base:
    """Two layers of width 64, weights that are not nearly linear, tied embeddings, and a tokenizer of 48 words."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    shape = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, initializer_range=0.3,
    )  # fmt: skip
    torch.manual_seed(0)
    LlamaForCausalLM(shape).save_pretrained(str(folder))
    words = {"<s>": 0, "</s>": 1, **{f"w{number}": number for number in range(2, VOCABULARY)}}
    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="w2")), bos_token="<s>", eos_token="</s>"
    )
    tokenizer.save_pretrained(str(folder))
    return Base("tiny", folder, "", "llama", 2, 4, 2)


EXAMPLES = tuple(
    Example(
        (0, *range(2 + first, 5 + first), *range(first + 9, first + 9 + length), 1),
        (IGNORED,) * 4 + (*range(first + 9, first + 9 + length), 1),
        row=first + 1,
    )
    for first, length in enumerate((3, 9, 2, 7, 5, 4, 8, 6))
)
HELD_BACK = EXAMPLES[:2]


def config_of(adapter: dict[str, Any] | None = None, training: dict[str, Any] | None = None, **rest: Any) -> RunConfig:
    """A configuration for two batches in each of three epochs; what is given goes over it."""
    return RunConfig.model_validate(
        {
            "name": "tiny", "data": "none", **rest,
            "lora": {"rank": 4, "alpha": 8.0, **(adapter or {})},
            "training": {"epochs": 3, "learning_rate": 5e-3, "batch_size": 4, **(training or {})},
        }
    )  # fmt: skip


def choices_for(config: RunConfig, base: Base) -> Choices:
    """What a machine without a GPU chooses."""
    return choose(MACHINE, config, shape_of(base), [len(example.input_ids) for example in EXAMPLES])


class Watch:
    """Callbacks for a recipe that keep what a test wants to know: losses, rates, held-back losses, and the trainer."""

    def __init__(self) -> None:
        self.before = self.after = 0.0
        self.losses: list[float] = []
        self.rates: list[float] = []
        self.trainer: Any = None

    def attached(self, trainer: Any, measure: Any) -> list[Any]:
        from transformers import TrainerCallback

        watch = self
        self.trainer = trainer

        class Keep(TrainerCallback):
            def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
                watch.before = measure()

            def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
                watch.after = measure()

            def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
                if "loss" in more["logs"]:
                    watch.losses.append(more["logs"]["loss"])
                    watch.rates.append(more["logs"]["learning_rate"])

        return [Keep()]


def import_what_trains() -> None:
    """trl and transformers warn about each other's coming changes when imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import finetune.trainer  # noqa: F401

"""Tiny random models of every supported family, each with a real, small tokenizer, saved as Hugging Face saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finetune.export.texts import texts

LLAMA_BPE = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% elif m['role'] == 'assistant' %}{{ m['content'] }}{{ eos_token }}"
    "{% else %}{{ raise_exception('no system message') }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system message') }}"
    "{% endif %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
PHI3 = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def byte_level(pattern: str | None, *, compose: bool = False) -> Any:
    """A byte-level BPE tokenizer of 700 tokens with ChatML. pattern: how text is split; None is GPT-2's way."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    if compose:
        tokenizer.normalizer = normalizers.NFC()
    if pattern is None:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        split = pre_tokenizers.Split(Regex(pattern), "isolated")
        bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_only])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=CHATML
    )


def sentencepiece(
    special: list[str], template: str, *, prefix: str, bos: str = "<s>", eos: str = "</s>", **more: Any
) -> Any:
    """A BPE tokenizer as transformers makes of a SentencePiece model: bytes, every merge that a piece can come from.

    special: beside <unk>, bos and eos. prefix: where a space that nobody wrote is put: "each" before every text between
    special tokens, "first" at the very beginning alone, "none".
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    learnt = Tokenizer(models.BPE())
    learnt.pre_tokenizer = pre_tokenizers.Metaspace()
    learnt.train_from_iterator(texts(), trainers.BpeTrainer(vocab_size=500, limit_alphabet=90, show_progress=False))
    pieces = [text for text, _ in sorted(learnt.get_vocab().items(), key=lambda item: item[1])]
    first = ["<unk>", bos, eos, *special, *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary = {text: number for number, text in enumerate([*first, *pieces])}
    merges = [
        (piece[:cut], piece[cut:])
        for piece in pieces
        for cut in range(1, len(piece))
        if piece[:cut] in vocabulary and piece[cut:] in vocabulary
    ]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    spaces = normalizers.Replace(" ", "\u2581")
    if prefix == "first":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        prepended = [normalizers.Prepend("\u2581"), spaces]
        tokenizer.normalizer = normalizers.Sequence(prepended) if prefix == "each" else spaces
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(
        [AddedToken(text, normalized=False, special=True, **more) for text in ("<unk>", bos, eos, *special)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, vocabulary[bos])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=bos, eos_token=eos, unk_token="<unk>", chat_template=template
    )


def tokenizer_of(family: str) -> Any:
    """A tokenizer as models of the family have it."""
    if family == "llama":
        return byte_level(LLAMA_BPE)
    if family in ("qwen2", "qwen3"):
        return byte_level(QWEN2, compose=True)
    if family == "phi":
        return byte_level(None)
    if family == "mistral":
        return sentencepiece([], MISTRAL, prefix="each")
    if family == "phi3":
        return sentencepiece(["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"], PHI3, prefix="each", rstrip=False)
    return sentencepiece(["<start_of_turn>", "<end_of_turn>"], GEMMA, prefix="none", bos="<bos>", eos="<eos>")


def config_of(family: str, size: int, **changes: Any) -> Any:
    """A configuration of transformers for a tiny model of the family with `size` tokens."""
    from transformers import AutoConfig

    values: dict[str, Any] = {
        "vocab_size": size,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "initializer_range": 0.1,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
    }
    if family in ("qwen3", "gemma", "gemma2", "gemma3_text"):
        values["head_dim"] = 32  # not hidden size / heads
    if family in ("gemma2", "gemma3_text"):
        values |= {"num_hidden_layers": 7, "sliding_window": 16, "query_pre_attn_scalar": 32}
    if family == "phi":
        values["num_key_value_heads"] = 4
    return AutoConfig.for_model(family, **(values | changes))


def save_model(folder: Path, family: str, *, tokenizer: Any = None, **changes: Any) -> Path:
    """A random model of the family in `folder`, with its tokenizer or another; norms and biases are random too."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = tokenizer or tokenizer_of(family)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config_of(family, len(tokenizer), **changes))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:
                weight += torch.randn(weight.shape) * 0.2
        # Some tokens speak louder: else a random model is torn between tokens, and rounding decides.
        head = model.get_output_embeddings().weight
        head *= torch.randn(head.shape[0], 1).exp()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder

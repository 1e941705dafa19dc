"""Chooses how llama.cpp splits text before it looks for tokens: the way whose tokens are the tokenizer's own.

A GGUF file only names one of llama.cpp's built-in ways (`tokenizer.ggml.pre`); which of them fits a tokenizer stands
nowhere, so every one is tried on 200 texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from finetune.export.llama_vocabulary import LlamaVocabulary
from fireside.errors import ModelError, TrainingError

# One name for each way in llama.cpp's llama-vocab.cpp (several names mean the same), the most common ones first.
BYTE_LEVEL = (
    "qwen2",
    "gpt-2",
    "smollm",
    "gpt-4o",
    "qwen35",
    "deepseek-llm",
    "deepseek-coder",
    "deepseek-v3",
    "falcon",
    "starcoder",
    "refact",
    "command-r",
    "stablelm2",
    "dbrx",
    "olmo",
    "mpt",
    "bloom",
    "chatglm-bpe",
    "viking",
    "poro-chat",
    "exaone",
    "superbpe",
    "seed-coder",
    "hunyuan",
    "kimi-k2",
    "default",
)
# These ways take a word that is a token as it is, without looking for merges.
WHOLE_WORDS = ("llama-bpe", "tekken")

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_PUNCTUATION = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BYTE_LEVEL_SPLITS = {
    "llama-bpe": rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_PUNCTUATION}",
    "qwen2": rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_PUNCTUATION}",
    "smollm": r"\p{N}",
    "gpt-2": "",
}
"""How text is split by the most common ways, as a regular expression (llama.cpp's llama-vocab.cpp); "smollm" takes each
digit by itself and what is between as GPT-2 does."""

Overrides = dict[str, str | bool]


def candidates(model: str, *, whole_words: bool = False) -> list[Overrides]:
    """The ways to try for the GGUF vocabulary `model`, the likely ones first.

    whole_words: whether the tokenizer takes a word that is a token as it is (`ignore_merges`).
    """
    if model == "llama":
        # Whether a text begins with a space that nobody wrote.
        return [{"tokenizer.ggml.add_space_prefix": prefix} for prefix in (True, False)]
    ways = (*WHOLE_WORDS, *BYTE_LEVEL) if whole_words else (*BYTE_LEVEL, *WHOLE_WORDS)
    return [{"tokenizer.ggml.pre": name} for name in ways]


def split_like(way: str) -> Any:
    """A pre-tokenizer of the `tokenizers` package that splits as llama.cpp's `way`, one of BYTE_LEVEL_SPLITS."""
    from tokenizers import Regex, pre_tokenizers

    pattern = BYTE_LEVEL_SPLITS[way]
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=way in ("smollm", "gpt-2"))
    if not pattern:
        return whole
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), whole])


def choose(
    path: Path,
    ways: Sequence[Overrides],
    tokenize: Callable[[str], Sequence[int]],
    samples: Sequence[str],
) -> tuple[Overrides, str | None]:
    """The way whose tokens are those of `tokenize` on most `samples`, and the first text that differs, None if none.

    path: a GGUF file with the vocabulary. ways: at least one. Raises ModelError where llama.cpp reads it in no way.
    """
    expected = [list(tokenize(text)) for text in samples]
    best: tuple[int, Overrides, str] | None = None
    failure: ModelError | None = None
    for overrides in ways:
        try:
            different = differing(path, overrides, expected, samples)
        except ModelError as error:
            # A way that this llama.cpp does not know, or that wants tokens which are not there.
            failure = error
            continue
        if not different:
            return overrides, None
        if best is None or len(different) < best[0]:
            best = (len(different), overrides, different[0])
    if best is None:
        assert failure is not None
        raise failure
    return best[1], best[2]


def differing(path: Path, overrides: Overrides, expected: Sequence[Sequence[int]], samples: Sequence[str]) -> list[str]:
    """The texts that llama.cpp, reading `path` with `overrides`, turns into other tokens than `expected`."""
    vocabulary = LlamaVocabulary(path, overrides)
    try:
        return [
            text
            for text, tokens in zip(samples, expected, strict=True)
            if vocabulary.tokenize(text, begins=False) != list(tokens)
        ]
    finally:
        vocabulary.free()


def refused(text: str) -> TrainingError:
    """The error where no way fits; it names a text."""
    shown = text if len(text) < 60 else f"{text[:57]}..."
    return TrainingError(
        f"llama.cpp has no way to split text as this model's tokenizer does; the first that differs is {shown!r}",
        "export as safetensors: --format safetensors",
    )

"""A tokenizer of transformers as the keys of a GGUF vocabulary: tokens, kinds, merges or scores, special tokens."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from finetune.export.turns import template_of
from fireside.errors import TrainingError

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE_KIND = 1, 2, 3, 4, 5, 6  # gguf.TokenType


@dataclass(frozen=True)
class Tokens:
    """A vocabulary as GGUF holds it.

    model: "gpt2" (byte-level BPE, with `merges`) or "llama" (SentencePiece, with `scores`). kinds: gguf.TokenType.
    special: ids by GGUF's name ("bos", "eos", "unknown", "padding", "eot"). begins, ends: whether a text gets the
    beginning- and end-of-sequence tokens. whole_words: a word that is a token is taken as it is. notes: what llama.cpp
    leaves out, for a person.
    """

    model: Literal["gpt2", "llama"]
    texts: tuple[str, ...]
    kinds: tuple[int, ...]
    merges: tuple[str, ...]
    scores: tuple[float, ...]
    special: dict[str, int]
    begins: bool
    ends: bool
    chat_template: str
    whole_words: bool
    notes: tuple[str, ...] = ()


def read_tokens(tokenizer: Any, size: int, end_of_turn: int | None = None) -> Tokens:
    """The vocabulary of `tokenizer`, a fast tokenizer of transformers, for a model with `size` rows of embeddings.

    end_of_turn: the token behind a reply in the chat template. Raises TrainingError for a kind that GGUF cannot hold.
    """
    document = json.loads(tokenizer.backend_tokenizer.to_str())
    kind = document["model"].get("type") or "BPE"
    if kind != "BPE":
        raise TrainingError(
            f"the tokenizer is of the kind {kind}, and only BPE (byte-level, or SentencePiece's) is exported",
            "export as safetensors: --format safetensors",
        )
    vocabulary = tokenizer.get_vocab()
    if max(vocabulary.values()) >= size:
        raise TrainingError(
            f"the tokenizer has tokens up to {max(vocabulary.values())}, but the model only {size} rows of embeddings",
            "the model's files may be from two models; get them again",
        )
    byte_level = _is_byte_level(document)
    merges = [tuple(merge.split(" ", 1)) if isinstance(merge, str) else tuple(merge) for merge in _merges(document)]
    texts, kinds = _texts_and_kinds(tokenizer, vocabulary, size, byte_level)
    special = {
        name: number
        for name, number in (
            ("bos", tokenizer.bos_token_id),
            ("eos", tokenizer.eos_token_id),
            ("unknown", tokenizer.unk_token_id),
            ("padding", tokenizer.pad_token_id),
            ("eot", end_of_turn if end_of_turn != tokenizer.eos_token_id else None),
        )
        if number is not None
    }
    around = tokenizer("a", add_special_tokens=True)["input_ids"]
    return Tokens(
        model="gpt2" if byte_level else "llama",
        texts=tuple(texts),
        kinds=tuple(kinds),
        merges=tuple(" ".join(merge) for merge in merges) if byte_level else (),
        scores=() if byte_level else tuple(_scores(texts, merges)),
        special=special,
        begins=bool(around) and around[0] == tokenizer.bos_token_id,
        ends=len(around) > 1 and around[-1] == tokenizer.eos_token_id,
        chat_template=template_of(tokenizer),
        whole_words=bool(document["model"].get("ignore_merges")),
        notes=_notes(document),
    )


def _merges(document: dict[str, Any]) -> list[Any]:
    merges: list[Any] = document["model"]["merges"]
    return merges


def _is_byte_level(document: dict[str, Any]) -> bool:
    """Whether bytes are written as printable characters (GPT-2's table), and not as <0x0A>."""
    return '"ByteLevel"' in json.dumps([document.get("pre_tokenizer"), document.get("decoder")])


def _texts_and_kinds(
    tokenizer: Any, vocabulary: dict[str, int], size: int, byte_level: bool
) -> tuple[list[str], list[int]]:
    texts = [f"[PAD{number}]" for number in range(size)]
    kinds = [_UNUSED] * size
    added = tokenizer.added_tokens_decoder
    for text, number in vocabulary.items():
        texts[number], kinds[number] = text, _NORMAL
        if number in added:
            kinds[number] = _CONTROL if added[number].special else _USER_DEFINED
        elif not byte_level and _BYTE.fullmatch(text):
            kinds[number] = _BYTE_KIND
        if not byte_level and number == tokenizer.unk_token_id:
            kinds[number] = _UNKNOWN
    return texts, kinds


def _scores(texts: list[str], merges: list[tuple[str, ...]]) -> list[float]:
    """SentencePiece's scores from merges: llama.cpp joins the pair whose token has the highest score first.

    What no merge makes is a character or a byte, or must not be made: the lowest score.
    """
    rank: dict[str, int] = {}
    for number, merge in enumerate(merges):
        rank.setdefault("".join(merge), number)
    return [-float(rank.get(text, len(merges))) for text in texts]


def _notes(document: dict[str, Any]) -> tuple[str, ...]:
    """Normalisers that llama.cpp does not have."""
    written = json.dumps(document.get("normalizer"))
    lost = [name for name in ("NFC", "NFKC", "NFD", "NFKD", "Lowercase", "StripAccents") if f'"{name}"' in written]
    if not lost:
        return ()
    return (f"llama.cpp does not apply the tokenizer's {', '.join(lost)}: text in another form has other tokens there",)

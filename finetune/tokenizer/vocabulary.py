"""Makes vocabularies on a corpus: the base's own one extended, or a new one, byte-level BPE or SentencePiece's Unigram.

Both are objects of the `tokenizers` package, which is imported only here and where a tokenizer is opened.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from finetune.tokenizer.merges import FEWEST, Pair, more_merges, split_everywhere
from finetune.tokenizer.spelling import SPACE, spelling_of, spelt, token_bytes
from fireside.errors import TrainingError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Kind = Literal["bpe", "unigram"]
KINDS: tuple[Kind, ...] = ("bpe", "unigram")

_SPACED_WORD = re.compile(f"{SPACE}*[^{SPACE}]+|{SPACE}+")
_BYTE_TOKENS = 256
# So unlikely that a byte is taken only where nothing else is left.
_BYTE_PENALTY = 20.0
_FEWEST_NEW = 64


def extended(tokenizer: Tokenizer, texts: Iterable[str], most: int) -> tuple[Tokenizer, tuple[str, ...]]:
    """The vocabulary with up to `most` new tokens learnt from `texts`, and these tokens.

    No new token holds a digit: small models count worse with numbers in pieces of many lengths. Raises TrainingError
    where the vocabulary is not BPE, or the texts have nothing that comes often enough.
    """
    document = json.loads(tokenizer.to_str())
    if document["model"].get("type", "BPE") != "BPE":
        raise TrainingError(
            f"the base's vocabulary is of the kind {document['model']['type']}, and only BPE can be extended",
            "train a new one: --train SIZE",
        )
    spelling = spelling_of(document)
    words = word_counts(tokenizer, texts)
    first: list[str] = _new_characters(document, words)[:most] if spelling == "spaces" else []
    started = _with(document, first, [])
    split = {
        tuple(token.value for token in started.model.tokenize(word)): count
        for word, count in words.items()
        if not any(character.isdigit() for character in word)
    }
    # Bytes of a character that has no token are never joined: they are no text.
    usable = {word: count for word, count in split.items() if not any(token.startswith("<0x") for token in word)}
    vocabulary = json.loads(started.to_str())["model"]["vocab"]
    taken = [*vocabulary, *(token["content"] for token in document["added_tokens"])]
    merges = more_merges(usable, taken, most - len(first))
    added = [*first, *("".join(pair) for pair in merges)]
    if not added:
        raise TrainingError(
            "the data holds nothing that comes often and has no token yet", "give more text, or another --base"
        )
    if spelling == "spaces":
        known = {**vocabulary, **dict.fromkeys(added, 0)}
        merges = [pair for token in added[len(first) :] for pair in split_everywhere(token, known)]
    return _with(document, added, merges), tuple(added)


def trained(texts: Iterable[str], size: int, kind: Kind, special: Sequence[str], begins_with: str = "") -> Tokenizer:
    """A new vocabulary of `size` tokens. special: tokens that text never is, which come first.

    begins_with: the one of them that every text begins with, "" for none. Raises TrainingError where `size` has no
    room, or the texts are too few for it.
    """
    if size < _BYTE_TOKENS + len(special) + _FEWEST_NEW:
        raise TrainingError(
            f"a vocabulary of {size} tokens has no room for 256 bytes and {len(special)} special tokens",
            f"give at least {_BYTE_TOKENS + len(special) + _FEWEST_NEW}",
        )
    made = _bpe(texts, size, special) if kind == "bpe" else _unigram(texts, size, special)
    if begins_with:
        from tokenizers.processors import TemplateProcessing

        number = made.token_to_id(begins_with)
        made.post_processor = TemplateProcessing(
            single=f"{begins_with} $A", pair=f"{begins_with} $A $B", special_tokens=[(begins_with, number)]
        )
    return made


def word_counts(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[str]:
    """How often each word comes, as the vocabulary normalises and splits text before it looks for tokens."""
    spaced = spelling_of(json.loads(tokenizer.to_str())) == "spaces"
    counts: Counter[str] = Counter()
    for text in texts:
        written = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
        parts = [written]
        if tokenizer.pre_tokenizer is not None:
            parts = [part for part, _ in tokenizer.pre_tokenizer.pre_tokenize_str(written)]
        for part in parts:
            counts.update(_SPACED_WORD.findall(part.replace(" ", SPACE)) if spaced else (part,))
    return counts


def old_pieces(token: str, new: dict[str, Any], old: Tokenizer, old_document: dict[str, Any]) -> list[int]:
    """The ids that the old vocabulary has for what `token` of the new one stands for; none where it cannot write it.

    new, old_document: both tokenizer.json, read as JSON.
    """
    number = old.token_to_id(token)
    if number is not None and any(token == added["content"] for added in new["added_tokens"]):
        return [number]
    data = token_bytes(token, spelling_of(new))
    try:
        found = old.model.tokenize(spelt(data, spelling_of(old_document)))
    except Exception:  # tokenizers raises a bare Exception where a vocabulary has no way to write something
        return []
    return [piece.id for piece in found]


def _new_characters(document: dict[str, Any], words: Counter[str]) -> list[str]:
    """Characters without a token, the most frequent first: they would stay bytes for ever, which merges never join."""
    vocabulary = document["model"]["vocab"]
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            if character not in vocabulary and not character.isdigit():
                counts[character] += count
    return [character for character, count in counts.most_common() if count >= FEWEST]


def _with(document: dict[str, Any], tokens: Sequence[str], merges: Sequence[Pair]) -> Tokenizer:
    """The vocabulary with more tokens, numbered on from the last one there is, and more merges behind its own."""
    from tokenizers import Tokenizer

    model = document["model"]
    numbers = [*model["vocab"].values(), *(token["id"] for token in document["added_tokens"])]
    following = max(numbers) + 1
    more = {token: number for number, token in enumerate(tokens, start=following)}
    # Older files write a merge as one string with a space between.
    as_text = bool(model["merges"]) and isinstance(model["merges"][0], str)
    written: list[Any] = [" ".join(pair) if as_text else list(pair) for pair in merges]
    new = {**model, "vocab": {**model["vocab"], **more}, "merges": [*model["merges"], *written]}
    return Tokenizer.from_str(json.dumps({**document, "model": new}))


def _bpe(texts: Iterable[str], size: int, special: Sequence[str]) -> Tokenizer:
    """As GPT-2's, but that each digit is a token, as SmolLM's and Llama 2's are."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), initial_alphabet=alphabet, min_frequency=2, show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    return made


def _unigram(texts: Iterable[str], size: int, special: Sequence[str]) -> Tokenizer:
    """As SentencePiece makes it (arXiv:1804.10959), with a token for each byte, so that any text can be written."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Metaspace(prepend_scheme="never")]
    )
    unknown = "<unk>"
    named = list(dict.fromkeys([*special, unknown]))
    trainer = trainers.UnigramTrainer(
        vocab_size=size - _BYTE_TOKENS, special_tokens=named, unk_token=unknown, show_progress=False
    )
    try:
        made.train_from_iterator(texts, trainer)
    except Exception as error:  # tokenizers raises a bare Exception where there is too little text
        raise TrainingError(f"no vocabulary of {size} tokens can be made: {error}", "give more text") from error
    document = json.loads(made.to_str())
    model = document["model"]
    least = min(score for _, score in model["vocab"]) - _BYTE_PENALTY
    model["vocab"] += [[f"<0x{byte:02X}>", least] for byte in range(_BYTE_TOKENS)]
    model["byte_fallback"] = True
    written = Tokenizer.from_str(json.dumps(document))
    written.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    return written

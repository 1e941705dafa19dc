"""Makes a base with another vocabulary, from reading the old one to a folder that a run takes, and measures it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.base import Base
from finetune.data.conversation import Conversation, texts
from finetune.data.split import split_by_hash
from finetune.tokenizer.fit import Fits, fits
from finetune.tokenizer.vocabulary import Kind, extended, old_pieces, trained
from fireside.errors import ModelError, StorageError, TrainingError
from fireside.paths import ensure_folder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_HELD_BACK = 0.1
# From so many rows on, some can be spared to measure on.
_ENOUGH_ROWS = 20
_COMPARED_TEXTS, _COMPARED_TOKENS = 4, 128


@dataclass(frozen=True)
class Rebuilt:
    """What was made, and how it compares with what was there.

    old_size, new_size: tokens. added: the new tokens as text, of an extension. held_back: whether `before` and `after`
    are of rows that the vocabulary was not made on. before, after: tokens per word. kept_ids: whether every old token
    has its old id. same_split: texts that split as before, but for joined neighbours, of `compared`.
    logits_difference: the largest between both models on old tokens, None where ids are new. nats_per_character: the
    loss before and after, untrained, on a few of the texts.
    """

    old_size: int
    new_size: int
    added: tuple[str, ...]
    held_back: bool
    before: Fits
    after: Fits
    kept_ids: bool
    same_split: int
    compared: int
    logits_difference: float | None
    nats_per_character: tuple[float, float]

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "old_size": self.old_size,
            "new_size": self.new_size,
            "added": list(self.added),
            "held_back": self.held_back,
            "before": self.before.as_json(),
            "after": self.after.as_json(),
            "kept_ids": self.kept_ids,
            "same_split": self.same_split,
            "compared": self.compared,
            "logits_difference": self.logits_difference,
            "nats_per_character": list(self.nats_per_character),
        }


def extend_base(
    base: Base, rows: Sequence[Conversation], most: int, target: Path, told: Callable[[str], None] = lambda line: None
) -> Rebuilt:
    """Write `base` with up to `most` new tokens learnt from `rows` into the new folder `target`.

    told: called with what is being done. Raises TrainingError (nothing to learn, not BPE), ModelError, StorageError.
    """

    def make(wrapper: Any, learnt: list[str]) -> tuple[Tokenizer, tuple[str, ...]]:
        return extended(wrapper.backend_tokenizer, learnt, most)

    return _rebuilt(base, rows, make, target, told)


def retrain_base(
    base: Base,
    rows: Sequence[Conversation],
    size: int,
    kind: Kind,
    target: Path,
    told: Callable[[str], None] = lambda line: None,
) -> Rebuilt:
    """Write `base` with a new vocabulary of `size` tokens learnt from `rows` into the new folder `target`.

    Special tokens are kept, with new ids. Raises as `extend_base`.
    """

    def make(wrapper: Any, learnt: list[str]) -> tuple[Tokenizer, tuple[str, ...]]:
        special = [t.content for _, t in sorted(wrapper.added_tokens_decoder.items()) if t.special]
        begins = wrapper("a")["input_ids"][:1] == [wrapper.bos_token_id]
        return trained(learnt, size, kind, special, wrapper.bos_token if begins else ""), ()

    return _rebuilt(base, rows, make, target, told)


def _rebuilt(
    base: Base,
    rows: Sequence[Conversation],
    make: Callable[[Any, list[str]], tuple[Tokenizer, tuple[str, ...]]],
    target: Path,
    told: Callable[[str], None],
) -> Rebuilt:
    import torch
    import transformers

    from finetune.tokenizer.resize import resize
    from finetune.weights import load

    if target.exists():
        raise StorageError(f"{target} is there already", "name a folder that is not")
    kept = [row for row in rows if row.dropped is None]
    spare = len(kept) >= _ENOUGH_ROWS
    split = split_by_hash(kept, _HELD_BACK) if spare else None
    learnt = [text for row in (split.train if split else kept) for text in texts(row) if text]
    measured = split.held_back if split else tuple(kept)
    told("reading the base's vocabulary")
    wrapper = open_wrapper(base)
    old = wrapper.backend_tokenizer
    told("learning tokens")
    new, added = make(wrapper, learnt)
    old_document, new_document = json.loads(old.to_str()), json.loads(new.to_str())
    ids = sorted(new.get_vocab(with_added_tokens=True).items(), key=lambda item: item[1])
    if [number for _, number in ids] != list(range(len(ids))):
        raise TrainingError("the base's vocabulary has gaps between its ids", "use another base model")
    known = old.get_vocab(with_added_tokens=True)
    pieces = [
        [known[token]] if added and token in known else old_pieces(token, new_document, old, old_document)
        for token, _ in ids
    ]
    samples = [text for row in measured for text in texts(row) if text]
    same, kept_ids = _same_split(samples, old, new, pieces), all(new.token_to_id(t) == n for t, n in known.items())
    before, after = fits(measured, _counter(old)), fits(measured, _counter(new))

    fresh = set(added)
    told("changing the embeddings")
    voice: Any = transformers.logging  # its functions have no types
    voice.disable_progress_bar()
    model = load(base)
    few = samples[:_COMPARED_TEXTS]
    with torch.inference_mode():
        old_ids = [_ids(old, text) for text in few]
        old_logits = [model(input_ids=ids[None]).logits[0] for ids in old_ids]
    rows_before = int(model.get_input_embeddings().weight.shape[0])
    resize(model, pieces, max(rows_before, len(pieces)) if added else len(pieces))
    renumbered = _wrapper_for(new, wrapper)
    _renumber(model, wrapper, renumbered)
    with torch.inference_mode():
        difference = None
        if added:
            # The new tokens have columns of their own.
            differences = [
                (model(input_ids=ids[None]).logits[0, :, : len(known)] - was[:, : len(known)]).abs().max()
                for ids, was in zip(old_ids, old_logits, strict=True)
            ]
            difference = float(max(differences, default=torch.tensor(0.0)))
        new_ids = [_ids(new, text) for text in few]
        new_logits = [model(input_ids=ids[None]).logits[0] for ids in new_ids]
    losses = (_nats_per_character(old, old_ids, old_logits), _nats_per_character(new, new_ids, new_logits))
    told("writing")
    with _new_folder(target) as folder:
        model.save_pretrained(str(folder))
        renumbered.save_pretrained(str(folder))
    return Rebuilt(
        old_size=len(known),
        new_size=len(ids),
        added=tuple(new.decode([number]) for token, number in ids if token in fresh),
        held_back=spare,
        before=before,
        after=after,
        kept_ids=kept_ids,
        same_split=same,
        compared=len(samples),
        logits_difference=difference,
        nats_per_character=losses,
    )


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill, which takes its place as `target` when it is whole; nothing is left of it where that fails."""
    ensure_folder(target.parent)
    folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield folder
        folder.chmod(0o755)
        folder.rename(target)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}", "free some space") from error
    except Exception as error:
        if "No space left" not in str(error):  # safetensors tells a full disk only in words
            raise
        raise StorageError(f"cannot write {target}: the disk is full", "free some space") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def open_wrapper(base: Base) -> Any:
    """The base's tokenizer as transformers opens it, a fast one. Raises ModelError."""
    from transformers import AutoTokenizer

    try:
        if base.path.is_dir():
            found = AutoTokenizer.from_pretrained(str(base.path), local_files_only=True, trust_remote_code=False)
        else:
            found = AutoTokenizer.from_pretrained(
                str(base.path.parent), gguf_file=base.path.name, local_files_only=True
            )
        found.backend_tokenizer.to_str()
    except Exception as error:  # a model's files are a stranger's; whatever reading them fails with is their fault
        said = " ".join(str(error).split())[:200]
        raise ModelError(f"cannot read the tokenizer of {base.path.name}: {said}", "use another base model") from error
    return found


def _wrapper_for(tokenizer: Tokenizer, like: Any) -> Any:
    """The tokenizer for transformers, with the special tokens and the chat template of another."""
    import transformers

    kind: Any = transformers.PreTrainedTokenizerFast  # has no types
    named = {name: str(token) for name, token in like.special_tokens_map.items() if isinstance(token, str)}
    wrapper = kind(tokenizer_object=tokenizer, **named)
    wrapper.chat_template = like.chat_template
    wrapper.clean_up_tokenization_spaces = False
    return wrapper


def _renumber(model: Any, old: Any, new: Any) -> None:
    """The ids of special tokens in the model's configurations, as the new vocabulary has them."""

    def moved(number: Any) -> Any:
        if isinstance(number, list):
            return [moved(each) for each in number]
        token = old.convert_ids_to_tokens(number) if isinstance(number, int) else None
        return new.convert_tokens_to_ids(token) if token is not None else number

    for configuration in (model.config, model.generation_config):
        for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
            if configuration is not None and getattr(configuration, name, None) is not None:
                setattr(configuration, name, moved(getattr(configuration, name)))


def _counter(tokenizer: Tokenizer) -> Callable[[str], int]:
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def _same_split(samples: Sequence[str], old: Tokenizer, new: Tokenizer, pieces: Sequence[Sequence[int]]) -> int:
    """How many texts the new vocabulary splits as the old one does, once its new tokens are taken apart."""
    same = 0
    for text in samples:
        taken_apart = [old_id for number in new.encode(text, add_special_tokens=False).ids for old_id in pieces[number]]
        same += taken_apart == old.encode(text, add_special_tokens=False).ids
    return same


def _ids(tokenizer: Tokenizer, text: str) -> Any:
    import torch

    return torch.tensor(tokenizer.encode(text, add_special_tokens=False).ids[:_COMPARED_TOKENS] or [0])


def _nats_per_character(tokenizer: Tokenizer, ids: Sequence[Any], logits: Sequence[Any]) -> float:
    """The loss on the texts, by which vocabularies of different sizes can be compared."""
    import torch

    nats, characters = 0.0, 0
    for each, scores in zip(ids, logits, strict=True):
        nats += float(torch.nn.functional.cross_entropy(scores[:-1].float(), each[1:], reduction="sum"))
        characters += len(tokenizer.decode(each[1:].tolist(), skip_special_tokens=False))
    return nats / characters if characters else 0.0

"""A model's vocabulary: text to tokens and back to bytes, special tokens, and where a reply ends."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from fireside.errors import ModelError
from fireside.models.hf.weights import load_failure

# End-of-turn tokens that count wherever a vocabulary has them as special tokens, as in llama.cpp: not every
# generation_config.json names its model's.
_ENDS = {
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<end_of_turn>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "</s>",
}
_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


class HfTokenizer:
    """transformers' tokenizer of a model; `native` is its own object. vocabulary_size: how many logits there are."""

    def __init__(self, path: Path, size: int, ends: Iterable[int]) -> None:
        """Read the tokenizer of the folder or GGUF file `path`. ends: tokens at which the model's files end a reply.

        Raises ModelError where there is none, or it is no tokenizer.json.
        """
        from transformers import AutoTokenizer

        if path.is_dir() and not any((path / name).exists() for name in _FILES):
            raise ModelError(f"{path.name} has no tokenizer", "get the model again, with all its files")
        gguf = {} if path.is_dir() else {"gguf_file": path.name}
        folder = path if path.is_dir() else path.parent
        try:
            native = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False, **gguf)
        except Exception as error:  # the files are a stranger's; whatever reading them fails with is their fault
            raise load_failure(path, error) from error
        if not getattr(native, "is_fast", False):
            raise ModelError(f"{path.name} has no tokenizer.json", "get the model again, with all its files")
        self.native = native
        self.vocabulary_size = size
        self._added = {number: token for number, token in native.added_tokens_decoder.items() if number < size}
        # Beginning-of-sequence is added here, not by the tokenizer's post-processor: so it is there exactly once.
        first = native("a", add_special_tokens=True)["input_ids"][:1]
        self._begins = first if first and first == [native.bos_token_id] else []
        self._ends = {
            *(end for end in [*ends, native.eos_token_id] if end is not None),
            *(number for number, token in self._added.items() if token.special and token.content in _ENDS),
        }
        # GPT-2's byte-level vocabularies write each byte as a printable character; others write a space as U+2581,
        # and bytes without a token of their own as <0x0A>.
        self._bytes = byte_characters() if b"ByteLevel" in native.backend_tokenizer.decoder.__getstate__() else None
        self._written_out: dict[int, bytes] = {}
        self._pieces: dict[int, bytes] = {}

    @property
    def chat_template(self) -> str | None:
        """The model's chat template, jinja source; None where it has none (a base model)."""
        template = self.native.chat_template
        if isinstance(template, dict):
            template = template.get("tool_use") or template.get("default")
        return template or None

    @property
    def bos_token(self) -> str:
        """The text of the beginning-of-sequence token, "" for none."""
        return self.native.bos_token or ""

    @property
    def eos_token(self) -> str:
        """The text of the end-of-sequence token, "" for none."""
        return self.native.eos_token or ""

    @property
    def ends(self) -> list[int]:
        """The tokens at which a reply ends."""
        return sorted(self._ends)

    def special_tokens(self) -> list[str]:
        """The texts of all tokens that `tokenize` recognises as such: what must not be found in untrusted text."""
        return [token.content for token in self._added.values() if len(token.content) > 1 and token.content.strip()]

    def write_out(self, markers: Iterable[str]) -> None:
        """From now on, `piece` gives the special tokens in `markers` as their text; other special tokens have none."""
        wanted = set(markers)
        self._written_out = {
            number: token.content.encode() for number, token in self._added.items() if token.content in wanted
        }
        self._pieces.clear()

    def tokenize(self, text: str, *, add_special: bool) -> list[int]:
        """Token ids of `text`. add_special: put the beginning-of-sequence token first where the model wants one.

        Special tokens in `text` are recognised; untrusted parts have gone through `fireside.text.for_prompt`.
        """
        tokens: list[int] = self.native.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False)
        return [*self._begins, *tokens] if add_special else tokens

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for, which may be part of a character; b"" for special tokens."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._written_out.get(token) or self._piece(token)
        return known

    def ends_turn(self, token: int) -> bool:
        """Whether a reply ends at this token."""
        return token in self._ends

    def _piece(self, token: int) -> bytes:
        added = self._added.get(token)
        if added is not None:
            return b"" if added.special else added.content.encode()
        # Models have more logits than tokens where their vocabulary is padded.
        text = self.native.convert_ids_to_tokens(token)
        if not isinstance(text, str):
            return b""
        if self._bytes is not None:
            return b"".join(self._bytes.get(character, character.encode()) for character in text)
        if byte := _BYTE.fullmatch(text):
            return bytes([int(byte[1], 16)])
        return text.replace("\u2581", " ").encode()


def byte_characters() -> dict[str, bytes]:
    """Which byte each character of a byte-level vocabulary stands for (GPT-2's table, its `bytes_to_unicode`).

    Printable bytes stand for themselves; the others are moved, in order, behind U+00FF.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): bytes([byte]) for byte in printable}
    return table | {chr(0x100 + index): bytes([byte]) for index, byte in enumerate(moved)}

"""A model's tokens as bytes, and as llguidance knows them: built once for a model, used for all its constraints."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from fireside.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from llguidance import LLMatcher, LLTokenizer
    from numpy.typing import NDArray

_LONG_PIECE = 16  # bytes of a token, beyond which it is not looked for in a text
_LONGEST_PIECE = 4096  # bytes
_REMEMBERED = 32
T = TypeVar("T")


class Vocabulary:
    """The tokens of a model. Building one takes about 0.2 s for 49,000 tokens."""

    def __init__(self, tokenizer: LLTokenizer) -> None:
        """tokenizer: llguidance's; see `from_llama` and `from_transformers`."""
        self.tokenizer = tokenizer
        self.size: int = tokenizer.vocab_size
        self.ends: tuple[int, ...] = tuple(tokenizer.eos_tokens)
        self._completing: dict[bytes, list[tuple[int, bytes]]] = {}
        self._remembered: dict[str, Any] = {}

    @classmethod
    def from_llama(cls, vocabulary: Any) -> Vocabulary:
        """The vocabulary behind a `llama_vocab` pointer, which must stay valid as long as this is used."""
        import llama_cpp
        from llguidance import LLTokenizer

        # llguidance.llamacpp does the same with a call that llama.cpp has deprecated, in half again the time.
        size = llama_cpp.llama_vocab_n_tokens(vocabulary)
        buffer = ctypes.create_string_buffer(_LONGEST_PIECE)
        to_piece, attributes = llama_cpp.llama_token_to_piece, llama_cpp.llama_vocab_get_attr
        control, user = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL, llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED
        string_at = ctypes.string_at
        pieces, ends = [], []
        for token in range(size):
            length = to_piece(vocabulary, token, buffer, _LONGEST_PIECE, 0, True)
            piece = string_at(buffer, max(length, 0))
            kind = attributes(vocabulary, token)
            if kind & control or (kind & user and piece[:1] == b"<" and piece[-1:] == b">"):
                piece = b"\xff" + piece  # llguidance's mark of a token that is no text
                if llama_cpp.llama_vocab_is_eog(vocabulary, token):
                    ends.append(token)
            pieces.append(piece)
        usual = llama_cpp.llama_vocab_eos(vocabulary)
        ends = ends or [usual if usual >= 0 else 0]
        tokenize = ctypes.cast(llama_cpp.llama_cpp._lib.llama_tokenize, ctypes.c_void_p).value
        built = cast(Any, LLTokenizer).from_llamacpp(
            tokens=pieces, vocab_ptr=vocabulary, tokenize_fptr=tokenize, eos_token=ends
        )
        return cls(built)

    @classmethod
    def from_transformers(cls, tokenizer: Any, ends: Sequence[int] = ()) -> Vocabulary:
        """The vocabulary of a fast tokenizer. ends: the tokens that end a turn, where there is more than its own."""
        from llguidance.hf import from_tokenizer

        return cls(from_tokenizer(tokenizer, eos_token=list(ends) or None))

    @cached_property
    def pieces(self) -> list[bytes]:
        """The bytes of every token; those of special tokens are their names."""
        return [self.tokenizer.decode_bytes([token]) for token in range(self.size)]

    def bias(self, matcher: LLMatcher) -> NDArray[np.float32]:
        """What to add to each token's logit: 0 where `matcher` allows it, else -inf. The array is used again."""
        import numpy as np

        mask, table, bias = self._masking
        matcher.unsafe_compute_mask_ptr(mask.ctypes.data, mask.nbytes)
        np.take(table, mask, axis=0, out=bias, mode="clip")
        return bias.reshape(-1)[: self.size]

    @cached_property
    def _masking(self) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
        """Room for a mask of one bit a token; the biases that each of 256 bytes of it stands for; room for the biases.

        A table is ten times as fast as unpacking the bits and choosing by them.
        """
        import numpy as np

        mask = np.zeros((self.size + 31) // 32 * 4, dtype=np.uint8)
        bits = np.unpackbits(np.arange(256, dtype=np.uint8).reshape(-1, 1), axis=1, bitorder="little")
        table = np.where(bits, np.float32(0), np.float32("-inf"))
        return mask, table, np.empty((len(mask), 8), dtype=np.float32)

    def remembered(self, key: str, make: Callable[[], T]) -> T:
        """What `make` made for `key` before, as long as it is one of the last few that were asked for."""
        found: T = self._remembered.pop(key, None) or make()
        self._remembered[key] = found
        if len(self._remembered) > _REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        return found

    def spell(self, data: bytes) -> list[int]:
        """Few tokens that are `data` together; it can begin within a character. Raises ModelError: there are none."""
        tokens = self.tokenizer.tokenize_bytes(data)
        if self.tokenizer.decode_bytes(tokens) == data and not any(map(self.tokenizer.is_special_token, tokens)):
            return list(tokens)
        return self.spell_short(data)  # some tokenizers put a space first, or know the text as a special token

    def fewest(self, data: bytes) -> list[float]:
        """How few tokens `data` needs from each of its bytes on, and at its end; infinite where there are none."""
        return [count for count, _ in self._shortest(data)]

    def spell_short(self, data: bytes) -> list[int]:
        """As few tokens for `data` as there can be, whatever the model is used to. Raises ModelError."""
        ways, place, tokens = self._shortest(data), 0, []
        while place < len(data):
            size = ways[place][1]
            if not size:
                raise _unwritable(data)
            tokens.append(self._by_piece[data[place : place + size]])
            place += size
        return tokens

    def _shortest(self, data: bytes) -> list[tuple[float, int]]:
        """For each place in `data`: the fewest tokens from there on, and the length of the first of them."""
        ways: list[tuple[float, int]] = [(0, 0)]  # from the end on
        for place in range(len(data) - 1, -1, -1):
            best: tuple[float, int] = (float("inf"), 0)
            for size in range(1, min(len(data) - place, _LONG_PIECE) + 1):
                count = ways[-size][0] + 1
                if count < best[0] and data[place : place + size] in self._by_piece:
                    best = count, size
            ways.append(best)
        return ways[::-1]

    def special(self, text: str) -> int | None:
        """The special token of this name."""
        found = self.completing(text.encode(), within=False)
        return next((token for token, rest in found if not rest and self.tokenizer.is_special_token(token)), None)

    def weights(self, weights: Sequence[float]) -> NDArray[np.float64]:
        """For every token, the sum of the weights of its bytes, which are given for each of the 256."""
        import numpy as np

        begins, data = self._joined
        sums = np.concatenate(([0.0], np.cumsum(np.asarray(weights)[np.frombuffer(data, dtype=np.uint8)])))
        return np.asarray(sums[begins[1:]] - sums[begins[:-1]])

    def completing(self, text: bytes, *, within: bool) -> list[tuple[int, bytes]]:
        """The tokens that begin with `text`, or hold it (`within`), each with the bytes behind it."""
        key = text + (b"*" if within else b"^")
        known = self._completing.get(key)
        if known is None:
            import numpy as np

            begins, data = self._joined
            known, place = [], data.find(text)
            while place >= 0:
                token = int(np.searchsorted(begins, place, side="right")) - 1
                end = int(begins[token + 1])
                if place + len(text) <= end and (within or int(begins[token]) == place):
                    known.append((token, data[place + len(text) : end]))
                    place = data.find(text, end)
                else:
                    place = data.find(text, place + 1)
            if len(self._completing) < 1000:
                self._completing[key] = known
        return known

    @cached_property
    def _joined(self) -> tuple[NDArray[np.int64], bytes]:
        """Where each token begins in the bytes of all tokens, with the end as the last; and these bytes."""
        import numpy as np

        lengths = np.fromiter((len(piece) for piece in self.pieces), dtype=np.int64, count=self.size)
        return np.concatenate(([0], np.cumsum(lengths))), b"".join(self.pieces)

    @cached_property
    def _by_piece(self) -> dict[bytes, int]:
        special = self.tokenizer.is_special_token
        return {piece: token for token, piece in enumerate(self.pieces) if piece and not special(token)}


def _unwritable(data: bytes) -> ModelError:
    return ModelError(f"the constraint holds {data[:20]!r}, which the model has no tokens for", "use other characters")

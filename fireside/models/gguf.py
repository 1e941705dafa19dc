"""The llama.cpp engine: one model, one context, tokens in and pieces of text out. Runs inside the worker process.

It stands on llama-cpp-python's low-level calls: its high-level class detokenises the whole reply at every token and
takes one adapter, at load time. The KV cache keeps the last prompt and reply, so that the next request only computes
what differs, and is emptied when the adapters change.
"""

from __future__ import annotations

import ctypes
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fireside.cores import usable_cores
from fireside.errors import AdapterError, ModelError
from fireside.models.detokenizer import Detokenizer
from fireside.models.gguf_header import read_header
from fireside.models.samplers import TokenSampler
from fireside.models.sampling import Sampling
from fireside.models.types import Finished, FinishReason, Timings, Usage

# Prompt tokens computed between two looks at the cancel flag: Escape during a long prompt takes effect within that.
_PREFILL_STEP = 256


@dataclass(frozen=True)
class Loading:
    """How to load a model: `threads` 0 means all cores this process may use, `gpu_layers` -1 all layers."""

    path: Path
    context_length: int = 4096
    threads: int = 0
    gpu_layers: int = 0


class Engine:
    """A loaded GGUF model with its context. Not thread-safe: one caller at a time. `close` frees it."""

    def __init__(self, loading: Loading) -> None:
        """Load the model. Raises ModelError: not a GGUF file, damaged, unknown architecture, not enough memory."""
        header = read_header(loading.path)
        if header.text("general.type") == "adapter":
            raise ModelError(f"{loading.path.name} is an adapter, not a model", "apply it with --adapter or /adapter")
        import llama_cpp

        self._lib = llama_cpp
        self._log = _collect_log(llama_cpp)
        llama_cpp.llama_backend_init()
        self.header = header
        self._adapters: dict[tuple[Path, int], Any] = {}
        self._applied: tuple[tuple[Path, int, float], ...] = ()
        self._cached: list[int] = []
        model_parameters = llama_cpp.llama_model_default_params()
        model_parameters.n_gpu_layers = loading.gpu_layers
        self._context: Any = None
        self._model = llama_cpp.llama_model_load_from_file(str(loading.path).encode(), model_parameters)
        if not self._model:
            raise ModelError(f"llama.cpp cannot load {loading.path.name}: {self._last_log()}", "use another model file")
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        trained_length = llama_cpp.llama_model_n_ctx_train(self._model)
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = min(loading.context_length, trained_length) if trained_length > 0 else loading.context_length
        parameters.n_batch = parameters.n_ubatch = min(512, parameters.n_ctx)
        parameters.n_threads = parameters.n_threads_batch = loading.threads or usable_cores()
        parameters.no_perf = True
        self._context = llama_cpp.llama_init_from_model(self._model, parameters)
        if not self._context:
            reason = self._last_log()
            self.close()
            raise ModelError(
                f"there is not enough memory for a context of {parameters.n_ctx} tokens: {reason}",
                "set model.context_length to a smaller number",
            )
        self.context_length: int = llama_cpp.llama_n_ctx(self._context)
        self.parameters: int = llama_cpp.llama_model_n_params(self._model)
        self._special_tokens = self._recognised()

    @property
    def architecture(self) -> str:
        """The model's architecture as GGUF names it ("llama", "qwen3", ...)."""
        return self.header.text("general.architecture")

    @property
    def chat_template(self) -> str | None:
        """The chat template of the model file, jinja source; None where it has none (a base model)."""
        return self.header.text("tokenizer.chat_template") or None

    def special_tokens(self) -> list[str]:
        """The texts of all tokens that `tokenize` recognises as special: what must not be found in untrusted text."""
        return self._special_tokens

    def token_text(self, key: str) -> str:
        """The text of the token whose id the metadata holds under `key` ("tokenizer.ggml.bos_token_id"), else ""."""
        number = self.header.metadata.get(key)
        size = self._lib.llama_vocab_n_tokens(self._vocabulary)
        return self._written(number) if isinstance(number, int) and 0 <= number < size else ""

    def _recognised(self) -> list[str]:
        """llama.cpp's own notion of special tokens, which goes beyond the file's: known end markers always count."""
        lib = self._lib
        special = lib.LLAMA_TOKEN_ATTR_UNKNOWN | lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_USER_DEFINED
        tokens = [
            token
            for token in range(lib.llama_vocab_n_tokens(self._vocabulary))
            if lib.llama_vocab_get_attr(self._vocabulary, token) & special
        ]
        return [text for text in map(self._written, tokens) if len(text) > 1]

    def _written(self, token: int) -> str:
        """A token as the vocabulary writes it."""
        return str(self._lib.llama_vocab_get_text(self._vocabulary, token).decode("utf-8", "replace"))

    def tokenize(self, text: str, *, add_special: bool) -> list[int]:
        """Token ids of `text`. add_special: put the beginning-of-sequence token first where the model wants one.

        Special tokens in `text` are recognised; untrusted parts have gone through `fireside.text.for_prompt`.
        """
        data = text.encode("utf-8", "replace")
        capacity = len(data) + 8
        buffer = (self._lib.llama_token * capacity)()
        count = self._lib.llama_tokenize(self._vocabulary, data, len(data), buffer, capacity, add_special, True)
        if count < 0:
            raise ModelError("the text could not be turned into tokens", "shorten it, or use another model file")
        return list(buffer[:count])

    def text(self, tokens: Sequence[int]) -> str:
        """The text of `tokens`; special tokens have none."""
        return b"".join(self._piece(token) for token in tokens).decode("utf-8", "replace")

    def ends_turn(self, token: int) -> bool:
        """Whether a reply ends at this token."""
        return bool(self._lib.llama_vocab_is_eog(self._vocabulary, token))

    def apply_adapters(self, adapters: Sequence[tuple[Path, float]]) -> None:
        """Make `adapters` (file, scale) the active ones; the model stays loaded. Raises AdapterError.

        Adapter files stay loaded for the next use; one that was written anew is loaded anew.
        The KV cache is emptied if, and only if, the set or a scale changed.
        """
        wanted = tuple((path, _modified(path), float(scale)) for path, scale in adapters if scale != 0)
        if wanted == self._applied:
            return
        handles = [self._adapter(path, modified) for path, modified, _ in wanted]
        array = (self._lib.llama_adapter_lora_p_ctypes * max(len(handles), 1))(*handles)
        scales = (ctypes.c_float * max(len(handles), 1))(*(scale for _, _, scale in wanted))
        if self._lib.llama_set_adapters_lora(self._context, array, len(handles), scales) != 0:
            raise AdapterError("llama.cpp refused the adapter", "check that it was made for this model")
        self._applied = wanted
        self._forget()

    def _adapter(self, path: Path, modified: int) -> Any:
        if (path, modified) not in self._adapters:
            if not path.exists():
                raise AdapterError(f"there is no adapter file {path}", "it was removed; /adapter off takes it out")
            adapter_header = read_header(path)
            if adapter_header.text("general.architecture") != self.architecture:
                raise AdapterError(
                    f"{path.name} was made for the architecture {adapter_header.text('general.architecture')!r}, "
                    f"and this model is {self.architecture!r}",
                    "choose the model it was trained on, or another adapter",
                )
            handle = self._lib.llama_adapter_lora_init(self._model, str(path).encode())
            if not handle:
                raise AdapterError(
                    f"{path.name} does not fit this model: {self._last_log()}",
                    "choose the model it was trained on, or another adapter",
                )
            self._adapters[path, modified] = handle
        return self._adapters[path, modified]

    def generate(
        self,
        tokens: Sequence[int],
        sampling: Sampling,
        max_tokens: int,
        *,
        grammar: str | None = None,
        stop: Sequence[str] = (),
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Iterator[str | Finished]:
        """Continue `tokens`: pieces of text as they come, then `Finished` (without load time).

        cancelled: asked before every token and between parts of a long prompt. Raises ModelError where the prompt does
        not fit the context with room for at least one token.
        """
        if not tokens:
            raise ModelError("the prompt is empty", "write something for the model to continue")
        if len(tokens) >= self.context_length:
            raise ModelError(
                f"the prompt has {len(tokens)} tokens and the model's context holds {self.context_length}",
                "shorten it, begin a new conversation, or raise model.context_length",
            )
        began = time.perf_counter()
        cached = self._keep_prefix(tokens)
        completed = self._prefill(tokens[cached:], cancelled)
        prefill_s = time.perf_counter() - began
        reason: FinishReason = "cancelled"
        written = 0
        first_token_s = 0.0
        if completed:
            detokenizer = Detokenizer(stop)
            sampler = TokenSampler(self._vocabulary, sampling, secrets.randbits(32), grammar)
            try:
                limit = min(max_tokens, self.context_length - len(tokens))
                reason = "length"
                while written < limit:
                    if cancelled():
                        reason = "cancelled"
                        break
                    token = sampler.sample(self._context)
                    if written == 0:
                        first_token_s = time.perf_counter() - began
                    if self._lib.llama_vocab_is_eog(self._vocabulary, token):
                        reason = "stop"
                        break
                    written += 1
                    if text := detokenizer.push(self._piece(token)):
                        yield text
                    if detokenizer.stopped:
                        reason = "stop"
                        break
                    # The last token allowed needs no successor, so it is not computed.
                    if written < limit:
                        self._decode([token])
            finally:
                sampler.free()
            if text := detokenizer.close():
                yield text
        decode_s = time.perf_counter() - began - prefill_s
        yield Finished(
            reason,
            Usage(len(tokens), cached, written),
            Timings(0.0, prefill_s, first_token_s, written / decode_s if written and decode_s > 0 else 0.0),
        )

    def logits(self, tokens: Sequence[int]) -> Any:
        """Teacher-forced logits, float32 array (len(tokens), vocabulary): row i predicts token i + 1.

        The cache is not used, so that every call computes the same. For checks, not for chat.
        """
        import numpy as np

        self._forget()
        size = self._lib.llama_vocab_n_tokens(self._vocabulary)
        rows = np.empty((len(tokens), size), dtype=np.float32)
        step = self._lib.llama_n_batch(self._context)
        for begin in range(0, len(tokens), step):
            part = tokens[begin : begin + step]
            self._decode(part, all_logits=True)
            for index in range(len(part)):
                pointer = self._lib.llama_get_logits_ith(self._context, index)
                rows[begin + index] = np.ctypeslib.as_array(pointer, shape=(size,))
        self._forget()
        return rows

    def _keep_prefix(self, tokens: Sequence[int]) -> int:
        """Cut the KV cache back to what it shares with `tokens`, at least one token short; return that length."""
        common = 0
        for known, wanted in zip(self._cached, tokens[:-1], strict=False):
            if known != wanted:
                break
            common += 1
        if common < len(self._cached):
            memory = self._lib.llama_get_memory(self._context)
            # Recurrent and sliding-window models cannot always be cut: then everything is computed again.
            if not self._lib.llama_memory_seq_rm(memory, 0, common, -1):
                self._forget()
                return 0
            del self._cached[common:]
        return common

    def _prefill(self, tokens: Sequence[int], cancelled: Callable[[], bool]) -> bool:
        """Compute the prompt's new part; False if cancelled on the way (what was computed stays cached)."""
        for begin in range(0, len(tokens), _PREFILL_STEP):
            if cancelled():
                return False
            self._decode(tokens[begin : begin + _PREFILL_STEP])
        return True

    def _decode(self, tokens: Sequence[int], *, all_logits: bool = False) -> None:
        """Compute `tokens` after those in the cache, with logits for the last, or for all."""
        count = len(tokens)
        if all_logits:
            batch = self._lib.llama_batch_init(count, 0, 1)
            for index, token in enumerate(tokens):
                batch.token[index], batch.pos[index] = token, len(self._cached) + index
                batch.n_seq_id[index], batch.seq_id[index][0], batch.logits[index] = 1, 0, True
            batch.n_tokens = count
            status = self._lib.llama_decode(self._context, batch)
            self._lib.llama_batch_free(batch)
        else:
            array = (self._lib.llama_token * count)(*tokens)
            status = self._lib.llama_decode(self._context, self._lib.llama_batch_get_one(array, count))
        if status != 0:
            self._forget()
            raise ModelError(
                f"llama.cpp could not compute the next tokens (status {status})", "begin a new conversation"
            )
        self._cached.extend(tokens)

    def _forget(self) -> None:
        """Empty the KV cache."""
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._context), True)
        self._cached.clear()

    def _piece(self, token: int) -> bytes:
        """The bytes a token stands for."""
        buffer = ctypes.create_string_buffer(64)
        length = self._lib.llama_token_to_piece(self._vocabulary, token, buffer, 64, 0, False)
        if length < 0:
            buffer = ctypes.create_string_buffer(-length)
            length = self._lib.llama_token_to_piece(self._vocabulary, token, buffer, -length, 0, False)
        return buffer.raw[:length]

    def _last_log(self) -> str:
        return self._log[-1] if self._log else "no reason given"

    def close(self) -> None:
        """Free adapters, context and model."""
        for handle in self._adapters.values():
            self._lib.llama_adapter_lora_free(handle)
        self._adapters.clear()
        if self._context:
            self._lib.llama_free(self._context)
            self._context = None
        if self._model:
            self._lib.llama_model_free(self._model)
            self._model = None


_log_callback: Any = None
_log_lines: list[str] = []


def _collect_log(llama_cpp: Any) -> list[str]:
    """Keep llama.cpp's last error lines, instead of letting it write to stderr.

    The callback is global to the library and must outlive every call into it, hence module state.
    """
    global _log_callback
    if _log_callback is None:

        @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]  # llama_cpp ships no types
        def collect(level: int, text: bytes, _: ctypes.c_void_p) -> None:
            # 4 is GGML_LOG_LEVEL_ERROR in this version's enum order NONE, DEBUG, INFO, WARN, ERROR.
            line = text.decode("utf-8", "replace").strip()
            if level == 4 and line:
                _log_lines.append(line)
                del _log_lines[:-20]

        _log_callback = collect
        llama_cpp.llama_log_set(_log_callback, ctypes.c_void_p(0))
    return _log_lines


def _modified(path: Path) -> int:
    """When the file was last written; 0 where it cannot be told (reading it will say why)."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0

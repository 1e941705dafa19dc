"""A loaded GGUF model: its vocabulary, its text to tokens and back, and the LoRA adapters that fit it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fireside.errors import AdapterError, ModelError
from fireside.models.adapters import BASE_SHA256_KEY
from fireside.models.gguf import log
from fireside.models.gguf_header import Header, read_header


class Model:
    """A GGUF model in memory, without a context. `free` gives it back, after every context made from it."""

    def __init__(self, path: Path, *, gpu_layers: int = 0, mmap: bool = True, sha256: str = "") -> None:
        """Load `path`. sha256: of the file, "" where unknown; an adapter made for another base is refused by it.

        Raises ModelError: not a GGUF file, damaged, unknown architecture, not enough memory.
        """
        header = read_header(path)
        if header.text("general.type") == "adapter":
            raise ModelError(f"{path.name} is an adapter, not a model", "apply it with --adapter or /adapter")
        import llama_cpp

        self.lib = llama_cpp
        # The vocabulary's texts are llama.cpp's to keep; a second copy in Python would take 20 MB.
        self.vocabulary_mark = hash(header.metadata.get("tokenizer.ggml.tokens"))
        self.header = Header(
            {key: value for key, value in header.metadata.items() if not isinstance(value, tuple)}, header.tensors
        )
        del header
        self._sha256 = sha256
        log.collect(llama_cpp)
        llama_cpp.llama_backend_init()
        parameters = llama_cpp.llama_model_default_params()
        parameters.n_gpu_layers = gpu_layers
        parameters.load_mode = llama_cpp.LLAMA_LOAD_MODE_MMAP if mmap else llama_cpp.LLAMA_LOAD_MODE_NONE
        self.handle = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
        if not self.handle:
            raise ModelError(f"llama.cpp cannot load {path.name}: {log.last_error()}", "use another model file")
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.handle)
        self.vocabulary_size: int = llama_cpp.llama_vocab_n_tokens(self.vocabulary)
        self.parameters: int = llama_cpp.llama_model_n_params(self.handle)
        self.trained_length: int = llama_cpp.llama_model_n_ctx_train(self.handle)
        # Recurrent and hybrid models keep a running state that cannot be cut back to an earlier token.
        self.can_rewind = not (
            llama_cpp.llama_model_is_recurrent(self.handle) or llama_cpp.llama_model_is_hybrid(self.handle)
        )
        self._special = self._special_tokens()
        self._written_out: dict[int, bytes] = {}
        self._pieces: dict[int, bytes] = {}
        self._ends: dict[int, bool] = {}
        self._adapters: dict[tuple[Path, int], Any] = {}

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
        return list(self._special)

    @property
    def bos_token(self) -> str:
        """The text of the beginning-of-sequence token, "" where the file names none."""
        return self._token_text("tokenizer.ggml.bos_token_id")

    @property
    def eos_token(self) -> str:
        """The text of the end-of-sequence token, "" where the file names none."""
        return self._token_text("tokenizer.ggml.eos_token_id")

    def _token_text(self, key: str) -> str:
        """The text of the token whose id the metadata holds under `key`, else ""."""
        number = self.header.metadata.get(key)
        return self._written(number) if isinstance(number, int) and 0 <= number < self.vocabulary_size else ""

    def write_out(self, markers: Iterable[str]) -> None:
        """From now on, `piece` gives the special tokens in `markers` as their text; other special tokens have none."""
        self._written_out = {self._special[text]: text.encode() for text in markers if text in self._special}
        self._pieces.clear()

    def tokenize(self, text: str, *, add_special: bool) -> list[int]:
        """Token ids of `text`. add_special: put the beginning-of-sequence token first where the model wants one.

        Special tokens in `text` are recognised; untrusted parts have gone through `fireside.text.for_prompt`.
        """
        data = text.encode("utf-8", "replace")
        capacity = len(data) + 8
        buffer = (self.lib.llama_token * capacity)()
        count = self.lib.llama_tokenize(self.vocabulary, data, len(data), buffer, capacity, add_special, True)
        if count < 0:
            raise ModelError("the text could not be turned into tokens", "shorten it, or use another model file")
        return list(buffer[:count])

    def text(self, tokens: Sequence[int]) -> str:
        """The text of `tokens`; special tokens have none."""
        return b"".join(self.piece(token) for token in tokens).decode("utf-8", "replace")

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for, which may be part of a character."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._written_out.get(token) or self._bytes(token)
        return known

    def ends_turn(self, token: int) -> bool:
        """Whether a reply ends at this token."""
        known = self._ends.get(token)
        if known is None:
            known = self._ends[token] = bool(self.lib.llama_vocab_is_eog(self.vocabulary, token))
        return known

    def adapter(self, path: Path, modified: int | None = None) -> Any:
        """llama.cpp's handle of the adapter file `path`, loaded once; one that was written anew is loaded anew.

        The older one stays until the model goes: a reply under way may still compute with it.
        Raises AdapterError where it was made for another base (architecture, base hash, shapes) or is not there.
        """
        modified = modified_at(path) if modified is None else modified
        if (path, modified) in self._adapters:
            return self._adapters[path, modified]
        if not path.exists():
            raise AdapterError(f"there is no adapter file {path}", "it was removed; /adapter off takes it out")
        self._check_fits(path, read_header(path))
        handle = self.lib.llama_adapter_lora_init(self.handle, str(path).encode())
        if not handle:
            raise _does_not_fit(path, log.last_error())
        self._adapters[path, modified] = handle
        return handle

    def _check_fits(self, path: Path, adapter: Header) -> None:
        architecture = adapter.text("general.architecture")
        if architecture != self.architecture:
            raise _does_not_fit(path, f"it was made for the architecture {architecture!r}, not {self.architecture!r}")
        base = adapter.text(BASE_SHA256_KEY)
        if base and self._sha256 and base != self._sha256:
            raise _does_not_fit(path, "it was made for another model file")
        shapes = {tensor.name: tensor.shape for tensor in self.header.tensors}
        for tensor in adapter.tensors:
            name, _, side = tensor.name.rpartition(".")
            weight = shapes.get(name)
            if weight is None:
                raise _does_not_fit(path, f"the model has no weight {name!r}")
            # GGUF lists axes fastest first: A is (in, rank), B (rank, out), the weight (in, out); of the token
            # embedding, llama.cpp takes A the other way round.
            if name != "token_embd.weight" and side == "lora_a" and tensor.shape[0] != weight[0]:
                raise _does_not_fit(path, f"{tensor.name} takes {tensor.shape[0]} values and the weight {weight[0]}")
            if name != "token_embd.weight" and side == "lora_b" and tensor.shape[1] != weight[1]:
                raise _does_not_fit(path, f"{tensor.name} gives {tensor.shape[1]} values and the weight {weight[1]}")

    def _special_tokens(self) -> dict[str, int]:
        """llama.cpp's own notion of special tokens, which goes beyond the file's: known end markers always count."""
        lib = self.lib
        special = lib.LLAMA_TOKEN_ATTR_UNKNOWN | lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_USER_DEFINED
        attributes = lib.llama_vocab_get_attr
        tokens = [token for token in range(self.vocabulary_size) if attributes(self.vocabulary, token) & special]
        return {text: token for token in tokens if len(text := self._written(token)) > 1}

    def _written(self, token: int) -> str:
        """A token as the vocabulary writes it."""
        return str(self.lib.llama_vocab_get_text(self.vocabulary, token).decode("utf-8", "replace"))

    def _bytes(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(64)
        length = self.lib.llama_token_to_piece(self.vocabulary, token, buffer, 64, 0, False)
        if length < 0:
            buffer = ctypes.create_string_buffer(-length)
            length = self.lib.llama_token_to_piece(self.vocabulary, token, buffer, -length, 0, False)
        return buffer.raw[:length]

    def free(self) -> None:
        """Give adapters and model back."""
        for handle in self._adapters.values():
            self.lib.llama_adapter_lora_free(handle)
        self._adapters.clear()
        if self.handle:
            self.lib.llama_model_free(self.handle)
            self.handle = None


def modified_at(path: Path) -> int:
    """When the file was last written, in nanoseconds; 0 where it cannot be told (reading it will say why)."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _does_not_fit(path: Path, reason: str) -> AdapterError:
    return AdapterError(
        f"{path.name} does not fit this model: {reason}", "choose the model it was trained on, or another adapter"
    )

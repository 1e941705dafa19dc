"""Any sentence-transformers model as an encoder: its prompts, its pooling, Matryoshka, on a GPU where there is one."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside import paths
from fireside.cores import usable_cores
from fireside.encoder import by_length, token_counts, tokenizer_words
from fireside.errors import ModelError
from fireside.interrupts import interrupts_held
from fireside.sentence_models import number_format, quietly, said, stay_offline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    Vectors = NDArray[np.float32]

_HINT = "documents.encoder takes a folder, or a model of sentence-transformers in the Hugging Face cache"
# Padded tokens in a batch. A CPU is fastest with what its caches hold, a GPU with what keeps all of it busy.
_CPU_BATCH_TOKENS = 2048
_GPU_BATCH_TOKENS = 32_768
# Texts tokenised at once, so that batches can be of like length and a long list is never in memory as tokens.
_TOKENISED_AT_ONCE = 1024
# A model that names no limit (static embeddings have none) is given texts up to this.
_MOST_TOKENS = 8192
# What a vector depends on: weights, tokenizer, and the configurations with pooling and prompts.
_CONTENT = frozenset({".json", ".txt", ".model", ".jinja", ".safetensors"})
_PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".ckpt"})
# The same model for other programs, which is not loaded here.
_OTHER_FORMATS = frozenset({"onnx", "openvino"})


class SentenceEncoder:
    """A sentence-transformers model. See `fireside.encoder.Encoder` for the methods.

    They raise ModelError where there is no such model (nothing is downloaded), it is damaged, its weights are not in
    safetensors, or it needs code of its own, which is never run. Documents and questions get the prompts that the model
    names for them, as `SentenceTransformer.encode_document` and `encode_query` give them.
    """

    def __init__(self, name: str, dimension: int = 0) -> None:
        """name: a folder, also one in the models folder, or a model in the Hugging Face cache, such as
        `intfloat/e5-small-v2`; without an organisation, one of sentence-transformers' own. dimension: numbers kept of a
        vector, which is then of length 1 again; 0 keeps all. Nothing is looked for yet.
        """
        self._name = name
        self._kept = dimension
        self._lock = threading.RLock()
        self._loaded_model: Any = None

    @functools.cached_property
    def folder(self) -> Path:
        """The folder of the model, which has been looked through."""
        folder = _folder_of(self._name)
        _check(folder, self._name)
        return folder

    @functools.cached_property
    def id(self) -> str:
        """The model's name, what its files hold, and the dimension where it is not the model's own."""
        digest = hashlib.sha256()
        for file in _files(self.folder):
            if file.suffix in _CONTENT:
                digest.update(f"{file.relative_to(self.folder).as_posix()} {_sha256(file)}\n".encode())
        name = re.sub(r"[^\w.-]+", "-", self._name.rstrip("/").rsplit("/", 1)[-1], flags=re.ASCII)
        return f"{name}-{digest.hexdigest()[:12]}" + (f"-{self._kept}" if self._kept else "")

    @functools.cached_property
    def dimension(self) -> int:
        """Numbers in a vector."""
        return self._kept or int(self._dimension_of(self._model()))

    @functools.cached_property
    def max_tokens(self) -> int:
        """What the model reads, less what its prompt for documents takes of it."""
        return self._read_at_once - self._prompt_tokens

    def encode(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Vectors:
        """See `Encoder.encode`."""
        encode = functools.partial(self._model().encode_document, prompt=self._prompt or None)
        return self._encoded(texts, encode, progress)

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        """See `Encoder.encode_queries`."""
        return self._encoded(queries, self._model().encode_query, None)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `Encoder.count_tokens`."""
        return token_counts(self._tokenizer, texts)

    def words(self, text: str) -> list[tuple[int, int, int]]:
        """See `Encoder.words`."""
        return [_without_spaces(text, *word) for word in tokenizer_words(self._tokenizer, text)]

    def _encoded(
        self, texts: Sequence[str], encode: Callable[..., Any], progress: Callable[[int, int], None] | None
    ) -> Vectors:
        import numpy as np

        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        most_tokens = _GPU_BATCH_TOKENS if self._model().device.type == "cuda" else _CPU_BATCH_TOKENS
        done = 0
        for first in range(0, len(texts), _TOKENISED_AT_ONCE):
            counts = self.count_tokens(texts[first : first + _TOKENISED_AT_ONCE])
            lengths = [min(self._prompt_tokens + count, self._read_at_once) for count in counts]
            for batch in by_length(lengths, most_tokens):
                rows = [first + row for row in batch]
                vectors[rows] = self._forward([texts[row] for row in rows], encode)
                done += len(rows)
                if progress:
                    progress(done, len(texts))
        return vectors

    def _forward(self, batch: list[str], encode: Callable[..., Any]) -> Vectors:
        """One run of the network: unit vectors of shape (len(batch), dimension)."""
        import numpy as np

        with self._lock:  # the tokenizer of transformers is not made for two threads
            try:
                made = encode(
                    batch,
                    batch_size=len(batch),
                    normalize_embeddings=True,
                    truncate_dim=self._kept or None,
                    show_progress_bar=False,
                )
            except Exception as error:  # torch raises what it likes: no memory, a token the model has no row for
                raise ModelError(
                    f"the encoder {self._name} failed: {said(error)}", "try another encoder: documents.encoder"
                ) from error
        vectors: Vectors = np.asarray(made, dtype=np.float32)
        if not np.isfinite(vectors).all():
            raise ModelError(f"the encoder {self._name} made vectors that are no numbers: it is damaged", _HINT)
        return vectors

    def _model(self) -> Any:
        with self._lock:
            if self._loaded_model is None:
                model = _loaded(self.folder, self._name)
                own = self._dimension_of(model)
                if self._kept > own:
                    raise ModelError(
                        f"the vectors of {self._name} have {own} numbers, and {self._kept} were asked for",
                        f"set documents.encoder_dimension to at most {own}, or to 0 for all",
                    )
                self._loaded_model = model
            return self._loaded_model

    def _dimension_of(self, model: Any) -> int:
        return int(model.get_embedding_dimension() or model.encode("a").shape[-1])

    @functools.cached_property
    def _read_at_once(self) -> int:
        """Tokens that the model reads of a text, prompt and special ones included."""
        return int(min(self._model().max_seq_length or _MOST_TOKENS, _MOST_TOKENS))

    @functools.cached_property
    def _prompt(self) -> str:
        """What goes before a document. `encode_document` looks for these names, too, but where a model has no prompt
        called "document" it gives it an empty one, which hides the others."""
        prompts = self._model().prompts
        return next((str(prompts[name]) for name in ("document", "passage", "corpus") if prompts.get(name)), "")

    @functools.cached_property
    def _prompt_tokens(self) -> int:
        return self.count_tokens([self._prompt])[0]

    @functools.cached_property
    def _tokenizer(self) -> Tokenizer:
        """The model's tokenizer without truncation and padding: a copy, since the model sets both on its own."""
        from tokenizers import Tokenizer

        theirs = self._model().tokenizer
        fast = getattr(theirs, "backend_tokenizer", theirs)
        if not isinstance(fast, Tokenizer):
            raise ModelError(f"{self._name} has no fast tokenizer, which tells where in a text a token is", _HINT)
        own = Tokenizer.from_str(fast.to_str())
        own.no_truncation()
        own.no_padding()
        return own


def _folder_of(name: str) -> Path:
    """The folder with the model. Nothing is downloaded. Raises ModelError where there is none."""
    folder = paths.expanded(name)
    for place in (paths.models_folder() / name, folder):
        if name and place.is_dir():
            return place.absolute()
    if not folder.is_absolute() and name.count("/") <= 1:
        stay_offline()
        with interrupts_held():
            from huggingface_hub import snapshot_download
            from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

        for repository in (name,) if "/" in name else (f"sentence-transformers/{name}",):
            try:
                return Path(snapshot_download(repository, local_files_only=True))
            except (HFValidationError, LocalEntryNotFoundError):
                continue
    raise ModelError(f"there is no encoder {name!r}: no such folder, and not in the Hugging Face cache", _HINT)


def _check(folder: Path, name: str) -> None:
    """Raises ModelError where the folder holds no sentence-transformers model, or one that would run code: of its own,
    or as weights in pickle, which run whatever is in them when they are opened."""
    modules = _json(folder / "modules.json")
    if not isinstance(modules, list) or not modules:
        raise ModelError(
            f"{name} is no model of sentence-transformers: {folder} has no modules.json, which names the pooling",
            _HINT,
        )
    for module in modules:
        kind = str(module.get("type") if isinstance(module, dict) else module)
        if not kind.startswith("sentence_transformers."):
            raise ModelError(
                f"{name} brings code of its own ({kind}), which is never run", "use a model that needs none"
            )
    configuration = _json(folder / "config_sentence_transformers.json")
    family = configuration.get("model_type") if isinstance(configuration, dict) else None
    if family not in (None, "SentenceTransformer"):
        raise ModelError(f"{name} is a {family}, not a model that makes one vector of a text", _HINT)
    suffixes: dict[Path, dict[str, str]] = {}
    for file in _files(folder):
        suffixes.setdefault(file.parent, {})[file.suffix] = file.name
    for found in suffixes.values():
        pickled = sorted(found[suffix] for suffix in _PICKLES & found.keys())
        if pickled and ".safetensors" not in found:
            raise ModelError(
                f"{name} keeps weights as pickle ({pickled[0]}), which can run any code when it is opened",
                "get the model as safetensors",
            )


def _files(folder: Path) -> list[Path]:
    """The files of the model, in order of their names; those of hidden folders and other formats left out."""
    found = []
    for file in sorted(folder.rglob("*")):
        above = file.relative_to(folder).parts[:-1]
        if file.is_file() and not any(part in _OTHER_FORMATS or part.startswith(".") for part in above):
            found.append(file)
    return found


def _json(path: Path) -> Any:
    """What a JSON file holds, None where there is none. Raises ModelError where it cannot be read."""
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}", "get the model again") from error


def _sha256(file: Path) -> str:
    from fireside.models.digests import file_sha256

    return file_sha256(file)


def _loaded(folder: Path, name: str) -> Any:
    """The sentence-transformers model in `folder`, for inference, on a CUDA GPU where there is one."""
    stay_offline()
    with interrupts_held():
        try:
            import torch
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ModelError(
                f"the encoder {name} needs sentence-transformers, which cannot be imported: {error}",
                "install it again: pip install --force-reinstall sentence-transformers",
            ) from error

    torch.set_num_threads(usable_cores())
    try:
        with quietly():
            return SentenceTransformer(
                str(folder),
                device="cuda" if torch.cuda.is_available() else "cpu",
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True, "dtype": number_format()},
            ).eval()
    except Exception as error:  # a model folder is a stranger's; whatever reading it fails with is the folder's fault
        raise ModelError(
            f"the encoder {name} cannot be loaded: {said(error)}",
            "its files may be damaged or incomplete; get the model again, or set another documents.encoder",
        ) from error


def _without_spaces(text: str, start: int, end: int, tokens: int) -> tuple[int, int, int]:
    """The word without white space at its ends, which some tokenizers count to it."""
    word = text[start:end]
    inner = word.strip()
    if not inner or inner == word:
        return start, end, tokens
    start += len(word) - len(word.lstrip())
    return start, start + len(inner), tokens

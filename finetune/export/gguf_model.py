"""Writes a whole model as one GGUF file in 16 or 32 bits: sizes, vocabulary, chat template and weights.

There are two sources for what is not weights: a folder of Hugging Face's (configuration and tokenizer are translated),
and a GGUF base (its own keys are taken over as they are).
"""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from finetune.export.families import Family, family_of, model_types
from finetune.export.metadata import Metadata, model_metadata
from finetune.export.pretokenizer import Overrides, candidates, choose, refused
from finetune.export.tensors import Layout, converted, gguf_names, layout_of, rope_tensors
from finetune.export.texts import texts
from finetune.export.tokens import Tokens, read_tokens
from finetune.export.turns import chat_samples, end_of_turn
from fireside.atomic import replacing
from fireside.errors import TrainingError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NumberFormat = Literal["F32", "F16", "BF16"]
FORMATS: tuple[NumberFormat, ...] = ("F32", "F16", "BF16")
_PHI_3 = re.compile("phi-?3", re.IGNORECASE)
_UNSPACED = (
    "llama.cpp writes no space before a text that does not begin with the beginning-of-sequence token, "
    "as the tokenizer does; chats begin with it"
)
_ARCHITECTURE = "general.architecture"
# Keys of a GGUF base that speak of its file and not of the model.
_OF_THE_FILE = ("general.file_type", "general.quantization_version", "general.name", "GGUF.", "split.", "quantize.")


@dataclass(frozen=True)
class Written:
    """What was decided while writing. overrides: how llama.cpp splits text; notes: what it leaves out, for a person."""

    overrides: Overrides
    notes: tuple[str, ...]


def supported_family(config: Any) -> Family:
    """The family of a model with transformers' `config`. Raises TrainingError that lists the supported ones."""
    family = family_of(str(config.model_type))
    if family is None:
        raise TrainingError(
            f"models of the family {config.model_type!r} cannot be written as GGUF",
            f"supported are {', '.join(model_types())}; or export as safetensors: --format safetensors",
        )
    return family


def write_model(
    weights: Mapping[str, Any], config: Any, tokenizer: Any, target: Path, *, number_format: NumberFormat, name: str
) -> Written:
    """Write `weights` (transformers' names, torch tensors) with a configuration and a fast tokenizer of transformers.

    Raises TrainingError (unsupported family, weights, positions or tokenizer; none of llama.cpp's ways to split text
    fits), StorageError.
    """
    family = supported_family(config)
    keys = model_metadata(config, family)
    tokens = read_tokens(tokenizer, int(config.vocab_size), end_of_turn(tokenizer))
    name = _named(name, strips=any(token.rstrip for token in tokenizer.added_tokens_decoder.values()))

    def fill(writer: Any, overrides: Overrides) -> None:
        writer.add_type("model")
        writer.add_name(name)
        _add_keys(writer, family.architecture, keys)
        _add_tokens(writer, tokens, overrides)

    overrides, spaced = _choose(family, fill, tokens, tokenizer)
    layout = layout_of(config, family)
    extra = dict(rope_tensors(config))
    with replacing(target) as temporary:
        filled = functools.partial(fill, overrides=overrides)
        _write(temporary, family.architecture, filled, weights, layout, extra, number_format)
    return Written(overrides, (*tokens.notes, *spaced))


def write_over_gguf(
    base: Path,
    weights: Mapping[str, Any],
    config: Any,
    target: Path,
    *,
    number_format: NumberFormat,
    name: str,
    template: str = "",
) -> Written:
    """Write `weights` (transformers' names) with the keys of the GGUF file `base`, its vocabulary among them.

    template: in place of its own, "" for its own. Raises TrainingError, StorageError.
    """
    import gguf
    from gguf.quants import dequantize

    reader = gguf.GGUFReader(base)
    family = supported_family(config)

    before = reader.fields.get("general.name")
    named = _named(name, strips=before is not None and _PHI_3.search(str(before.contents())) is not None)

    def fill(writer: Any) -> None:
        writer.add_name(named)
        if template:
            writer.add_chat_template(template)
        for field in reader.fields.values():
            own_template = bool(template) and field.name == "tokenizer.chat_template"
            if field.name != _ARCHITECTURE and not field.name.startswith(_OF_THE_FILE) and not own_template:
                kind = field.types[0]
                sub_kind = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
                writer.add_key_value(field.name, field.contents(), kind, sub_kind)

    layout = layout_of(config, family)
    replaced = set(gguf_names(weights, layout).values())
    # What transformers computes instead of keeping, such as stretched frequencies.
    extra = {each.name: dequantize(each.data, each.tensor_type) for each in reader.tensors if each.name not in replaced}
    with replacing(target) as temporary:
        _write(temporary, str(reader.fields[_ARCHITECTURE].contents()), fill, weights, layout, extra, number_format)
    return Written({}, ())


def _named(name: str, *, strips: bool) -> str:
    """The name to write: llama.cpp takes white space behind special tokens away where it says that it is a Phi-3."""
    return f"phi-3 {name}" if strips else _PHI_3.sub("phi 3", name)


def _choose(family: Family, fill: Any, tokens: Tokens, tokenizer: Any) -> tuple[Overrides, tuple[str, ...]]:
    """How llama.cpp must split text, found on the 200 texts and a few chats; and what differs all the same.

    Raises TrainingError where no way fits.
    """
    import gguf

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    chats = chat_samples(tokenizer)
    notes: tuple[str, ...] = ()
    with tempfile.TemporaryDirectory() as folder, replacing(Path(folder) / "vocabulary.gguf") as path:
        writer = gguf.GGUFWriter(path, family.architecture)
        try:
            fill(writer, {})
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()
        ways = candidates(tokens.model, whole_words=tokens.whole_words)
        overrides, different = choose(path, ways, encode, [*texts(), *chats])
        if different is not None and tokens.begins:
            # Some tokenizers write a space before a text that begins with nothing, which no chat does.
            begun = [f"{tokenizer.bos_token}{text}" for text in texts()]
            overrides, still = choose(path, ways, encode, [*begun, *chats])
            if still is None:
                different, notes = None, (_UNSPACED,)
    if different is not None:
        raise refused(different)
    return overrides, notes


def _add_keys(writer: Any, architecture: str, keys: Metadata) -> None:
    """The model's sizes and constants; whole numbers are unsigned in GGUF."""
    for key, value in keys.items():
        name = f"{architecture}.{key}"
        if isinstance(value, bool):
            writer.add_bool(name, value)
        elif isinstance(value, int):
            writer.add_uint32(name, value)
        elif isinstance(value, float):
            writer.add_float32(name, value)
        else:
            writer.add_string(name, value)


def _add_tokens(writer: Any, tokens: Tokens, overrides: Overrides) -> None:
    """The vocabulary, its special tokens and the chat template."""
    writer.add_tokenizer_model(tokens.model)
    writer.add_tokenizer_pre(str(overrides.get("tokenizer.ggml.pre", "default")))
    writer.add_token_list(list(tokens.texts))
    writer.add_token_types(list(tokens.kinds))
    if tokens.merges:
        writer.add_token_merges(list(tokens.merges))
    if tokens.scores:
        writer.add_token_scores(list(tokens.scores))
        writer.add_add_space_prefix(bool(overrides.get("tokenizer.ggml.add_space_prefix", True)))
    for name, number in tokens.special.items():
        writer.add_uint32(f"tokenizer.ggml.{name}_token_id", number)
    writer.add_add_bos_token(tokens.begins)
    writer.add_add_eos_token(tokens.ends)
    if tokens.chat_template:
        writer.add_chat_template(tokens.chat_template)


def _write(
    path: Path,
    architecture: str,
    fill: Any,
    weights: Mapping[str, Any],
    layout: Layout,
    extra: Mapping[str, npt.NDArray[np.float32]],
    number_format: NumberFormat,
) -> None:
    """The file: keys, then descriptions of all tensors, then their data one after the other."""
    import gguf

    writer = gguf.GGUFWriter(path, architecture)
    names = gguf_names(weights, layout)
    try:
        writer.add_file_type(gguf.LlamaFileType[("ALL_" if number_format == "F32" else "MOSTLY_") + number_format])
        fill(writer)
        for key, name in names.items():
            _describe(writer, name, tuple(weights[key].shape), number_format)
        for name, array in extra.items():
            _describe(writer, name, array.shape, number_format)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for key, name in names.items():
            writer.write_tensor_data(_in_format(converted(key, weights[key], layout), name, number_format))
        for name, array in extra.items():
            writer.write_tensor_data(_in_format(array, name, number_format))
    finally:
        writer.close()


def _kept_whole(shape: Sequence[int]) -> bool:
    """llama.cpp computes with norms, biases and factors in 32 bits."""
    return len(shape) < 2


def _describe(writer: Any, name: str, shape: Sequence[int], number_format: NumberFormat) -> None:
    import gguf
    import numpy as np

    kind = gguf.GGMLQuantizationType["F32" if _kept_whole(shape) else number_format]
    width = 4 if kind == gguf.GGMLQuantizationType.F32 else 2
    dtype = np.dtype(np.float32 if width == 4 else np.uint16)
    writer.add_tensor_info(name, shape, dtype, int(np.prod(shape)) * width, kind)


def _in_format(array: npt.NDArray[np.float32], name: str, number_format: NumberFormat) -> npt.NDArray[Any]:
    import gguf
    import numpy as np

    if number_format == "F32" or _kept_whole(array.shape):
        return array.astype(np.float32)
    if number_format == "BF16":
        packed: npt.NDArray[Any] = gguf.quants.quantize(array, gguf.GGMLQuantizationType.BF16)
        return packed
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    if not np.isfinite(half).all():
        raise TrainingError(
            f"the weight {name} has values that 16-bit floats cannot hold", "export as BF16 or F32: --type BF16"
        )
    return half

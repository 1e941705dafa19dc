"""Which models a hub's repository holds, and which of them to get.

Only safetensors and GGUF count. Pickled weights (.bin, .pt, .pth, .ckpt) run code when loaded, and are refused.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from fireside.errors import ModelError
from fireside.models import memory
from fireside.models.catalog import Kind
from fireside.models.gguf_header import split_name
from fireside.models.hub import HubFile, Listing, checked_repository

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_NOT_MODELS = ("mmproj", "imatrix")
_BESIDE_WEIGHTS = (
    "config.json", "generation_config.json", "model.safetensors.index.json", "tokenizer.json", "tokenizer.model",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt",
    "chat_template.jinja", "chat_template.json", "LICENSE*", "NOTICE*",
)  # fmt: skip
"""What transformers reads beside the weights, and the licence. No Python files: a model's own code is not run."""

_QUANTISATION = re.compile(
    r"(?<![A-Za-z0-9])((?:UD-)?(?:I?Q[1-8](?:_[A-Z0-9]+)*|TQ[12]_0|MXFP4(?:_MOE)?|BF16|F(?:P)?16|F(?:P)?32))(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_UNQUANTISED = ("BF16", "F16", "FP16", "F32", "FP32")


@dataclass(frozen=True)
class Wanted:
    """A parsed `hf:ORG/NAME[@REVISION][:FILE_OR_QUANT]` or `hf:ORG/NAME/FILE.gguf`. choice: "" leaves it to us."""

    repository: str
    revision: str = "main"
    choice: str = ""


@dataclass(frozen=True)
class Variant:
    """One model of a repository: a GGUF file, or its parts, or the safetensors and what goes with them."""

    name: str
    quantisation: str
    kind: Kind
    files: tuple[HubFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)


def parsed(text: str) -> Wanted:
    """`text` in parts. Raises ModelError that says how it is written."""
    name, _, choice = text.removeprefix("hf:").partition(":")
    parts = name.split("/")
    if not text.startswith("hf:") or len(parts) < 2:
        raise ModelError(
            f"{text!r} names no repository", "write hf:ORG/NAME, hf:ORG/NAME:Q4_K_M or hf:ORG/NAME/FILE.gguf"
        )
    if len(parts) > 2 and choice:
        raise ModelError(f"{text!r} names a file twice", "write hf:ORG/NAME:FILE or hf:ORG/NAME/FILE")
    repository, _, revision = "/".join(parts[:2]).partition("@")
    return Wanted(checked_repository(repository), revision or "main", choice or "/".join(parts[2:]))


def variants(listing: Listing) -> list[Variant]:
    """The models in a repository that can be got, the smallest first. Raises ModelError: there is none, and why."""
    groups: dict[PurePosixPath, list[HubFile]] = {}
    for file in listing.files:
        path = PurePosixPath(file.path)
        if path.suffix == ".gguf" and not any(word in path.name.lower() for word in _NOT_MODELS):
            split = split_name(path.name)
            groups.setdefault(path.with_name(split[0]) if split else path.with_suffix(""), []).append(file)
    found = [
        Variant(path.name, _quantisation(path.name), "gguf", tuple(sorted(files, key=lambda each: each.path)))
        for path, files in groups.items()
    ]
    root = [file for file in listing.files if "/" not in file.path]
    weights = [file for file in root if file.path.endswith(".safetensors")]
    if any(file.path.startswith("model") for file in weights):
        weights = [file for file in weights if file.path.startswith("model")]
    if weights and any(file.path == "config.json" for file in root):
        beside = [file for file in root if any(fnmatch.fnmatch(file.path, each) for each in _BESIDE_WEIGHTS)]
        name = listing.repository.split("/")[1]
        found.append(Variant(name, "safetensors", "hf", (*beside, *weights)))
    if not found:
        if any(file.path.endswith(PICKLED) for file in listing.files):
            raise pickled(listing.repository)
        raise ModelError(f"{listing.repository} holds no GGUF file and no safetensors", "choose another repository")
    return sorted(found, key=lambda each: each.size)


def chosen(found: list[Variant], wanted: Wanted, free: int) -> tuple[Variant, str]:
    """The variant asked for, or the best that fits in `free` bytes of memory; and why it is that one, in words.

    The best is the largest quantised GGUF; unquantised ones are larger and slower and hardly better than 8 bits, and
    are taken where there is nothing else, as are safetensors. Raises ModelError: no such file, or none that fits.
    """
    if wanted.choice:
        return _asked_for(found, wanted), "as asked for"
    if len(found) == 1:
        return found[0], "the only one there is"
    quantised = [each for each in found if each.kind == "gguf" and each.quantisation not in _UNQUANTISED]
    candidates = quantised or [each for each in found if each.kind == "gguf"] or found
    fitting = [each for each in candidates if memory.guessed(each.size) <= free]
    if not fitting:
        raise ModelError(
            f"{memory.in_words(free)} of memory are free, too little for any file of {wanted.repository}: "
            f"{_list(candidates)}",
            f"choose one all the same with hf:{wanted.repository}:{candidates[0].quantisation or candidates[0].name}, "
            "or a smaller model",
        )
    best = fitting[-1]
    return best, (
        f"the largest of {len(candidates)} that fits in memory: about {memory.in_words(memory.guessed(best.size))} of "
        f"{memory.in_words(free)} free"
    )


def _asked_for(found: list[Variant], wanted: Wanted) -> Variant:
    choice = wanted.choice.lower()
    for each in found:
        names = {each.name.lower(), each.quantisation.lower(), *(file.path.lower() for file in each.files)}
        if choice in names or f"{choice}.gguf" in names:
            return each
    if choice.endswith(".safetensors"):
        raise ModelError(f"{wanted.choice} is part of a model", f"get the whole: hf:{wanted.repository}:safetensors")
    raise ModelError(f"{wanted.repository} has no {wanted.choice}", f"it has {_list(found)}")


def _list(found: list[Variant]) -> str:
    return ", ".join(f"{each.quantisation or each.name} ({memory.in_words(each.size)})" for each in found)


def _quantisation(name: str) -> str:
    """The name's last part that is a quantisation ("Q4_K_M"), "" where it has none."""
    found = _QUANTISATION.findall(name)
    return str(found[-1]).upper() if found else ""


def pickled(what: str) -> ModelError:
    """The refusal of `what`."""
    return ModelError(
        f"{what} is pickled, and a pickle can run any program when it is loaded",
        "choose a repository with GGUF or safetensors files",
    )

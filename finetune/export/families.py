"""The families of models that are exported: what transformers calls each, and how llama.cpp keeps its weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """One family.

    model_type: transformers' name (`config.json`). architecture: GGUF's name. permutes: llama.cpp keeps the rows of
    queries and keys in another order. adds_one: norms multiply by 1 + weight in transformers, by weight in llama.cpp.
    read: whether transformers reads GGUF files of it.
    """

    model_type: str
    architecture: str
    permutes: bool = False
    adds_one: bool = False
    read: bool = True


# From llama.cpp's convert_hf_to_gguf.py; each is held to by a test that compares logits.
FAMILIES = (
    Family("llama", "llama", permutes=True),
    Family("mistral", "llama", permutes=True),
    Family("qwen2", "qwen2"),
    Family("qwen3", "qwen3"),
    Family("gemma", "gemma", adds_one=True, read=False),
    Family("gemma2", "gemma2", adds_one=True),
    Family("gemma3_text", "gemma3", adds_one=True),
    Family("phi3", "phi3"),
    Family("phi", "phi2", read=False),
)


def family_of(model_type: str) -> Family | None:
    """The family that transformers calls `model_type`, None where it is not supported."""
    return next((family for family in FAMILIES if family.model_type == model_type), None)


def permutes(architecture: str) -> bool:
    """Whether llama.cpp keeps queries and keys of the GGUF `architecture` in an order of its own."""
    return any(family.permutes for family in FAMILIES if family.architecture == architecture)


def readable_architectures() -> list[str]:
    """The GGUF architectures that can be trained over a GGUF file."""
    return sorted({family.architecture for family in FAMILIES if family.read})


def model_types() -> list[str]:
    """transformers' names of all supported families."""
    return [family.model_type for family in FAMILIES]

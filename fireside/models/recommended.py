"""The sampling settings that models are recommended with: by the model file itself, or by their makers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fireside.models.sampling import NEUTRAL, Sampling

_TRANSFORMERS_TOP_K = 50
"""transformers' own default: in force wherever a card shows `generate` without a top-k. It also saves sorting a whole
vocabulary for top-p."""

_UNKNOWN = Sampling(temperature=0.8, top_k=40, top_p=0.95, min_p=0.05)
"""For models that nothing is known of: llama.cpp's defaults (`common_params_sampling` in its common/common.h)."""

_CARDS: tuple[tuple[str, Sampling, str], ...] = (
    (
        "smollm-?3",
        Sampling(temperature=0.6, top_p=0.95, top_k=_TRANSFORMERS_TOP_K),
        "model card of HuggingFaceTB/SmolLM3-3B: 'we recommend setting temperature=0.6 and top_p=0.95'",
    ),
    (
        "smollm",
        # Of 24 replies of the bundled model, 3 ran in circles until the limit without a repeat penalty, and 1 with 1.1.
        Sampling(temperature=0.2, top_p=0.9, top_k=_TRANSFORMERS_TOP_K, repeat_penalty=1.1),
        "model card of HuggingFaceTB/SmolLM2-135M-Instruct, its call of generate; the penalty was measured here",
    ),
    (
        "deepseek-?r1",
        Sampling(temperature=0.6, top_p=0.95, top_k=_TRANSFORMERS_TOP_K),
        "model card of deepseek-ai/DeepSeek-R1, 'Usage Recommendations', and its generation_config.json",
    ),
    (
        r"qwen-?3.*(instruct|coder)",
        Sampling(temperature=0.7, top_p=0.8, top_k=20, min_p=0.0),
        "model cards of Qwen/Qwen3-4B-Instruct-2507 and Qwen/Qwen3-0.6B, 'Best Practices', without thinking",
    ),
    (
        "qwen-?3|qwq",
        Sampling(temperature=0.6, top_p=0.95, top_k=20, min_p=0.0),
        "model card of Qwen/Qwen3-0.6B, 'Best Practices', thinking; its templates think unless told not to",
    ),
    (
        "qwen-?[12]",
        Sampling(temperature=0.7, top_p=0.8, top_k=20, repeat_penalty=1.05),
        "generation_config.json of Qwen/Qwen2.5-7B-Instruct",
    ),
    (
        r"llama-?[34]\b",
        Sampling(temperature=0.6, top_p=0.9, top_k=_TRANSFORMERS_TOP_K),
        "generation_config.json of meta-llama/Llama-3.1-8B-Instruct and Llama-3.2-1B-Instruct",
    ),
    (
        "mistral-nemo",
        Sampling(temperature=0.3, top_k=_TRANSFORMERS_TOP_K),
        "model card of mistralai/Mistral-Nemo-Instruct-2407: 'we recommend to use a temperature of 0.3'",
    ),
    (
        "magistral",
        Sampling(temperature=0.7, top_p=0.95, top_k=_TRANSFORMERS_TOP_K),
        "model card of mistralai/Magistral-Small-2506, 'Sampling parameters'",
    ),
    (
        "mistral-small|devstral",
        Sampling(temperature=0.15, top_k=_TRANSFORMERS_TOP_K),
        "model card of mistralai/Mistral-Small-3.2-24B-Instruct-2506: 'a relatively low temperature, such as 0.15'",
    ),
    (
        "[mx]i[sx]tral",
        Sampling(temperature=0.7, top_p=1.0, top_k=_TRANSFORMERS_TOP_K),
        "API reference at docs.mistral.ai: 'We recommend values between 0.0 and 0.7'; their cards name none",
    ),
    (
        "gemma",
        Sampling(temperature=1.0, top_p=0.95, top_k=64, min_p=0.0),
        "generation_config.json of google/gemma-3-1b-it and gemma-3-270m-it",
    ),
    (
        r"lfm-?2\.5",
        Sampling(temperature=0.1, top_p=0.1, top_k=50, repeat_penalty=1.05),
        "https://docs.liquid.ai/lfm/key-concepts/text-generation-and-prompting, LFM2.5 text models",
    ),
    (
        "lfm-?2",
        Sampling(temperature=0.3, min_p=0.15, repeat_penalty=1.05, top_k=_TRANSFORMERS_TOP_K),
        "https://docs.liquid.ai/lfm/key-concepts/text-generation-and-prompting, LFM2 text models",
    ),
    (
        "phi-?4.*reasoning",
        Sampling(temperature=0.8, top_p=0.95, top_k=50),
        "model card of microsoft/Phi-4-reasoning, 'Inference parameters'",
    ),
    (
        r"\bphi-?[34]",
        Sampling(temperature=0.0),
        "model cards of microsoft/Phi-4-mini-instruct and Phi-3-mini-4k-instruct: 'temperature: 0.0, do_sample: False'",
    ),
)
"""What stands in a model's name, its settings, and who recommends them. The first that fits counts."""

_METADATA_KEYS: dict[str, tuple[str, float, float]] = {
    "temp": ("temperature", 0, 5),
    "top_k": ("top_k", 0, 1_000_000),
    "top_p": ("top_p", 0.01, 1),
    "min_p": ("min_p", 0, 1),
    "xtc_probability": ("xtc_probability", 0, 1),
    "xtc_threshold": ("xtc_threshold", 0, 1),
    "penalty_last_n": ("penalty_window", -1, 1_000_000),
    "penalty_repeat": ("repeat_penalty", 0.5, 2),
    "mirostat": ("mirostat", 0, 2),
    "mirostat_tau": ("mirostat_tau", 0, 20),
    "mirostat_eta": ("mirostat_eta", 0, 1),
}
"""Keys `general.sampling.KEY` of GGUF files as llama.cpp writes them (gguf-py/gguf/constants.py), the setting each one
is, and what it may be."""


def recommended(metadata: Mapping[str, Any]) -> Sampling:
    """The settings for a model, every one filled in.

    metadata: of a GGUF file, or the same keys for another: `general.name`, `general.basename`, `general.finetune` and
    `general.architecture` tell the model; `general.sampling.*` are the file's own recommendation and come first.
    Values that cannot be are passed over.
    """
    parts = (metadata.get(f"general.{key}", "") for key in ("basename", "name", "finetune", "architecture"))
    name = re.sub(r"[\s_-]+", "-", " ".join(str(part) for part in parts)).lower()
    card = next((sampling for pattern, sampling, _ in _CARDS if re.search(pattern, name)), _UNKNOWN)
    return replace(card.over(NEUTRAL), **_of_the_file(metadata))


def _of_the_file(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that stand in the file's metadata, of which strangers wrote every value."""
    own: dict[str, Any] = {}
    for key, (field, least, most) in _METADATA_KEYS.items():
        value = metadata.get(f"general.sampling.{key}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if math.isfinite(value) and least <= value <= most:
            whole = isinstance(getattr(NEUTRAL, field), int)
            own[field] = int(value) if whole else round(float(value), 6)
    return own

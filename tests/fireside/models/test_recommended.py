from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest

from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.gguf_header import read_header
from fireside.models.recommended import recommended
from fireside.models.sampling import NEUTRAL


def named(name: str, architecture: str = "llama", own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    sampling = {f"general.sampling.{key}": value for key, value in (own or {}).items()}
    return {"general.name": name, "general.architecture": architecture, **sampling}


def test_the_bundled_model_has_its_own() -> None:
    settings = recommended(read_header(located(CHAT_MODEL)).metadata)
    assert (settings.temperature, settings.top_p, settings.repeat_penalty) == (0.2, 0.9, 1.1)


@pytest.mark.parametrize(
    ("name", "architecture", "temperature", "top_p", "top_k"),
    [
        ("SmolLM3 3B", "smollm3", 0.6, 0.95, 50),
        ("Smollm2 1.7B 8k Mix7 Ep2 v2", "llama", 0.2, 0.9, 50),
        ("Qwen3 0.6B", "qwen3", 0.6, 0.95, 20),
        ("Qwen3-4B-Instruct-2507", "qwen3", 0.7, 0.8, 20),
        ("Qwen3-4B-Thinking-2507", "qwen3", 0.6, 0.95, 20),
        ("Qwen2.5 0.5B Instruct", "qwen2", 0.7, 0.8, 20),
        ("DeepSeek R1 Distill Qwen 1.5B", "qwen2", 0.6, 0.95, 50),
        ("Llama 3.2 1B Instruct", "llama", 0.6, 0.9, 50),
        ("Meta-Llama-3.1-8B-Instruct", "llama", 0.6, 0.9, 50),
        ("Mistral-Small-3.2-24B-Instruct-2506", "llama", 0.15, 1.0, 50),
        ("Mistral Nemo Instruct 2407", "llama", 0.3, 1.0, 50),
        ("Mixtral 8x7B Instruct v0.1", "llama", 0.7, 1.0, 50),
        ("Gemma 3 270m", "gemma3", 1.0, 0.95, 64),
        ("LFM2 1.2B", "lfm2", 0.3, 1.0, 50),
        ("LFM2.5 1.2B Instruct", "lfm2", 0.1, 0.1, 50),
        ("Phi 4 Mini Instruct", "phi3", 0.0, 1.0, 0),
        ("Phi 4 Reasoning Plus", "phi3", 0.8, 0.95, 50),
        ("My Own Model", "llama", 0.8, 0.95, 40),
        ("TinyLlama 1.1B Chat", "llama", 0.8, 0.95, 40),
        ("LLaMA 30B", "llama", 0.8, 0.95, 40),
        ("Meta Llama 3 8B", "llama", 0.6, 0.9, 50),
    ],
)
def test_a_model_is_known_by_its_name(
    name: str, architecture: str, temperature: float, top_p: float, top_k: int
) -> None:
    settings = recommended(named(name, architecture))
    assert (settings.temperature, settings.top_p, settings.top_k) == (temperature, top_p, top_k)


@pytest.mark.parametrize("metadata", [{}, named("Qwen3 8B", "qwen3"), {"general.name": 7}])
def test_every_setting_is_filled_in(metadata: dict[str, Any]) -> None:
    settings = recommended(metadata)
    assert [each.name for each in fields(settings) if getattr(settings, each.name) is None] == ["seed"]


def test_what_the_file_says_comes_before_what_its_name_says() -> None:
    own = {"temp": 0.44999998807907104, "top_k": 7, "penalty_last_n": -1, "penalty_repeat": 1.2, "mirostat": 2}
    settings = recommended(named("Llama 3.2", own=own))
    assert (settings.temperature, settings.top_k, settings.top_p) == (0.45, 7, 0.9)
    assert (settings.penalty_window, settings.repeat_penalty, settings.mirostat) == (-1, 1.2, 2)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 99.0, "hot", True, None, (1.0,)])
def test_what_a_file_says_that_cannot_be_is_passed_over(value: Any) -> None:
    assert recommended(named("x", own={"temp": value})) == recommended(named("x"))


def test_a_whole_number_stays_one() -> None:
    settings = recommended({"general.sampling.top_k": 20.0})
    assert settings.top_k == 20
    assert isinstance(settings.top_k, int)
    assert isinstance(NEUTRAL.top_k, int)

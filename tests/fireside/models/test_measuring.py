from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fireside.errors import ModelError
from fireside.models import measuring
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.gguf.loading import GgufLoading
from fireside.models.measuring import Trial, choose, thread_counts
from fireside.models.tuning import Rates, Tuned

BASE = Tuned(4, 4, 512, "on", "f16", True, 0)


def rates(decode: float, prefill: float = 500.0, memory: float | None = 300.0) -> Rates:
    return Rates((decode,) * 3, (prefill,) * 3, memory=memory)


def test_numbers_of_threads() -> None:
    assert [thread_counts(cores) for cores in (1, 2, 6)] == [(1,), (1, 2), (1, 2, 3, 4, 6)]
    assert thread_counts(48) == (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)


def test_threads_for_writing_and_for_prompts_are_chosen_apart() -> None:
    trial = choose("threads", {1: rates(50, 100), 2: rates(90, 200), 4: rates(60, 400)}, BASE, None)
    assert trial.chosen == {"threads": 2, "threads_batch": 4}


@pytest.mark.parametrize(
    ("q8_0", "memory", "value", "why"),
    [
        (rates(101, memory=200), None, "f16", "exact"),
        (rates(101, memory=200), (8000.0, 16000.0), "f16", "exact"),
        (rates(90, memory=200), (1000.0, 16000.0), "q8_0", "memory is short"),
        (rates(120, memory=200), None, "q8_0", "faster"),
        ("no memory", (1000.0, 16000.0), "f16", "exact"),
    ],
)
def test_keys_and_values_are_rounded_only_for_a_reason_that_is_told(
    q8_0: Rates | str, memory: tuple[float, float] | None, value: str, why: str
) -> None:
    trial = choose("cache_type", {"f16": rates(100), "q8_0": q8_0}, BASE, memory)
    assert trial.chosen == {"cache_type": value}
    assert trial.why.startswith(why)
    assert "changes replies" in trial.why or value == "f16"


def test_a_model_file_is_mapped_unless_reading_it_is_faster() -> None:
    same = {True: Rates(load_s=(1.0, 1.0, 1.0)), False: Rates(load_s=(0.99, 1.0, 0.99))}
    assert choose("mmap", same, BASE, None).chosen == {"mmap": True}
    assert choose("mmap", {**same, False: Rates(load_s=(0.5, 0.5, 0.5))}, BASE, None).chosen == {"mmap": False}


def test_what_does_not_work_is_not_chosen() -> None:
    assert choose("gpu_layers", {0: rates(10), -1: "out of memory"}, BASE, None).chosen == {"gpu_layers": 0}
    trial = choose("flash_attention", {"on": "not here", "off": rates(10)}, BASE, None)
    assert (trial.chosen, trial.why) == ({"flash_attention": "off"}, "on does not work here")
    assert choose("threads", {1: rates(10), 4: "none"}, BASE, None).chosen == {"threads": 1, "threads_batch": 1}
    with pytest.raises(ModelError, match="cannot be measured: not here"):
        choose("flash_attention", {"on": "not here", "off": "neither"}, BASE, None)


@pytest.mark.parametrize("flash", [True, False])
async def test_each_setting_is_tried_with_what_was_chosen_before(monkeypatch: pytest.MonkeyPatch, flash: bool) -> None:
    """On a machine on which speed follows a rule, the search ends where the rule has its best."""
    tried: list[GgufLoading] = []

    def figures(loading: GgufLoading) -> Rates:
        tried.append(loading)
        decode = 100 - 5 * abs(loading.threads - 1) + (0 if (loading.flash_attention == "on") == flash else -30)
        prefill = 300 + 100 * loading.threads_batch + (200 if loading.batch == 128 else 0)
        return Rates((decode,) * 3, (prefill,) * 3, (1.0,) * 3, 300.0)

    async def compared(loadings: Mapping[Any, GgufLoading], lengths: Any, rounds: int, told: Callable[[], None]) -> Any:
        for _ in range(rounds * len(loadings)):
            told()
        return {value: figures(loading) for value, loading in loadings.items()}

    async def loaded(loadings: Mapping[Any, GgufLoading], told: Callable[[], None]) -> Any:
        return await compared(loadings, None, measuring.ROUNDS, told)

    async def lengths(loading: GgufLoading) -> tuple[int, int]:
        return 500, 100

    monkeypatch.setattr("fireside.cores.usable_cores", lambda: 3)
    monkeypatch.setattr("llama_cpp.llama_supports_gpu_offload", lambda: False)
    monkeypatch.setattr(measuring, "_compared", compared)
    monkeypatch.setattr(measuring, "_loaded", loaded)
    monkeypatch.setattr(measuring, "_lengths", lengths)
    done: list[tuple[int, int]] = []
    tuned, found, trials = await measuring.tune(Path("a.gguf"), 2048, lambda *counts: done.append(counts))
    assert asdict(tuned) == asdict(Tuned(1, 3, 128, "on" if flash else "off", "f16", True, 0))
    assert (found.decode[0], found.prefill[0]) == (100, 800)
    assert [trial.setting for trial in trials] == ["threads", "batch", "flash_attention", "cache_type", "mmap"]
    batches = [each for each in tried if each.batch == 1024]
    assert [(each.threads, each.threads_batch, each.context_length) for each in batches] == [(1, 3, 2048)]
    if flash:
        assert done == [(number, 39) for number in range(1, 40)]
    else:
        assert trials[3] == Trial("cache_type", {}, {}, "quantised keys and values need flash attention")


@pytest.mark.engine
async def test_a_real_model_is_measured_and_a_broken_one_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF")
    good = GgufLoading(located(CHAT_MODEL), context_length=256, threads=1, speculate=False)
    loadings = {"good": good, "broken": GgufLoading(broken)}
    found = await measuring._compared(loadings, (64, 4), 1, lambda: None)
    assert isinstance(found["good"], Rates)
    assert found["good"].decode[0] > 1
    assert found["good"].prefill[0] > 1
    assert isinstance(found["broken"], str)
    assert "broken.gguf" in found["broken"]

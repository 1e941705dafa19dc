"""Where a model is put and how it computes: the choice, by what a machine can do."""

from __future__ import annotations

import pytest

from fireside.errors import ModelError
from fireside.models.hf.devices import Hardware, Placement, choose_attention, has_cpu_bfloat16, place

AMPERE = Hardware(cuda=True, cuda_bfloat16=True)
TURING = Hardware(cuda=True)
APPLE = Hardware(mps=True)
PLAIN_CPU = Hardware()
NEW_CPU = Hardware(cpu_bfloat16=True)


@pytest.mark.parametrize(
    ("hardware", "device", "dtype"),
    [
        (AMPERE, "cuda", "bfloat16"),
        (TURING, "cuda", "float16"),
        (APPLE, "mps", "float16"),
        (PLAIN_CPU, "cpu", "float32"),
        (NEW_CPU, "cpu", "bfloat16"),
    ],
)
def test_the_machine_decides(hardware: Hardware, device: str, dtype: str) -> None:
    assert place(hardware) == Placement(device, dtype)


def test_what_the_person_chose_is_taken() -> None:
    assert place(AMPERE, "cpu") == Placement("cpu", "float32")
    assert place(AMPERE, "auto", "float32") == Placement("cuda", "float32")
    assert place(PLAIN_CPU, "cpu", "bfloat16") == Placement("cpu", "bfloat16")
    for device in ("cuda", "mps"):
        with pytest.raises(ModelError, match=device):
            place(PLAIN_CPU, device)  # type: ignore[arg-type]


def test_the_cpus_flags_are_read() -> None:
    assert has_cpu_bfloat16("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16\n")
    assert has_cpu_bfloat16("flags\t\t: fpu amx_bf16 amx_tile\n")
    assert not has_cpu_bfloat16("flags\t\t: fpu avx2 avx512f\n")
    assert not has_cpu_bfloat16("Features\t: fp asimd\n")
    assert not has_cpu_bfloat16("")


def test_flash_attention_is_taken_where_it_can_be_and_never_needed() -> None:
    gpu, cpu = Placement("cuda", "bfloat16"), Placement("cpu", "float32")
    assert choose_attention("auto", gpu, installed=True, supported=True) == "flash_attention_2"
    assert choose_attention("auto", gpu, installed=False, supported=True) is None
    assert choose_attention("auto", gpu, installed=True, supported=False) is None
    assert choose_attention("auto", cpu, installed=True, supported=True) is None
    assert choose_attention("auto", Placement("cuda", "float32"), installed=True, supported=True) is None
    assert choose_attention("sdpa", gpu, installed=True, supported=True) == "sdpa"
    for installed, supported, place_, reason in (
        (False, True, gpu, "not installed"),
        (True, False, gpu, "does not know"),
        (True, True, cpu, "CUDA"),
    ):
        with pytest.raises(ModelError, match=reason):
            choose_attention("flash_attention_2", place_, installed=installed, supported=supported)

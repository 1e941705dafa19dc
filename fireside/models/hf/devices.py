"""Chooses device, number format and attention by what the machine can do fast."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fireside.errors import ModelError
from fireside.models.hf.loading import Attention, Device, Dtype

_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


@dataclass(frozen=True)
class Hardware:
    """What the machine has. cuda_bfloat16, cpu_bfloat16: it computes in bfloat16 by itself, which makes that fast."""

    cuda: bool = False
    cuda_bfloat16: bool = False
    mps: bool = False
    cpu_bfloat16: bool = False


@dataclass(frozen=True)
class Placement:
    """Where a model lies and in which number format it computes; names as torch has them."""

    device: str
    dtype: str


def detect() -> Hardware:
    """What this machine has, as torch and the kernel tell it."""
    import torch

    cuda = torch.cuda.is_available()
    return Hardware(
        cuda=cuda,
        # Emulated bfloat16 (before Ampere) is slower than float16.
        cuda_bfloat16=cuda and torch.cuda.is_bf16_supported(including_emulation=False),
        mps=torch.backends.mps.is_available(),
        cpu_bfloat16=has_cpu_bfloat16(_cpuinfo()),
    )


def has_cpu_bfloat16(cpuinfo: str) -> bool:
    """Whether the text of /proc/cpuinfo tells of AVX512-BF16 or AMX; without them bfloat16 is 10 to 43 times slower."""
    flags = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    return not _BFLOAT16_FLAGS.isdisjoint(flags.split())


def place(hardware: Hardware, device: Device = "auto", dtype: Dtype = "auto") -> Placement:
    """The device and the dtype to compute with; what is not "auto" is taken as it is.

    A CUDA GPU computes in bfloat16, or float16 where it has no bfloat16; Apple's in float16; a CPU in float32, or
    bfloat16 where it has instructions for that. Raises ModelError for a device that is not there.
    """
    there = {"cuda": hardware.cuda, "mps": hardware.mps, "cpu": True, "auto": True}
    if not there[device]:
        raise ModelError(
            f"torch finds no {device} device on this machine",
            'set the device to "auto" or "cpu", or install the torch build for your GPU and its driver',
        )
    chosen: str = device
    if device == "auto":
        chosen = "cuda" if hardware.cuda else "mps" if hardware.mps else "cpu"
    if dtype != "auto":
        return Placement(chosen, dtype)
    if chosen == "cuda":
        return Placement(chosen, "bfloat16" if hardware.cuda_bfloat16 else "float16")
    if chosen == "mps":
        return Placement(chosen, "float16")
    return Placement(chosen, "bfloat16" if hardware.cpu_bfloat16 else "float32")


def choose_attention(wanted: Attention, placement: Placement, *, installed: bool, supported: bool) -> str | None:
    """The attention to load a model with, as transformers names it; None leaves it to transformers (SDPA where it can).

    installed: FlashAttention-2 is. supported: the model's class knows it. Raises ModelError where it is wanted and
    cannot be had.
    """
    usable = installed and supported and placement.device == "cuda" and placement.dtype != "float32"
    if wanted == "flash_attention_2" and not usable:
        reason = (
            "flash-attn is not installed"
            if not installed
            else "this model does not know it"
            if not supported
            else f"it needs a CUDA GPU and 16-bit numbers, not {placement.device} and {placement.dtype}"
        )
        raise ModelError(f"FlashAttention-2 cannot be used: {reason}", 'set the attention to "auto"')
    if wanted == "auto":
        return "flash_attention_2" if usable else None
    return wanted


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:  # no Linux
        return ""

"""What can be told of the machine without torch, so that what it cannot do is refused before a process is started."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from finetune.choices import Machine, check_machine
from finetune.config import RunConfig
from fireside.cores import usable_cores

# Drivers' devices: NVIDIA's, those of its small boards, Windows' under WSL, AMD's.
_DRIVERS = ("nvidia*", "nvhost*", "dxg", "kfd")


def refuse_at_once(config: RunConfig) -> None:
    """Raises TrainingError for what a CPU cannot train with, where there is surely no GPU.

    Where there may be one, or the CPU may compute in bfloat16, the training process finds out.
    """
    if surely_no_gpu():
        check_machine(Machine(cores=usable_cores(), memory=0, cpu_bfloat16=True), config)


def surely_no_gpu(devices: Path = Path("/dev")) -> bool:
    """Whether torch can have no GPU: no driver's device is there, or torch was built without."""
    return not any(any(devices.glob(name)) for name in _DRIVERS) or _built_without_gpu()


def _built_without_gpu() -> bool:
    """Whether the installed torch knows neither CUDA nor ROCm, as its version file says; torch is not imported."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return False
    try:
        text = Path(found.origin).with_name("version.py").read_text("utf-8")
    except OSError:
        return False
    values = dict(re.findall(r"^(cuda|hip)\b[^=\n]*=\s*(\S+)", text, re.MULTILINE))
    return values.get("cuda") == "None" and values.get("hip", "None") == "None"

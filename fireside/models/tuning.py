"""How a model runs fastest on this machine: what was measured once, kept in `machine.json`, and when it applies.

`measuring.tune` measures; this file decides from the figures, keeps the choice and finds it again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside import atomic, paths
from fireside.cores import usable_cores
from fireside.models.gguf.loading import GgufLoading

if TYPE_CHECKING:
    from fireside.settings import ModelSettings

MARGIN = 0.03
"""What is tried must be faster than what is the default by this share, in the median: less is the machine's mood."""
TURN = (500, 200)
"""Tokens read and tokens written in a turn, where one figure has to stand for both."""
_FORMAT = 1
_MOST_KEPT = 64  # measurements, the oldest go first: models come and go
_CHOICES: dict[str, tuple[str, ...]] = {"flash_attention": ("auto", "on", "off"), "cache_type": ("f16", "q8_0", "q4_0")}
_SETTINGS = {"cache_type": "kv_type"}  # fields of `GgufLoading` that have another name as a setting


@dataclass(frozen=True)
class Tuned:
    """The fields of `GgufLoading` that were chosen by measuring; all of them are numbers or words that JSON knows."""

    threads: int
    threads_batch: int
    batch: int
    flash_attention: str
    cache_type: str
    mmap: bool
    gpu_layers: int

    @classmethod
    def of(cls, loading: GgufLoading) -> Tuned:
        """What `loading` has."""
        return cls(**{each.name: getattr(loading, each.name) for each in fields(cls)})


@dataclass(frozen=True)
class Measurement:
    """What was chosen for one model on one machine. decode, prefill: tokens/s; on: the day, ISO 8601."""

    sha256: str
    path: str
    tuned: Tuned
    decode: float
    prefill: float
    on: str


@dataclass(frozen=True)
class Machine:
    """What a measurement depends on beside the model: another processor or llama.cpp, and it counts no more."""

    cpu: str
    cores: int
    llama_cpp: str

    def __str__(self) -> str:
        """As it is shown."""
        return f"{self.cpu}, {self.cores} cores, llama-cpp-python {self.llama_cpp}"


@dataclass(frozen=True)
class Rates:
    """Figures of one candidate, one of each a round: tokens/s written and read, seconds to load, MB of memory.

    memory: of the model's process, resident; None where the system does not tell.
    """

    decode: tuple[float, ...] = ()
    prefill: tuple[float, ...] = ()
    load_s: tuple[float, ...] = ()
    memory: float | None = None

    def turn_s(self) -> tuple[float, ...]:
        """Seconds of a turn (`TURN`), by round."""
        read, written = TURN
        return tuple(
            read / prefill + written / decode for prefill, decode in zip(self.prefill, self.decode, strict=True)
        )


def this_machine() -> Machine:
    """The machine as it is now."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        engine = version("llama-cpp-python")
    except PackageNotFoundError:
        engine = "unknown"
    return Machine(_cpu(), usable_cores(), engine)


def fastest(default: Any, rounds: Mapping[Any, Sequence[float]]) -> Any:
    """Which candidate to take, `rounds` holding its figure in each round (less is better), the default's among them.

    Another than the default must be faster by `MARGIN` in the median and in no round slower.
    """
    from statistics import median

    best, least = default, 1 / (1 + MARGIN)
    for candidate, figures in rounds.items():
        if candidate == default or not figures:
            continue
        ratios = [ours / theirs for ours, theirs in zip(figures, rounds[default], strict=True)]
        if max(ratios) < 1 and median(ratios) < least:
            best, least = candidate, median(ratios)
    return best


def chosen(path: Path) -> Measurement | None:
    """What was measured for the model file at `path` on this machine, if it is still the same file; reads no model."""
    file = _file()
    if not file.exists():
        return None
    try:
        stat = path.stat()
    except OSError:
        return None
    for kept in _kept(file):
        same_file = (kept["path"], kept["size"], kept["modified"]) == (str(path), stat.st_size, stat.st_mtime_ns)
        if same_file and kept["machine"] == asdict(this_machine()):
            return _measurement(kept)
    return None


def keep(measurement: Measurement) -> Path:
    """Keep it in place of what was known of this model on this machine; return the file. Raises StorageError."""
    file, path = _file(), Path(measurement.path)
    stat = path.stat()
    machine = asdict(this_machine())
    others = [
        each
        for each in _kept(file)
        if each["machine"] != machine or (each["sha256"] != measurement.sha256 and each["path"] != measurement.path)
    ]
    new = {**asdict(measurement), "machine": machine, "size": stat.st_size, "modified": stat.st_mtime_ns}
    document = {"format": _FORMAT, "measured": [*others, new][-_MOST_KEPT:]}
    atomic.write_text(file, json.dumps(document, indent=1))
    return file


def setting_name(field: str) -> str:
    """The setting, in the table `model`, of a field of `Tuned`."""
    return _SETTINGS.get(field, field)


def own_settings(settings: ModelSettings) -> set[str]:
    """The fields of `Tuned` that the person has set: not left out, and not left to Fireside (0 or "auto")."""
    found = set()
    for each in fields(Tuned):
        name = setting_name(each.name)
        value = getattr(settings, name)
        if name in settings.model_fields_set and value != "auto" and (value != 0 or name == "gpu_layers"):
            found.add(each.name)
    return found


def loading_with(loading: GgufLoading, tuned: Tuned | None, own: Collection[str]) -> GgufLoading:
    """`loading` with what was measured, but for the fields in `own`, which the person has set."""
    if tuned is None:
        return loading
    kept = set(own)
    if "threads" in kept:
        # As many for prompts as for writing, unless both are said.
        kept.add("threads_batch")
    values = {name: value for name, value in asdict(tuned).items() if name not in kept}
    # Quantised keys and values need flash attention: where the person has set one of the two, it decides.
    if "cache_type" in kept and loading.cache_type != "f16":
        values.pop("flash_attention", None)
    if "flash_attention" in kept and loading.flash_attention == "off":
        values.pop("cache_type", None)
    return replace(loading, **values)


def origins(own: Collection[str], measured: Measurement | None) -> dict[str, str]:
    """Where each field of `Tuned` comes from: "set by you", "measured on DAY", or "default"."""
    otherwise = f"measured on {measured.on}" if measured else "default"
    found = {each.name: "set by you" if each.name in own else otherwise for each in fields(Tuned)}
    if "threads" in own and "threads_batch" not in own:
        found["threads_batch"] = "as for writing"
    return found


def _file() -> Path:
    return paths.home() / "machine.json"


def _kept(file: Path) -> list[dict[str, Any]]:
    """The measurements in the file that are whole; it can be made again, so what is damaged is passed over."""
    try:
        document = json.loads(file.read_text("utf-8"))
        found = document["measured"] if document["format"] == _FORMAT else []
        return [each for each in found if _whole(each)]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def _whole(kept: Any) -> bool:
    try:
        _measurement(kept)
        return isinstance(kept["machine"], dict) and {"size", "modified"} <= kept.keys()
    except (ValueError, LookupError, TypeError, AttributeError):
        return False


def _measurement(kept: dict[str, Any]) -> Measurement:
    """A measurement as `keep` wrote it. Raises ValueError, LookupError or TypeError where it is not one."""
    tuned = Tuned(**kept["tuned"])
    for each in fields(Tuned):
        value = getattr(tuned, each.name)
        if each.name in _CHOICES:
            good = value in _CHOICES[each.name]
        elif each.name == "mmap":
            good = isinstance(value, bool)
        else:
            least = -1 if each.name == "gpu_layers" else 1
            good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= 16_384
        if not good:
            raise ValueError(f"{each.name} cannot be {value!r}")
    return Measurement(
        str(kept["sha256"]), str(kept["path"]), tuned, float(kept["decode"]), float(kept["prefill"]), str(kept["on"])
    )


def _cpu() -> str:
    """The processor's name."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.lower().startswith(("model name", "hardware")):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    import platform

    return platform.processor() or platform.machine() or os.name

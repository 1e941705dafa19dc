"""What a person asks to export: one frozen dataclass, what its name stands for, and the process that does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from finetune.run import CHILD_ENVIRONMENT, list_runs
from finetune.status import read_status
from fireside import paths
from fireside.errors import AdapterError, TrainingError, did_you_mean
from fireside.models.adapters import list_adapters

Format = Literal["adapter", "gguf", "safetensors", "awq", "gptq"]
FORMATS: tuple[Format, ...] = ("adapter", "gguf", "safetensors", "awq", "gptq")


@dataclass(frozen=True)
class Request:
    """An export.

    source: the name of an adapter or of a model, as `find_source` gave it; is_adapter: which of them. kind: llama.cpp's
    type, "" for the usual one. over: "dequantised" or "original" weights of a run in 4 or 8 bits. imatrix: a file with
    an importance matrix, or with chats to measure one on; "" for none. ollama: write a Modelfile. output: a path, ""
    for the usual place.
    """

    source: str
    is_adapter: bool
    format: Format = "gguf"
    kind: str = ""
    over: Literal["dequantised", "original"] = "dequantised"
    imatrix: str = ""
    ollama: bool = False
    output: str = ""
    threads: int = 0


def find_source(name: str) -> tuple[str, bool]:
    """What `name` stands for: an adapter, the run that made it, or a model; and whether it is an adapter.

    Raises AdapterError with the nearest match, TrainingError.
    """
    from fireside.models.catalog import find, models

    adapters = [card.name for card in list_adapters()]
    if name in adapters:
        return name, True
    runs = {folder.name: folder for folder in list_runs()}
    if name in runs:
        status = read_status(runs[name])
        if status.state != "done":
            raise TrainingError(f"the run {name} is not done ({status.state})", f"fireside tune show {name}")
        return status.adapter, status.adapter in adapters
    known = [model.name for model in models()]
    if name in known or "/" in name or name.endswith(".gguf"):
        find(name)
        return name, False
    raise AdapterError(
        f"there is no adapter, run or model {name!r}",
        did_you_mean(name, [*adapters, *runs, *known], "list them: fireside adapters list, fireside tune list"),
    )


def export(request: Request, tell: Callable[[str], None]) -> dict[str, Any]:
    """Export in a process of its own; return its report (`verified`, `path`, `size` ...). tell: gets each step.

    Raises FiresideError.
    """
    return _in_process("export", json.dumps(asdict(request)), tell)


def verify_exported(model: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Prove a model that was exported here once more, in a process of its own; return the document of `tune verify`.

    Raises FiresideError.
    """
    return _in_process("verify", str(model), tell)


def _in_process(job: str, asked: str, tell: Callable[[str], None]) -> dict[str, Any]:
    """Let the process do its job; tell each of its steps; return its report.

    Raises FiresideError with what the process says; a process that ended by itself is one too.
    """
    paths.ensure_folder(paths.home())
    with log_file().open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "finetune.export.child", job, asked],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **CHILD_ENVIRONMENT},
            text=True,
        )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            document = _document(line)
            if "tell" in document:
                tell(str(document["tell"]))
            elif "done" in document:
                process.wait()
                report: dict[str, Any] = document["done"]
                return report
            elif "error" in document:
                process.wait()
                raise TrainingError(str(document["error"]), document.get("hint"))
        process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        process.stdout.close()
    raise TrainingError(
        f"the export ended by itself ({process.returncode})", "close other programs and try again: memory may be short"
    )


def log_file() -> Path:
    """What the libraries printed during the last export."""
    return paths.home() / "export.log"


def _document(line: str) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def place(request: Request, suffix: str) -> Path:
    """Where the export goes. suffix: ".gguf", or "" for a folder."""
    if request.output:
        path = paths.expanded(request.output).absolute()
        if suffix and path.suffix != suffix:
            raise TrainingError(f"{path.name} does not end in {suffix}", f"--output {path.name}{suffix}")
        if not suffix and path.suffix == ".gguf":
            raise TrainingError("safetensors are a folder, not a GGUF file", "leave .gguf out of --output")
        return path
    stem = Path(request.source).name.removesuffix(".gguf")
    return paths.models_folder() / f"{stem}-{request.kind}{suffix}"

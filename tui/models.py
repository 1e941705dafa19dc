"""Opens the chat model the settings name, with the engine that runs it. Nothing is loaded until it is started."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from fireside.errors import ModelError, did_you_mean
from fireside.models import tuning
from fireside.models.catalog import find
from fireside.models.client import WorkerModel
from fireside.models.gguf.loading import GgufLoading
from fireside.models.gguf.states import kv_folder
from fireside.models.hf.loading import HfLoading
from fireside.models.sampling import NEUTRAL, Sampling
from fireside.models.together import Together
from fireside.models.types import ChatModel
from tui.first import REMOTE as REMOTE

if TYPE_CHECKING:
    from fireside.models.remote import RemoteModel
    from fireside.settings import Settings

_BATCH = GgufLoading.batch


def open_model(settings: Settings, name: str | None = None, *, parallel: int = 1) -> ChatModel:
    """The model called `name`, or the one in the settings.

    `remote:NAME` is the server of that name in the settings, `remote:NAME/MODEL` another model on it; any other name is
    the catalog's. parallel: replies to compute at once. Raises ModelError if there is none of that name.
    """
    wanted = name or settings.model.name
    if wanted.startswith(REMOTE):
        return _remote(settings, wanted)
    model = find(wanted)
    if model.kind == "hf":
        return WorkerModel(model.name, _hf_loading(settings, model.path, parallel))
    return WorkerModel(model.name, gguf_loading(settings, model.path, parallel))


def open_for_evaluation(settings: Settings, name: str | None, at_once: int) -> ChatModel:
    """The model called `name`, for `at_once` turns that nobody reads along. Raises ModelError."""
    model = open_model(settings, name, parallel=at_once)
    return Together(model) if isinstance(model, WorkerModel) and model.batches and at_once > 1 else model


def remote_names(settings: Settings) -> list[str]:
    """The servers in the settings, as `open_model` takes them."""
    return [f"{REMOTE}{name}" for name in settings.remotes]


def sampling_text(sampling: Sampling) -> str:
    """The settings that change anything, by the names they have in the settings file."""
    shown = {each.name: getattr(sampling, each.name) for each in fields(sampling)}
    changed = [
        f"{name} {value:g}" if isinstance(value, int | float) else f"{name} {len(value)}"
        for name, value in shown.items()
        if value not in (None, (), {}) and (name == "temperature" or value != getattr(NEUTRAL, name))
    ]
    return ", ".join(changed)


def gguf_loading(settings: Settings, path: Path, parallel: int = 1) -> GgufLoading:
    """How the GGUF file `path` is loaded: as the settings say, else as was measured, else by default.

    Raises ModelError if the settings' draft model does not exist.
    """
    wanted = settings.model
    measured = tuning.chosen(path)
    loading = GgufLoading(
        path,
        context_length=wanted.context_length,
        sequences=parallel,
        threads=wanted.threads,
        threads_batch=wanted.threads_batch,
        batch=wanted.batch or _BATCH,
        gpu_layers=wanted.gpu_layers,
        flash_attention=wanted.flash_attention,
        cache_type="f16" if wanted.kv_type == "auto" else wanted.kv_type,
        mmap=wanted.mmap != "off",
        draft=find(wanted.draft).path if wanted.draft else None,
        speculate=wanted.speculate,
        kv_folder=kv_folder() if wanted.kv_disk_mb else None,
        kv_bytes=wanted.kv_disk_mb * 1_000_000,
        template=wanted.template,
    )
    return tuning.loading_with(loading, measured.tuned if measured else None, tuning.own_settings(wanted))


def _hf_loading(settings: Settings, path: Path, parallel: int) -> HfLoading:
    wanted = settings.model
    return HfLoading(
        path,
        context_length=wanted.context_length,
        sequences=parallel,
        threads=wanted.threads,
        quantisation=wanted.quantisation,
        device=wanted.device,
        dtype=wanted.dtype,
        template=wanted.template,
    )


def _remote(settings: Settings, wanted: str) -> RemoteModel:
    from fireside.models.remote import RemoteModel, RemoteServer

    name, _, model = wanted.removeprefix(REMOTE).partition("/")
    known = settings.remotes
    if name not in known:
        otherwise = f"known servers: {', '.join(known)}" if known else f"add [remotes.{name or 'NAME'}] to the settings"
        raise ModelError(f"there is no server called {name!r} in the settings", did_you_mean(name, known, otherwise))
    fields = known[name].model_dump()
    return RemoteModel(wanted, RemoteServer(**fields | ({"model": model} if model else {})))

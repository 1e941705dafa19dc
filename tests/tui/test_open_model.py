"""Which engine a name opens, and how the settings reach it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fireside import paths
from fireside.errors import ModelError
from fireside.models import tuning
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.catalog import ModelFile, find
from fireside.models.client import WorkerModel
from fireside.models.gguf.loading import GgufLoading
from fireside.models.hf.loading import HfLoading
from fireside.models.remote import RemoteModel, RemoteServer
from fireside.models.sampling import NEUTRAL, Sampling
from fireside.models.scripted import ScriptedModel
from fireside.models.tuning import Tuned
from fireside.settings import ModelSettings, RemoteSettings, Settings
from tui.models import open_model, remote_names, sampling_text

LAB = Settings(remotes={"lab": RemoteSettings(url="http://lab:8000", model="big", key_variable="LAB_KEY", retries=0)})


def loading_of(settings: Settings, name: str | None = None, **more: Any) -> GgufLoading | HfLoading:
    model = open_model(settings, name, **more)
    assert isinstance(model, WorkerModel)
    return model._loading


def with_model(**fields: Any) -> Settings:
    return Settings(model=ModelSettings(**fields))


def test_the_default_is_the_bundled_model_as_the_engine_has_it() -> None:
    folder = paths.home() / "kv"
    wanted = GgufLoading(located(CHAT_MODEL), kv_folder=folder, kv_bytes=1_024_000_000)
    assert loading_of(Settings()) == wanted
    assert loading_of(Settings(), parallel=4) == replace(wanted, sequences=4)


def test_what_is_set_reaches_the_engine() -> None:
    settings = with_model(
        context_length=1024, template="llama2", threads=2, threads_batch=3, batch=64, gpu_layers=-1, mmap="off",
        flash_attention="on", kv_type="q8_0", kv_disk_mb=0, speculate=False, draft="smollm2-135m",
    )  # fmt: skip
    path = located(CHAT_MODEL)
    assert loading_of(settings) == GgufLoading(
        path, context_length=1024, template="llama2", threads=2, threads_batch=3, batch=64, gpu_layers=-1, mmap=False,
        flash_attention="on", cache_type="q8_0", kv_folder=None, kv_bytes=0, speculate=False, draft=path,
    )  # fmt: skip


def test_what_was_measured_fills_what_is_left_open() -> None:
    path = located(CHAT_MODEL)
    tuned = Tuned(3, 5, 128, "on", "q8_0", mmap=False, gpu_layers=7)
    paths.ensure_folder(paths.home())
    tuning.keep(tuning.Measurement(CHAT_MODEL.sha256, str(path), tuned, 10.0, 10.0, "2026-01-01"))
    loading = loading_of(with_model(batch=64, gpu_layers=0, threads_batch=0))
    assert isinstance(loading, GgufLoading)
    assert Tuned.of(loading) == replace(tuned, batch=64, gpu_layers=0)


def test_a_draft_model_that_is_not_there() -> None:
    with pytest.raises(ModelError, match="there is no model called 'tiny'"):
        open_model(with_model(draft="tiny"))


def test_a_folder_in_hugging_face_s_format_goes_to_transformers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def found(name: str) -> ModelFile:
        return replace(find("smollm2-135m"), name=name, path=tmp_path, kind="hf")

    monkeypatch.setattr("tui.models.find", found)
    settings = with_model(quantisation="nf4", device="cpu", dtype="float32", context_length=2048)
    assert loading_of(settings, "tiny", parallel=2) == HfLoading(
        tmp_path, context_length=2048, sequences=2, quantisation="nf4", device="cpu", dtype="float32"
    )


@pytest.mark.parametrize(("name", "model"), [("remote:lab", "big"), ("remote:lab/other/model:7b", "other/model:7b")])
def test_a_server_of_the_settings(name: str, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_model(LAB, name)
    assert isinstance(opened, RemoteModel)
    assert opened.name == name
    assert opened._server == RemoteServer("http://lab:8000", model=model, key_variable="LAB_KEY", retries=0)
    monkeypatch.setenv("FIRESIDE_MODEL__NAME", name)
    assert open_model(Settings(remotes=LAB.remotes)).name == name
    assert remote_names(LAB) == ["remote:lab"]


@pytest.mark.parametrize(
    ("settings", "name", "hint"),
    [
        (LAB, "remote:lb", "did you mean lab?"),
        (LAB, "remote:zzzz/x", "known servers: lab"),
        (Settings(), "remote:lab", "add [remotes.lab] to the settings"),
        (Settings(), "remote:", "add [remotes.NAME] to the settings"),
    ],
)
def test_a_server_that_is_not_in_the_settings(settings: Settings, name: str, hint: str) -> None:
    with pytest.raises(ModelError) as caught:
        open_model(settings, name)
    assert caught.value.hint == hint


def test_sampling_is_told_by_what_changes_anything() -> None:
    assert sampling_text(NEUTRAL) == "temperature 1"
    assert sampling_text(Sampling()) == ""
    chosen = Sampling(temperature=0.2, top_k=0, dry_multiplier=0.8, banned_phrases=("a", "b"), seed=3)
    assert sampling_text(chosen.over(NEUTRAL)) == "dry_multiplier 0.8, temperature 0.2, seed 3, banned_phrases 2"


async def test_the_chat_says_which_sampling_is_in_force(chat_with: Callable[..., Any]) -> None:
    model = ScriptedModel([], sampling=replace(NEUTRAL, temperature=0.2, top_p=0.9))
    async with chat_with(model=model) as chat:
        await chat.write("/model")
        await chat.shows("chatting with scripted (top_p 0.9, temperature 0.2); /model NAME changes it")


async def test_an_empty_conversation_says_where_words_go(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.shows("Nothing you write here leaves this machine.")
        chat.model._name = "remote:lab"
        await chat.write("/model remote:lab")
        await chat.shows("what you write here goes to the server lab.")
        assert "leaves this machine" not in chat.text

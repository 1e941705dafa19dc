"""The screen of models: what is told, chatting, getting, cancelling, removing, and what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from local_hub import LocalHub, serving, small_gguf
from one_screen import HeldAlone, OneScreen
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]  # it ships no types
from screen_text import shown, shows
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot
from textual.widgets import Input

from fireside import paths
from fireside.errors import StorageError
from fireside.models.catalog import ModelFile
from fireside.models.describe import Description
from fireside.models.scripted import ScriptedModel
from fireside.models.types import ModelInfo
from fireside.settings import RemoteSettings, Settings
from tui.models_screen.entries import Entry
from tui.models_screen.screen import PULL, ModelsScreen
from tui.theme import DARK, LIGHT

GIVEN = Description("llama", 134_515_008, "Q4_1", 8192, 30, "apache-2.0", True, 272, 235_000_000, True, note="")
BIG = replace(
    GIVEN,
    parameters=70_000_000_000,
    quantisation="Q4_K_M",
    memory_needed=45_000_000_000,
    fits=False,
    chat_template=False,
    note="it would fit in Q2_K",
)
TORN = Description(problem="torn.gguf is not a usable GGUF file: its header is cut off")


def here(name: str, size: int, description: Description, source: str = "models folder") -> Entry:
    file = ModelFile(name, Path(f"/m/{name}.gguf"), source, size)
    return Entry(name, "On this machine", 8_000_000_000, file, description)


ENTRIES = [
    here("smollm2-135m", 98_000_000, GIVEN, "bundled"),
    here("big-70b", 42_000_000_000, BIG),
    here("torn", 4, TORN),
    Entry("remote:house", "Servers", 8_000_000_000, address="http://127.0.0.1:8000/v1"),
]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "no-ollama"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    files = {f"Small-{name}.gguf": small_gguf(tmp_path, rows=rows) for name, rows in (("Q4_K_M", 600), ("Q8_0", 1200))}
    with serving(LocalHub(files)) as started:
        monkeypatch.setenv("HF_ENDPOINT", started.address)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield started


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same models on every machine."""
    monkeypatch.setattr("tui.models_screen.screen.entries", lambda settings: ENTRIES)


async def ask(pilot: Pilot[Any], text: str) -> None:
    """Answer a dialog of one line."""
    field = pilot.app.screen.query_one(Input)
    field.value = text
    await pilot.press("enter")


async def test_the_models_of_this_machine_and_the_servers_are_told(tmp_path: Path) -> None:
    folder = paths.ensure_folder(paths.models_folder())
    (folder / "torn.gguf").write_bytes(b"GGUF")
    (folder / "small.gguf").write_bytes(small_gguf(tmp_path))
    settings = Settings(remotes={"house": RemoteSettings(url="http://127.0.0.1:1/v1")})
    async with OneScreen(ModelsScreen(HeldAlone(settings))).run_test(size=(110, 30)) as pilot:
        await shows(pilot, "On this machine", "✓ smollm2-135m", "✓ small", "! torn", "→ remote:house")
        await shows(pilot, "apache-2.0", "its own", "8,192 tokens", "✓ fits: it needs", "are free")
        await pilot.press("j", "j")
        await shows(pilot, "! torn.gguf is not a usable GGUF file")
        await pilot.press("end")
        await shows(pilot, "it runs on that server")


async def test_enter_chats_with_the_marked_model_and_leaves(written: None) -> None:
    held = HeldAlone()
    async with OneScreen(ModelsScreen(held)).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "big-70b")
        await pilot.press("j", "enter")
        while isinstance(pilot.app.screen, ModelsScreen):
            await pilot.pause(0.005)
        assert held.model.name == "big-70b"
        assert held.kept["model"] == "big-70b"


async def test_a_model_whose_process_dies_is_one_line_and_the_old_one_stays(written: None) -> None:
    held = HeldAlone(dead=("big-70b",))
    async with OneScreen(ModelsScreen(held)).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "big-70b")
        await pilot.press("j", "enter")
        await shows(pilot, "✗ the model process ended by itself; start it again")
        assert held.model.name == "scripted"
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, ModelsScreen)


async def test_leaving_while_a_model_loads_ends_its_process(written: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(ScriptedModel):
        closed = False

        async def start(self) -> ModelInfo:
            await asyncio.Event().wait()
            raise AssertionError

        async def close(self) -> None:
            self.closed = True

    held, slow = HeldAlone(), Slow([], "big-70b")
    monkeypatch.setattr(held, "_open_model", lambda name: slow)
    async with OneScreen(ModelsScreen(held)).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "big-70b")
        await pilot.press("j", "enter")
        await shows(pilot, "loading big-70b …")
        await pilot.press("enter", "escape")
        while not slow.closed:
            await pilot.pause(0.005)
        assert not isinstance(pilot.app.screen, ModelsScreen)
        assert held.model.name == "scripted"


async def test_a_model_is_chosen_among_those_of_a_repository_and_got(hub: LocalHub) -> None:
    held = HeldAlone()
    async with OneScreen(ModelsScreen(held)).run_test(size=(110, 30)) as pilot:
        await shows(pilot, "smollm2-135m")
        await pilot.press("p")
        await pilot.pause()
        await ask(pilot, "org/model")
        await shows(pilot, "Which of them?", "Q4_K_M", "Small-Q8_0 · advised")
        await pilot.press("enter")
        await shows(pilot, "✓ pulling Small-Q4_K_M: Small-Q4_K_M is here", "✓ Small-Q4_K_M")
    assert (paths.models_folder() / "Small-Q4_K_M.gguf").is_file()


async def test_a_cancelled_pull_keeps_what_came_and_goes_on_later(
    hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.cuts = [100_000]  # the connection ends there, and the hub is then away for long
    hub.statuses = [0, 503, 503, 503]
    held = HeldAlone()
    async with OneScreen(ModelsScreen(held)).run_test(size=(110, 30)) as pilot:
        await shows(pilot, "smollm2-135m")
        await pilot.press("p")
        await pilot.pause()
        await ask(pilot, "hf:org/model:Q4_K_M")
        await shows(pilot, "pulling Small-Q4_K_M", "%")
        job = held.jobs.of(PULL)
        assert job is not None
        while job.done < 100_000:
            await pilot.pause(0.005)
        await pilot.press("p")
        await shows(pilot, "is under way; c cancels it")
        await pilot.press("c")
        await shows(pilot, "■ pulling Small-Q4_K_M: cancelled; 0 MB are kept")
        hub.statuses = []
        await pilot.press("p")
        await pilot.pause()
        await ask(pilot, "hf:org/model:Q4_K_M")
        await shows(pilot, "✓ pulling Small-Q4_K_M")
    assert any(headers.get("range") == "bytes=100000-" for headers in hub.asked("Small-Q4_K_M.gguf"))


async def test_a_repository_that_is_not_there_is_told() -> None:
    held = HeldAlone()
    async with OneScreen(ModelsScreen(held)).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "smollm2-135m")
        await pilot.press("p")
        await pilot.pause()
        await ask(pilot, "nonsense")
        await shows(pilot, "✗ 'hf:nonsense' names no repository")


async def test_a_model_is_removed_once_the_person_has_said_so(tmp_path: Path) -> None:
    file = paths.ensure_folder(paths.models_folder()) / "small.gguf"
    file.write_bytes(small_gguf(tmp_path))
    async with OneScreen(ModelsScreen(HeldAlone())).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "✓ small ")
        await pilot.press("d")
        await pilot.pause()
        await pilot.press("y")
        await shows(pilot, "smollm2-135m cannot be removed here: it is installed with Fireside")
        await pilot.press("j", "d")
        await shows(pilot, "Delete the model small?")
        await pilot.press("n")
        assert file.is_file()
        await pilot.press("d")
        await pilot.pause()
        await pilot.press("y")
        await shows(pilot, "small is deleted")
        assert not file.exists()


async def test_what_cannot_be_looked_at_is_told_in_the_place_of_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(settings: Settings) -> list[Entry]:
        raise StorageError("cannot read the models folder", "check its permissions")

    monkeypatch.setattr("tui.models_screen.screen.entries", unreadable)
    async with OneScreen(ModelsScreen(HeldAlone())).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "✗ cannot read the models folder", "check its permissions")
        await pilot.press("d", "enter", "space", "c")
        monkeypatch.setattr("tui.models_screen.screen.entries", lambda settings: [])
        await pilot.press("r")
        await shows(pilot, "There are no models. Press p to get one")


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
async def test_it_looks_as_it_did(written: None, theme: Any, snapshot: SnapshotAssertion) -> None:
    async with OneScreen(ModelsScreen(HeldAlone()), theme).run_test(size=(100, 26)) as pilot:
        await shows(pilot, "big-70b")
        await pilot.press("j")
        await shows(pilot, "it would fit in Q2_K")
        assert pilot.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)


async def test_it_stands_on_a_narrow_terminal(written: None, snapshot: SnapshotAssertion) -> None:
    async with OneScreen(ModelsScreen(HeldAlone())).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "big-70b")
        for size in ((60, 20), (30, 8), (120, 40), (60, 20)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await shows(pilot, "✓ smollm2-135m", "✗ big-70b", "quantised")
        assert max(map(len, shown(pilot.app).splitlines())) <= 60
        assert pilot.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)


async def test_slash_models_opens_it(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.write("/models")
        await chat.shows("✓ fits")
        await chat.pilot.press("escape")
        await chat.until(lambda: chat.app.screen is chat.screen)

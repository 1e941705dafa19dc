"""The screen of adapters: cards, the blend in the open chat, checking again, bringing in, removing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from adapter_files import keep_adapter, write_adapter
from one_screen import HeldAlone, OneScreen
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]  # it ships no types
from screen_text import shown, shows
from syrupy.assertion import SnapshotAssertion
from textual.widgets import Input

from fireside import paths
from fireside.errors import AdapterError
from tui.adapters_screen.screen import VERIFY, AdaptersScreen
from tui.theme import DARK, LIGHT

SCORES = {
    "verified": True, "prompts": 8, "positions": 500, "agreement": 0.998, "kl": 0.0012, "logit_error": 0.04,
    "base_agreement": 1.0, "base_kl": 0.0001, "base_logit_error": 0.01,
}  # fmt: skip
CARD: dict[str, Any] = {
    "origin": "trained",
    "data_sha256": "c0ffee" * 10,
    "seed": 7,
    "config": {"method": "lora"},
    "made": {"at": "2026-11-20T10:30:00+00:00"},
    "metrics": {"examples": 30, "steps": 60, "seconds": 95.5, "eval_loss_before": 4.125, "eval_loss_after": 0.25},
    "verify": SCORES,
}


@pytest.fixture
def adapters() -> None:
    """One of each state."""
    keep_adapter("kitchen", **CARD)
    keep_adapter("garden", origin="trained")
    keep_adapter("guest", verified=None, origin="imported", source="[b]guest[/b].gguf")
    keep_adapter("other", base="ab" * 32)
    keep_adapter(
        "refused",
        verified=False,
        origin="trained",
        verify={**SCORES, "verified": False, "reason": "the mean KL is 0.3"},
    )
    (keep_adapter("torn") / "adapter.gguf").write_bytes(b"GGUF")
    paths.ensure_folder(paths.adapters_folder() / "uncarded")


async def test_every_adapter_is_listed_also_the_damaged_ones_with_their_fix(adapters: None) -> None:
    async with OneScreen(AdaptersScreen(HeldAlone())).run_test(size=(120, 34)) as pilot:
        await shows(pilot, "✓ garden", "? guest", "✓ kitchen", "✗ refused", "! torn", "! uncarded")
        await pilot.press("j", "j")
        await shows(pilot, "data sha256", "c0ffeec0ffeec0ff", "2026-11-20 10:30", "4.125 → 0.250", "0.00120")
        await pilot.press("end")
        await shows(pilot, "the card of the adapter 'uncarded'", "remove it: fireside adapters remove")
        await pilot.press("enter")
        await shows(pilot, "✗ uncarded is damaged, so it cannot be applied")
        await pilot.press("k", "k")
        await shows(pilot, "refused because the mean KL is 0.3")


async def test_several_are_blended_with_sliders_and_count_from_the_next_reply_on(adapters: None) -> None:
    held = HeldAlone()
    async with OneScreen(AdaptersScreen(held)).run_test(size=(120, 34)) as pilot:
        await shows(pilot, "✓ garden")
        await pilot.press("enter", "left", "left")
        await shows(pilot, "━●────── 0.90", "from the next reply on: garden 0.90")
        await pilot.press("j", "j", "right", "right", "right")
        await shows(pilot, "from the next reply on: garden 0.90 + kitchen 0.15")
        assert [(use.name, use.scale) for use in held.adapters] == [("garden", 0.9), ("kitchen", 0.15)]
        assert held.kept["adapter"] == "garden:0.9+kitchen:0.15"
        await pilot.press("k", "k", "space")
        await shows(pilot, "from the next reply on: kitchen 0.15")


async def test_a_change_just_before_leaving_counts_and_stays(adapters: None) -> None:
    held = HeldAlone()
    async with OneScreen(AdaptersScreen(held)).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "✓ garden")
        await pilot.press("enter", "right", "escape")
        await pilot.pause()
        assert not isinstance(pilot.app.screen, AdaptersScreen)
        assert held.adapter_spec == "garden:1.05"
        pilot.app.push_screen(AdaptersScreen(held))
        await shows(pilot, "1.05")


async def test_one_for_another_model_is_refused_in_a_line_and_the_blend_stays(adapters: None) -> None:
    held = HeldAlone()
    async with OneScreen(AdaptersScreen(held)).run_test(size=(120, 34)) as pilot:
        await shows(pilot, "✓ garden")
        await pilot.press("enter")
        await shows(pilot, "from the next reply on: garden 1.00", "another model's")
        await pilot.press("j", "j", "j", "enter")
        await shows(pilot, "✗ the adapter 'other' was made for another model")
        assert held.adapter_spec == "garden:1"
        assert shown(pilot.app).count("1.00") == 1


async def test_a_check_runs_beside_shows_the_time_and_tells_its_result(
    adapters: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, begun = threading.Event(), []

    def verify(folder: Path, waiting: Callable[[], None]) -> dict[str, Any]:
        begun.append(folder.name)
        while not go.wait(0.01):
            waiting()
        if len(begun) == 2:
            raise AdapterError("the check of the adapter 'kitchen' ended by itself", "close other programs")
        return {"scores": SCORES}

    monkeypatch.setattr("finetune.run.verify_adapter", verify)
    held = HeldAlone()
    async with OneScreen(AdaptersScreen(held)).run_test(size=(120, 34)) as pilot:
        await shows(pilot, "✓ garden")
        await pilot.press("j", "v")
        await shows(pilot, "✗ guest was not trained here")
        await pilot.press("j", "v")
        await shows(pilot, "checking kitchen", " s …")
        await pilot.press("v")
        await shows(pilot, "✗ checking kitchen is under way")
        go.set()
        await shows(pilot, "✓ checking kitchen: export verified: llama.cpp against transformers")
        await pilot.press("v")
        await shows(pilot, "✗ the check of the adapter 'kitchen' ended by itself; close other programs")
        go.clear()
        await pilot.press("v", "c")
        await shows(pilot, "■ checking kitchen: cancelled")
        job = held.jobs.of(VERIFY)
        assert job is not None
        assert job.state == "cancelled"


async def test_one_is_brought_in_from_a_file_and_removed_again(tmp_path: Path) -> None:
    file = write_adapter(tmp_path / "new.gguf")
    async with OneScreen(AdaptersScreen(HeldAlone())).run_test(size=(110, 30)) as pilot:
        await shows(pilot, "There are no adapters yet.")
        await pilot.press("i")
        await pilot.pause()
        pilot.app.screen.query_one(Input).value = str(file)
        await pilot.press("enter")
        await shows(pilot, "? new", "its export was not checked here")
        await pilot.press("enter")
        await shows(pilot, "from the next reply on: new 1.00")
        await pilot.press("d")
        await shows(pilot, "✗ new is applied now")
        await pilot.press("enter")
        await shows(pilot, "from the next reply on: no adapter")
        await pilot.press("d")
        await pilot.pause()
        await pilot.press("y")
        await shows(pilot, "new is deleted", "There are no adapters yet.")
    assert not (paths.adapters_folder() / "new").exists()


async def test_a_dead_model_is_one_line(adapters: None) -> None:
    held = HeldAlone(dead=("",))
    async with OneScreen(AdaptersScreen(held)).run_test(size=(110, 30)) as pilot:
        await shows(pilot, "✓ garden")
        await pilot.press("enter")
        await shows(pilot, "✗ the model process ended by itself")
        assert held.adapters == ()


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
async def test_it_looks_as_it_did(adapters: None, theme: Any, snapshot: SnapshotAssertion) -> None:
    async with OneScreen(AdaptersScreen(HeldAlone()), theme).run_test(size=(110, 28)) as pilot:
        await shows(pilot, "✓ garden")
        await pilot.press("enter", *["left"] * 6, "j", "j", *["right"] * 9)
        await shows(pilot, "garden 0.70 + kitchen 0.45", "4.125")
        assert pilot.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)


async def test_it_stands_on_a_narrow_terminal(adapters: None, snapshot: SnapshotAssertion) -> None:
    async with OneScreen(AdaptersScreen(HeldAlone())).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "✓ garden")
        await pilot.press("enter")
        await shows(pilot, "garden 1.00")
        for size in ((60, 20), (30, 8), (120, 40), (60, 20)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await shows(pilot, "✓ garden", "━●─")
        assert pilot.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)


async def test_slash_adapters_opens_it_and_slash_adapter_takes_several(
    chat_with: Callable[..., Any], adapters: None
) -> None:
    async with chat_with([["Oak."]], size=(120, 30)) as chat:
        await chat.write("/adapter garden:0.7+kitchen:0.3")
        await chat.shows("+ garden:0.7+kitchen:0.3")
        await chat.write("/adapter garden+garden")
        await chat.shows("the adapter 'garden' is named twice")
        await chat.write("/adapter")
        await chat.shows("applied: garden at 0.7 and kitchen at 0.3")
        await chat.send("Which wood?")
        used = chat.model.requests[0].adapters
        assert [(use.name, use.scale) for use in used] == [("garden", 0.7), ("kitchen", 0.3)]
        assert chat.store.conversations()[0].adapter == "garden:0.7+kitchen:0.3"
        await chat.write("/adapters")
        await chat.shows("0.70")
        await chat.pilot.press("escape")
        await chat.until(lambda: chat.app.screen is chat.screen)

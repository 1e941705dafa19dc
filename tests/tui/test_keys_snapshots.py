"""What help, settings and tour look like: SVG snapshots, in both themes and in a narrow terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]  # it ships no types
from syrupy.assertion import SnapshotAssertion

from fireside.errors import SettingsError

LOOKS = [("dark", (80, 24)), ("light", (80, 24)), ("dark", (60, 20)), ("light", (60, 20))]


@pytest.fixture
def svg(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """A screenshot to compare with; the app under test is running already, which `snap_compare` does not allow."""
    return snapshot.use_extension(SVGImageExtension)


@pytest.mark.parametrize(("theme", "size"), LOOKS)
async def test_help(chat_with: Callable[..., Any], svg: SnapshotAssertion, theme: str, size: tuple[int, int]) -> None:
    async with chat_with(size=size) as chat:
        chat.app.theme = f"fireside-{theme}"
        await chat.shows("ready")
        await chat.pilot.press("f1")
        await chat.shows("The prompt")
        assert chat.app.export_screenshot() == svg


@pytest.mark.parametrize(("theme", "size"), LOOKS)
async def test_settings(
    chat_with: Callable[..., Any], svg: SnapshotAssertion, theme: str, size: tuple[int, int]
) -> None:
    async with chat_with(size=size) as chat:
        chat.app.theme = f"fireside-{theme}"
        await chat.pilot.press("f9")
        await chat.shows("theme")
        await chat.pilot.press("slash", *"tokens", "enter", "j")
        await chat.shows("computed at a time")
        assert chat.app.export_screenshot() == svg


async def test_a_broken_settings_file(
    chat_with: Callable[..., Any], svg: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> None:
        # The real message names the file, which stands elsewhere in every run.
        raise SettingsError("settings.toml is not valid TOML: Invalid value (at line 1, column 9)", "fix that line")

    monkeypatch.setattr("tui.settings_screen.screen.read", read)
    async with chat_with(size=(60, 20)) as chat:
        await chat.pilot.press("f9")
        await chat.shows("Nothing is changed here")
        assert chat.app.export_screenshot() == svg


@pytest.mark.parametrize(("theme", "size"), LOOKS)
async def test_tour(chat_with: Callable[..., Any], svg: SnapshotAssertion, theme: str, size: tuple[int, int]) -> None:
    async with chat_with(size=size, tour=True) as chat:
        chat.app.theme = f"fireside-{theme}"
        await chat.shows("ready")
        await chat.shows("1/5")
        await chat.pilot.press("tab")
        await chat.shows("2/5")
        assert chat.app.export_screenshot() == svg


async def test_the_vim_prompt(chat_with: Callable[..., Any], svg: SnapshotAssertion) -> None:
    async with chat_with(size=(60, 20)) as chat:
        chat.screen.prompt.use_keys("vim")
        chat.screen.prompt.fill("Dry wood burns.")
        await chat.shows("ready")
        await chat.pilot.press("escape", "2", "d")
        await chat.shows("2d")
        assert chat.app.export_screenshot() == svg

"""What a fresh interpreter has loaded: nothing heavy on the way to the help or to the first frame."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch", "transformers", "sentence_transformers", "chromadb", "llama_cpp", "peft", "trl", "datasets", "onnxruntime",
    "tokenizers", "bitsandbytes", "numpy", "uvicorn", "mcp", "rag.library", "agents.loop",
)  # fmt: skip

FIRST_FRAME = """
import asyncio, sys
from fireside import paths
from fireside.conversations.store import ConversationStore
from fireside.settings import load
from tui.app import FiresideApp
from tui.models import open_model
from tui.session import ChatSession

async def main():
    settings = load()
    paths.ensure_folder(paths.home())
    store = ConversationStore(paths.conversations_database())
    session = ChatSession(store, settings, lambda name: open_model(settings, name))
    app = FiresideApp(session)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        assert any("Write a message" in strip.text for strip in app.screen._compositor.render_strips())
        loaded = set(sys.modules)
    print(*sorted(set(sys.argv[1:]) & loaded))

asyncio.run(main())
"""


def loaded_by(script: str, home: Path) -> list[str]:
    """The heavy modules that `script`, which prints those it has loaded, names."""
    done = subprocess.run(
        [sys.executable, "-c", script, *HEAVY],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "FIRESIDE_HOME": str(home)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_building_the_command_line_imports_nothing_heavy(tmp_path: Path) -> None:
    script = "import sys; import tui.cli; tui.cli.parser(); print(*sorted(set(sys.argv[1:]) & set(sys.modules)))"
    assert loaded_by(script, tmp_path) == []


def test_the_command_line_does_without_textual_and_pydantic(tmp_path: Path) -> None:
    script = (
        "import sys; import tui.cli; tui.cli.parser();"
        "print(*sorted({'textual', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    assert loaded_by(script, tmp_path) == []


@pytest.mark.engine
def test_the_first_frame_imports_nothing_heavy(tmp_path: Path) -> None:
    assert loaded_by(FIRST_FRAME, tmp_path) == []

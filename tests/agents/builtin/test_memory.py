from __future__ import annotations

from pathlib import Path

import pytest

from agents.builtin.memory import memory_tools
from agents.tools import run_tool
from fireside import paths
from fireside.errors import ToolError


async def remember(folder: Path | None, text: str) -> str:
    return await run_tool(memory_tools(folder)[0], {"text": text})


async def recall(folder: Path | None, query: str) -> list[str]:
    found = await run_tool(memory_tools(folder)[1], {"query": query})
    return [line.partition(": ")[2] for line in found.splitlines() if ": " in line]


async def test_notes_are_found_again_in_their_folder(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert await recall(here, "cat") == []
    assert not paths.memory_database().exists()  # looking makes nothing
    assert await remember(here, "The  cat is\ncalled Tom.") == "noted"
    await remember(None, "The person likes cats.")
    await remember(here, "The rent is due on Friday.")
    assert sorted(await recall(here, "cats?")) == ["The cat is called Tom.", "The person likes cats."]
    assert await recall(there, "cat") == ["The person likes cats."]
    assert await recall(None, "cat") == ["The person likes cats."]
    assert (await recall(here, "when is the rent due"))[0] == "The rent is due on Friday."


async def test_a_note_is_kept_once(tmp_path: Path) -> None:
    for _ in range(2):
        await remember(tmp_path, "Tom is a cat.")
    assert await recall(tmp_path, "Tom") == ["Tom is a cat."]


@pytest.mark.parametrize("query", ['"', "*", "a OR", "NEAR(", "-", "text:", "caf\u00e9"])
async def test_any_query_is_only_words(tmp_path: Path, query: str) -> None:
    await remember(tmp_path, "Something.")
    assert await recall(tmp_path, query) == []


async def test_an_empty_note_is_refused_and_the_preview_tells_it(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="is empty"):
        await remember(tmp_path, "  ")
    note = memory_tools(tmp_path)[0].traits
    assert note.preview is not None
    assert note.preview({"text": "a\nb"}) == "keep the note: a b"
    assert note.risk == "writes"

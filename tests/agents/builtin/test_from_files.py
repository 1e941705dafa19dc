from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from agents.builtin.from_files import distrust, load_trusted, state_of, trust, trusted_files
from agents.tools import run_tool
from fireside import paths
from fireside.errors import FiresideError, StorageError, ToolError

TOOL = '''
from os.path import join
from typing import Literal

RISK = "reads"
COUNT = []

def greet(name: str, how: Literal["hello", "bye"] = "hello") -> str:
    """Greet somebody.

    Examples:
        greet Ann -> {"name": "Ann"}
    """
    COUNT.append(1)
    return f"{how} {name} {len(COUNT)}"

def _hidden(x: int) -> str:
    return "x"
'''
SKILL = "---\nname: letters\ndescription: Writing letters to offices.\n---\n# Letters\nBegin with the date.\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "own" / "my-greetings.py"
    file.parent.mkdir()
    file.write_text(TOOL)
    return file


async def test_functions_of_a_trusted_file_are_tools(file: Path) -> None:
    assert load_trusted().tools == ()
    (added,) = trust(file)
    assert (added.name, state_of(added)) == ("my_greetings", "trusted")
    loaded = load_trusted()
    (tool,) = loaded.tools
    assert (tool.name, tool.traits.risk, tool.traits.untrusted) == ("my_greetings.greet", "reads", True)
    assert await run_tool(tool, {"name": "Ann"}) == "hello Ann 1"
    assert await run_tool(tool, {"name": "Ann", "how": "bye"}) == "bye Ann 2"
    assert loaded.problems == ()


def test_a_file_that_changed_is_not_run_until_it_is_added_again(file: Path, tmp_path: Path) -> None:
    trust(file)
    mark = tmp_path / "ran"
    file.write_text(TOOL + f"\nopen({str(mark)!r}, 'w').close()\n")
    loaded = load_trusted()
    assert loaded.tools == ()
    assert "has changed since it was trusted" in loaded.problems[0].message
    assert not mark.exists()
    assert state_of(trusted_files()[0]) == "changed"
    trust(file)
    assert mark.exists()
    assert [tool.name for tool in load_trusted().tools] == ["my_greetings.greet"]
    file.unlink()
    assert state_of(trusted_files()[0]) == "missing"
    assert "cannot be read" in load_trusted().problems[0].message
    distrust("my_greetings")
    assert trusted_files() == ()
    with pytest.raises(ToolError, match="no trusted file"):
        distrust("my_greetings")


async def test_a_folder_of_tools_and_skills(file: Path) -> None:
    (file.parent / "letters.md").write_text(SKILL)
    (file.parent / "_part.py").write_text("raise SystemExit")
    (file.parent / "notes.txt").write_text("x")
    assert [each.name for each in trust(file.parent)] == ["letters", "my_greetings"]
    greet, skill = load_trusted().tools
    assert skill.name == "use_skill"
    assert "letters: Writing letters to offices." in skill.description
    assert skill.parameters["properties"]["name"]["const"] == "letters"
    assert await run_tool(skill, {"name": "letters"}) == "# Letters\nBegin with the date."
    with pytest.raises(ToolError):
        await run_tool(skill, {"name": "other"})
    assert greet.name == "my_greetings.greet"


@pytest.mark.parametrize(
    "text",
    [
        "", "x = 1", "def f(x): return x", "def f(x):\n    'Doc.'\n    return x", "def f(:", "raise SystemExit(3)",
        "import no_such_module_anywhere", "RISK = 'none'\ndef f(x: int) -> str:\n    'Doc.'\n    return ''",
        "1/0", "from os.path import join",
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_not_trusted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.py"
    file.write_text(text)
    with pytest.raises(ToolError, match="cannot be used"):
        trust(file)
    assert trusted_files() == ()


@pytest.mark.parametrize("hint", ["'os.nope'", "'1+'", "Plain", "Callable[[int], str]", "'Missing'", "1"])
def test_a_hint_that_no_schema_can_be_made_of_is_a_problem_and_the_other_tools_stay(
    file: Path, tmp_path: Path, hint: str
) -> None:
    bad = tmp_path / "bad.py"
    text = (
        "import os\nfrom collections.abc import Callable\nclass Plain: pass\n"
        f"def f(x: {hint}) -> str:\n    'Do it.'\n    return ''\n"
    )
    bad.write_text(text)
    with pytest.raises(ToolError, match=r"bad\.py cannot be used") as caught:
        trust(bad)
    assert len(caught.value.message.splitlines()) == 1
    # Trusted all the same, by an older version: the chat goes on without it.
    bad.write_text(text.replace(f"x: {hint}", "x: int"))
    trust(bad)
    trust(file)
    bad.write_text(text)
    entries = paths.trusted_tools_file()
    digest = next(each.sha256 for each in trusted_files() if each.name == "bad")
    entries.write_text(entries.read_text().replace(digest, hashlib.sha256(text.encode()).hexdigest()))
    loaded = load_trusted()
    assert [tool.name for tool in loaded.tools] == ["my_greetings.greet"]
    assert ["bad.f" in problem.message for problem in loaded.problems] == [True]


@pytest.mark.parametrize("text", ["", "# Only text", "---\nname: a\n---\nx", "---\nname: a b\ndescription: d\n---\nx",
                                  "---\nname: a\ndescription: d\n---\n"])  # fmt: skip
def test_what_is_no_skill_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.md"
    file.write_text(text)
    with pytest.raises(ToolError):
        trust(file)


def test_what_is_no_file_of_tools_is_refused(tmp_path: Path, file: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a b.py").write_text(TOOL)
    (tmp_path / "big.py").write_bytes(b"#" * 500_001)
    for path in ("missing.py", "empty", "a b.py", "big.py", "."):
        with pytest.raises(FiresideError):
            trust(tmp_path / path)
    trust(file)
    other = tmp_path / "my_greetings.py"
    other.write_text(TOOL)
    with pytest.raises(ToolError, match="already"):
        trust(other)


def test_a_damaged_list_is_said(tmp_path: Path) -> None:
    paths.ensure_folder(paths.home())
    paths.trusted_tools_file().write_text("{")
    with pytest.raises(StorageError, match="is damaged"):
        load_trusted()

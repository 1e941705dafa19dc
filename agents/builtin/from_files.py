"""Tools from files that the person trusts: Python files with functions, and skills written in Markdown.

`fireside tools add` is what trusts a file. Its SHA-256 is kept; a file that has changed since is not loaded until it is
added again. What is hashed is what is run: a file is read once. (Modules that it imports are not watched.)
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import types
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field

from agents.tools import Risk, Tool, Traits, tool_from_function
from fireside import atomic, paths
from fireside.errors import FiresideError, StorageError, ToolError, did_you_mean
from fireside.text import for_terminal_line

_LARGEST_FILE = 500_000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,40}")
_FRONT_MATTER = re.compile(r"---\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)(.*)", re.DOTALL)

State = Literal["trusted", "changed", "missing"]


@dataclass(frozen=True)
class TrustedFile:
    """A file as it was when the person trusted it. name: the namespace of its tools, or the skill's file name."""

    name: str
    path: str
    sha256: str


@dataclass(frozen=True)
class Skill:
    """Instructions for one kind of task. text: what the model is given when it asks for the skill."""

    name: str
    description: str
    text: str


@dataclass(frozen=True)
class Loaded:
    """What the trusted files hold. problems: why a file, or a function in it, was left out."""

    tools: tuple[Tool, ...]
    skills: tuple[Skill, ...]
    problems: tuple[FiresideError, ...]


def trusted_files() -> tuple[TrustedFile, ...]:
    """All that the person trusts, by name. Raises StorageError where the list cannot be read."""
    file = paths.trusted_tools_file()
    try:
        entries = json.loads(file.read_text("utf-8"))
        return tuple(TrustedFile(str(each["name"]), str(each["path"]), str(each["sha256"])) for each in entries)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StorageError(f"{file} cannot be read: it is damaged", "remove it, and add the tools again") from error


def state_of(trusted: TrustedFile) -> State:
    """Whether the file is still what the person trusted."""
    try:
        return "trusted" if _digest(_bytes(Path(trusted.path))) == trusted.sha256 else "changed"
    except ToolError:
        return "missing"


def trust(path: Path) -> tuple[TrustedFile, ...]:
    """Trust a `.py` or `.md` file, or all of them in a folder (not below it), as they are now.

    The functions of a Python file are looked at, which runs the file. Raises ToolError where there is nothing to use.
    """
    path = paths.expanded(path).resolve()
    files = sorted([*path.glob("*.py"), *path.glob("*.md")]) if path.is_dir() else [path]
    files = [file for file in files if not file.name.startswith(("_", "."))]
    if not files:
        raise ToolError(f"{path} holds no .py or .md files", "give a file, or a folder of files")
    added = []
    for file in files:
        data = _bytes(file)
        entry = TrustedFile(_name(file), str(file), _digest(data))
        loaded = _loaded(entry, data)
        if loaded.problems or not (loaded.tools or loaded.skills):
            reason = loaded.problems[0].message if loaded.problems else "it has no public function"
            raise ToolError(f"{file} cannot be used: {reason}", "correct it, and add it again")
        added.append(entry)
    others = [each for each in trusted_files() if each.path not in {entry.path for entry in added}]
    names = [each.name for each in (*others, *added)]
    for entry in added:
        if names.count(entry.name) > 1:
            raise ToolError(f"there are tools called {entry.name!r} already", "rename the file, or remove the others")
    _keep([*others, *added])
    return tuple(added)


def distrust(name: str) -> TrustedFile:
    """Remove the file of that name from what is trusted; the file itself stays. Raises ToolError if there is none."""
    everything = trusted_files()
    for each in everything:
        if each.name == name:
            _keep([other for other in everything if other is not each])
            return each
    raise ToolError(
        f"no trusted file is called {name!r}", did_you_mean(name, [each.name for each in everything], "see tools list")
    )


def load_trusted() -> Loaded:
    """The tools and skills of every trusted file that has not changed. Runs the Python files. Raises StorageError."""
    tools: list[Tool] = []
    skills: list[Skill] = []
    problems: list[FiresideError] = []
    for each in trusted_files():
        try:
            data = _bytes(Path(each.path))
        except ToolError as error:
            problems.append(error)
            continue
        if _digest(data) != each.sha256:
            problems.append(
                ToolError(
                    f"{each.path} has changed since it was trusted", f"look at it, then: fireside tools add {each.path}"
                )
            )
            continue
        loaded = _loaded(each, data)
        tools += loaded.tools
        skills += loaded.skills
        problems += loaded.problems
    return Loaded((*tools, *skill_tools(skills)), tuple(skills), tuple(problems))


def skill_tools(skills: Sequence[Skill]) -> tuple[Tool, ...]:
    """`use_skill`, which puts a skill's text before the model; nothing where there are no skills."""
    if not skills:
        return ()
    texts = {skill.name: skill.text for skill in skills}

    def use_skill(name: str) -> str:
        return texts[name]

    # Each skill with what it is for: the model chooses by that.
    described = " ".join(f"{skill.name}: {skill.description.rstrip('.')}." for skill in skills)
    use_skill.__doc__ = f"Get the person's own instructions for a task. {described}"
    names = Literal[tuple(texts)]  # type: ignore[valid-type] # known when it runs
    use_skill.__annotations__ = {"name": Annotated[names, Field(description="which")], "return": str}
    return (tool_from_function(use_skill, Traits(most_characters=20_000)),)


def _loaded(entry: TrustedFile, data: bytes) -> Loaded:
    try:
        if entry.path.endswith(".md"):
            return Loaded((), (_skill(entry, data),), ())
        return _functions(entry, data)
    except FiresideError as error:
        return Loaded((), (), (error,))


def _functions(entry: TrustedFile, data: bytes) -> Loaded:
    """A tool for each public function that the file itself defines."""
    module = types.ModuleType(f"fireside_tools_{entry.name}")
    module.__file__ = entry.path
    try:
        exec(compile(data, entry.path, "exec", dont_inherit=True), module.__dict__)
    # Whatever the person's own code fails with is told in one line; SystemExit must not end the program.
    except (Exception, SystemExit) as error:
        message = for_terminal_line(f"{entry.path}: {type(error).__name__}: {error}", 500)
        raise ToolError(message, "correct the file") from error
    risk: Risk = getattr(module, "RISK", "executes")
    if risk not in get_args(Risk):
        raise ToolError(f"{entry.path}: RISK is {risk!r}", f"one of: {', '.join(get_args(Risk))}")
    tools, problems = [], []
    for name, function in vars(module).items():
        if name.startswith("_") or not inspect.isfunction(function) or function.__module__ != module.__name__:
            continue
        try:
            tools.append(tool_from_function(function, Traits(risk=risk, untrusted=True), entry.name))
        except FiresideError as error:
            # What a schema fails with may be many lines.
            problems.append(ToolError(for_terminal_line(error.message, 500), error.hint))
    return Loaded(tuple(tools), (), tuple(problems))


def _skill(entry: TrustedFile, data: bytes) -> Skill:
    """Front matter with `name` and `description`, one a line, then the text."""
    match = _FRONT_MATTER.fullmatch(data.decode("utf-8-sig", "replace"))
    lines = match[1].splitlines() if match else []
    fields = {
        key.strip(): value.strip().strip("\"'")
        for key, colon, value in (line.partition(":") for line in lines)
        if colon
    }
    if match is None or not fields.get("name") or not fields.get("description") or not match[2].strip():
        raise ToolError(
            f"{entry.path} is not a skill",
            "it begins with a line ---, then name: ... and description: ..., then --- and the text",
        )
    if not _NAME.fullmatch(fields["name"]):
        raise ToolError(f"{entry.path}: {fields['name']!r} is not a usable name", "use letters, digits, - and _")
    return Skill(fields["name"], for_terminal_line(fields["description"], 300), match[2].strip())


def _name(file: Path) -> str:
    name = file.stem.replace("-", "_") if file.suffix == ".py" else file.stem
    if file.suffix not in (".py", ".md") or not _NAME.fullmatch(name):
        raise ToolError(f"{file.name} is not a usable file of tools", "NAME.py or NAME.md, of letters, digits and _")
    return name


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise ToolError(f"{file} cannot be read: {error.strerror}", "check the path") from error
    if len(data) > _LARGEST_FILE:
        raise ToolError(f"{file} is larger than {_LARGEST_FILE} bytes")
    return data


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _keep(entries: Sequence[TrustedFile]) -> None:
    ordered = sorted(entries, key=lambda each: each.name)
    atomic.write_text(paths.trusted_tools_file(), json.dumps([asdict(each) for each in ordered], indent=1) + "\n")

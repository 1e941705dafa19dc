"""The tools `shell` and `python`: programs that run in the sandbox, in one folder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from agents.sandbox import available
from agents.sandbox.limits import ORDINARY, Limits, Outcome
from agents.sandbox.run import run
from agents.tools import Tool, Traits, tool_from_function

_LONGEST_CODE = 20_000
_START_S = 30.0
"""To start the sandbox and look through the folder, beside the program's own time."""

_STOPPED = {
    "time": "it took longer than {limits.wall_s:g} s",
    "cpu": "it computed for more than {limits.cpu_s} s",
    "memory": "it needed more than {megabytes} MB of memory",
    "processes": "it started more than {limits.processes} processes",
    "disk": "it filled too much of the disk",
    "cancelled": "it was cancelled",
}


def program_tools(folder: Path, limits: Limits = ORDINARY) -> tuple[Tool, ...]:
    """`shell` and `python` in `folder`; none where no sandbox works there (`available.available` says why)."""
    if available.available(folder) is not None:
        return ()

    async def shell(
        argv: Annotated[list[Annotated[str, Field(max_length=2000)]], Field(min_length=1, max_length=50)],
    ) -> str:
        """Run a program in the folder. It has no network, and there are no pipes or wildcards.

        Args:
            argv: the program, then its arguments, one an item

        Examples:
            count the lines of notes.md -> {"argv": ["wc", "-l", "notes.md"]}
            run ls -la -> {"argv": ["ls", "-la"]}
            which files mention rent -> {"argv": ["grep", "-ril", "rent", "."]}
            sort names.txt -> {"argv": ["sort", "names.txt"]}
        """
        return _told(await run(argv, folder=folder, limits=limits), limits)

    async def python(code: Annotated[str, Field(max_length=_LONGEST_CODE)]) -> str:
        """Run Python code in the folder, and return what it prints. It has no network.

        Args:
            code: the program; it must print what it finds

        Examples:
            the sum of the squares up to 100 -> {"code": "print(sum(n * n for n in range(101)))"}
            how many words has notes.md -> {"code": "print(len(open('notes.md').read().split()))"}
            the first 5 primes -> {"code": "print([n for n in range(2, 12) if all(n % d for d in range(2, n))])"}
        """
        executable, _ = available.python()
        return _told(await run([executable, "-c", code], folder=folder, limits=limits), limits)

    traits = Traits("executes", untrusted=True, timeout_s=limits.wall_s + _START_S, sequential=True)
    return (
        tool_from_function(shell, replace(traits, preview=preview_command)),
        tool_from_function(python, replace(traits, preview=preview_code)),
    )


def preview_command(arguments: Mapping[str, Any]) -> str:
    """The exact command as a shell would write it; what cannot be seen is written as an escape."""
    return " ".join(_quoted(each) for each in arguments["argv"])


def preview_code(arguments: Mapping[str, Any]) -> str:
    """The exact code; what cannot be seen is written as an escape."""
    return "".join(each if each in "\n\t" else _visible(each) for each in arguments["code"])


def _quoted(argument: str) -> str:
    if argument.isprintable():
        return shlex.quote(argument)
    # In the shell's $'...', a backslash or a quote is escaped too.
    return "$'" + "".join(f"\\{each}" if each in "\\'" else _visible(each) for each in argument) + "'"


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _told(outcome: Outcome, limits: Limits) -> str:
    """The outcome as the model reads it."""
    if outcome.stopped is None:
        parts = [f"exit status {outcome.status}"]
    else:
        reason = _STOPPED[outcome.stopped].format(limits=limits, megabytes=limits.memory >> 20)
        parts = [f"stopped: {reason}"]
    for name, text in (("stdout", outcome.stdout), ("stderr", outcome.stderr)):
        if text.strip():
            parts.append(f"{name}:\n{text.rstrip()}")
    if outcome.cut:
        parts.append(f"[cut: only the first {limits.output} bytes of each stream are kept]")
    return "\n".join(parts)

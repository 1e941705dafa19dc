"""Runs one program in the sandbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from agents.sandbox.available import GUARD, GUARD_ENVIRONMENT, Mechanism, Reason, mechanism, order_line
from agents.sandbox.limits import ORDINARY, Limits, Outcome
from agents.sandbox.protected import check_folder, find_protected
from fireside import paths
from fireside.errors import ToolError

_LONGEST_ARGUMENTS = 100_000
"""The kernel takes 128 KiB for one argument, in which the last step gets all of them."""


async def run(argv: Sequence[str], *, folder: Path, limits: Limits = ORDINARY, stdin: str | None = None) -> Outcome:
    """Run `argv` in `folder`, the only place where it can leave anything, and return how it ended.

    argv: the program and its arguments; no shell reads them. limits: see there. stdin: what the program reads; nothing
    where it is None. It has no network, no environment but PATH, HOME, TMPDIR and LANG, and sees of the system only
    what programs need to start. Cancelling it ends the program and all it started. Raises ToolError where no sandbox
    works here, the folder cannot be shared, or holds secrets that this sandbox cannot hide.
    """
    _check_arguments(argv)
    held_by = await asyncio.to_thread(mechanism, paths.expanded(folder))
    if isinstance(held_by, Reason):
        raise ToolError(held_by.message, held_by.hint)
    line = await asyncio.to_thread(_order, list(argv), folder, limits, stdin or "", held_by)
    process = await asyncio.create_subprocess_exec(
        *GUARD,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=GUARD_ENVIRONMENT,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        process.stdin.write(line)
        await process.stdin.drain()
        # Its stdin stays open: the end of it means that nobody waits any more.
        answer, complaint = await asyncio.gather(process.stdout.read(), process.stderr.read())
    except ConnectionError as error:
        raise ToolError(f"the sandbox ended before the program did: {error}") from error
    finally:
        process.stdin.close()
        await asyncio.shield(process.wait())
    return _outcome(answer, complaint, held_by)


def _check_arguments(argv: Sequence[str]) -> None:
    if not argv or not argv[0]:
        raise ToolError("there is no program to run", "name the program first, then its arguments")
    if any("\0" in each for each in argv):
        raise ToolError("an argument holds a null character, which no program can be given")
    # JSON can name half of a character (a lone surrogate).
    if any(not _is_text(each) for each in argv):
        raise ToolError("an argument is no valid text, and no program can be given it")
    if sum(len(json.dumps(each)) for each in argv) > _LONGEST_ARGUMENTS:
        raise ToolError("the arguments are too long", "write them into a file of the folder first")


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _order(argv: list[str], folder: Path, limits: Limits, stdin: str, held_by: Mechanism) -> bytes:
    shared = paths.expanded(folder).resolve()
    check_folder(shared, paths.expanded("~").resolve(), paths.home().resolve())
    protected = find_protected(shared)
    if held_by.bwrap is None and protected.found:
        raise ToolError(
            f"Landlock cannot keep a program in {shared} from {protected.found[0]}",
            "install bubblewrap, or work in a folder without secrets and version control",
        )
    return order_line(argv, shared, limits, protected, stdin, held_by)


def _outcome(answer: bytes, complaint: bytes, held_by: Mechanism) -> Outcome:
    try:
        values = json.loads(answer)
    except ValueError as error:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise ToolError(f"the sandbox ended before the program did: {last or 'it was killed'}") from error
    if "error" in values:
        raise ToolError(
            f"no program was run: {held_by.name} could not be set up: {values['error']}",
            "try another folder; `fireside doctor` says what holds programs on this machine",
        )
    return Outcome(**values)

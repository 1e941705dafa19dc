"""`fireside doctor`: checks the installation; each finding prints its fix."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from fireside.errors import FiresideError
from tui.console import emit, say
from tui.libraries import encoder_of

_ENOUGH_DISK = 1_000_000_000


@dataclass(frozen=True)
class Finding:
    """One check's outcome: `fix` says what to do where `ok` is false."""

    check: str
    ok: bool
    found: str
    fix: str = ""


def add_parser(subparsers: Any) -> None:
    """Add the `doctor` subcommand."""
    parser = subparsers.add_parser("doctor", help="check this installation")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(handler=run)


def run(options: argparse.Namespace) -> int:
    """Run every check; 1 if one failed."""
    findings = [check() for check in (_python, _home, _settings, _search, _chat_model, _encoder, _sandbox)]
    if options.json:
        emit([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            say(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.check}: {finding.found}")
            if not finding.ok:
                say(f"      fix: {finding.fix}")
    return 0 if all(finding.ok for finding in findings) else 1


def _checked(check: str, body: Callable[[], str]) -> Finding:
    """Run `body`; a FiresideError becomes a finding with its hint as the fix."""
    try:
        return Finding(check, True, body())
    except FiresideError as error:
        return Finding(check, False, error.message, error.hint or "install Fireside again")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")


def _home() -> Finding:
    from fireside import paths

    def body() -> str:
        folder = paths.ensure_folder(paths.home())
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise FiresideError(
                f"cannot write in {folder}: {error.strerror}", "set FIRESIDE_HOME to another folder"
            ) from error
        free = shutil.disk_usage(folder).free
        if free < _ENOUGH_DISK:
            raise FiresideError(f"only {free / 1e6:.0f} MB are free in {folder}", "free at least 1 GB")
        return f"{folder}, {free / 1e9:.0f} GB free"

    return _checked("data folder", body)


def _settings() -> Finding:
    from fireside import paths
    from fireside.settings import load

    return _checked("settings", lambda: f"{load() and paths.settings_file()}")


def _search() -> Finding:
    try:
        sqlite3.connect(":memory:").execute("create virtual table probe using fts5(text)").close()
    except sqlite3.OperationalError:
        return Finding(
            "full-text search", False, "this Python's SQLite lacks FTS5", "use a Python whose SQLite has FTS5"
        )
    return Finding("full-text search", True, f"SQLite {sqlite3.sqlite_version} with FTS5")


def _chat_model() -> Finding:
    from fireside.cores import usable_cores
    from fireside.models.types import Finished, Request
    from fireside.settings import load
    from tui.models import REMOTE, open_model, sampling_text

    async def reply() -> str:
        settings = load()
        model = open_model(settings)
        try:
            info = await model.start()
            rate = 0.0
            async for piece in model.generate(Request("The fire was warm", max_tokens=16)):
                if isinstance(piece, Finished):
                    rate = piece.timings.tokens_per_s
            parts = [info.name, f"context {info.context_length or 'not told'}", f"{rate:.0f} tokens/s"]
            if not model.name.startswith(REMOTE):
                parts[-1] += f" on {settings.model.threads or usable_cores()} threads"
            return ", ".join([*parts, sampling_text(settings.reply.sampling().over(info.sampling))])
        finally:
            await model.close()

    return _checked("chat model", lambda: asyncio.run(reply()))


def _encoder() -> Finding:
    def body() -> str:
        from fireside.settings import load

        encoder = encoder_of(load().documents)
        vectors = encoder.encode(["The fire was warm"])
        return f"{encoder.id}, {vectors.shape[1]} dimensions"

    return _checked("encoder", body)


def _sandbox() -> Finding:
    """What holds the programs that the assistant may run. Without one it runs none, which is no fault."""
    from agents.sandbox.available import Reason, mechanism
    from fireside.settings import load

    def body() -> str:
        found = mechanism(load().tools.folder)
        if isinstance(found, Reason):
            return f"none, so shell and python are off: {found.message} ({found.hint})"
        return found.name

    return _checked("sandbox", body)

"""Filling a library from its screen: the work of a job that adds or syncs, and what its report says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.text import Text

from fireside.text import for_terminal_line
from tui.jobs import Cancelled, Job, Jobs, Update
from tui.libraries import encoder_of

if TYPE_CHECKING:
    from fireside.settings import DocumentSettings
    from rag.ingest import Report

_MOST_SHOWN = 500


@dataclass
class IngestJob(Job):
    """Files on their way into a library. report: once they are there."""

    report: Report | None = None


def key_of(library: str) -> str:
    """What the job of a library is called among the jobs."""
    return f"library {library}"


def begin(
    jobs: Jobs, library: str, documents: DocumentSettings, paths: Sequence[Path], kind: Literal["add", "sync"]
) -> IngestJob:
    """Start to add `paths` to the library, or to make it hold nothing else. It has the library open by itself, and what
    is done stays where it is cancelled. Raises FiresideError where the library is being filled already."""
    job = IngestJob(f"{'adding' if kind == 'add' else 'syncing'} {paths[0].name}", "kB")

    def work(update: Update) -> str:
        from rag import ingest
        from rag.library import create_library

        opened = create_library(library, encoder_of(documents))
        run = ingest.add if kind == "add" else ingest.sync
        try:
            job.report = run(opened, paths, documents.chunk_tokens, update, overlap=documents.chunk_overlap)
        except Cancelled as cancelled:
            raise Cancelled(
                cancelled.message, "cancelled; what was indexed stays, and adding it again goes on"
            ) from None
        finally:
            opened.close()
        return summary(job.report)

    jobs.begin(key_of(library), job, work)
    return job


def summary(report: Report) -> str:
    """What a run did, in a line."""
    parts = [f"{report.indexed:,} indexed ({report.chunks:,} passages)", f"{report.unchanged:,} unchanged"]
    parts += [f"{report.removed:,} removed"] * bool(report.removed)
    parts += [f"{len(report.failed):,} failed: f tells why"] * bool(report.failed)
    return ", ".join(parts)


def failed_text(report: Report | None, colours: dict[str, str]) -> Text:
    """Every file that was not indexed, why, and what was left out of those that were."""
    if report is None:
        return Text("nothing was added or synced since Fireside was started", colours["muted"])
    if not report.failed and not report.notes:
        return Text(f"nothing failed: {summary(report)}", colours["success"])
    text = Text()
    for failure in report.failed[:_MOST_SHOWN]:
        text.append(f"✗ {for_terminal_line(failure.document, 300)}\n", f"bold {colours['error']}")
        text.append(f"  {for_terminal_line(failure.reason, 400)}\n", colours["foreground"])
        if failure.hint:
            text.append(f"  {for_terminal_line(failure.hint, 400)}\n", colours["muted"])
    if len(report.failed) > _MOST_SHOWN:
        text.append(f"… and {len(report.failed) - _MOST_SHOWN:,} more\n", colours["muted"])
    for note in report.notes[:_MOST_SHOWN]:
        text.append(f"! {for_terminal_line(note.document, 300)}\n", f"bold {colours['caution']}")
        text.append(f"  {for_terminal_line(note.note, 400)}\n", colours["foreground"])
    return text


def common_folder(paths: Sequence[str]) -> str:
    """The folder that all of these files lie in; empty where there is none but the root."""
    try:
        folder = os.path.commonpath([str(Path(path).parent) for path in paths])
    except ValueError:  # none, or names that are no paths
        return ""
    return "" if folder in ("", os.sep) else folder

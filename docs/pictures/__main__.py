"""Plays a day's use of Fireside, the real app with the bundled model, and takes the pictures of docs/tour.md.

    python docs/pictures [NAME...]     NAME: single pictures; all without one

Runs headless in a FIRESIDE_HOME of its own in the system's temporary folder, in about six minutes on two cores. The
home is kept until a whole walk has ended: one that broke off goes on with the adapters that it had trained.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from chats import a_file, asking, finding, persona
from house import house
from knowledge import documents, tools
from playing import DOCS, PICTURES, SIZE, Walk
from studio import page, plan_and_prose
from teaching import adapters, data_and_plan, runs

Act = Callable[[Walk], Awaitable[None]]

ACTS: dict[Act, tuple[str, ...]] = {
    asking: ("first-steps", "ask", "stopped", "versions", "words", "tree"),
    persona: ("persona", "context"),
    a_file: ("file", "file-sent"),
    finding: ("search", "conversations"),
    documents: ("library", "sources"),
    tools: ("approval", "answered", "trace", "tools"),
    data_and_plan: ("data", "plan"),
    runs: ("training", "runs", "side-by-side"),
    adapters: ("adapter", "compare", "adapters"),
    page: ("story", "notes", "rewritten", "timeline"),
    plan_and_prose: ("outline", "beats", "lorebook", "story-context", "worn", "export"),
    house: ("models", "settings", "help", "palette"),
}  # fmt: skip
"""What is played, in order, and the pictures it takes."""


_SETTINGS = """# One thread: the walk goes on, if slowly, where the machine has other work.
theme = "dark"

[model]
threads = 1
"""


async def play(act: Act, wanted: frozenset[str], desk: Path) -> None:
    """Play one act in a new app, in the home that all share."""
    from fireside import paths
    from fireside.conversations.store import ConversationStore
    from fireside.settings import load
    from tui.app import FiresideApp
    from tui.models import open_model
    from tui.session import ChatSession

    settings = load()
    store = ConversationStore(paths.conversations_database())
    try:
        app = FiresideApp(ChatSession(store, settings, lambda model: open_model(settings, model)))
        async with app.run_test(size=SIZE) as pilot:
            walk = Walk(pilot, wanted, desk)
            await walk.until(lambda: app.session.info is not None)
            await act(walk)
    finally:
        store.close()


def main(names: list[str]) -> int:
    """Take the named pictures, or all."""
    known = [name for pictures in ACTS.values() for name in pictures]
    if unknown := [name for name in names if name not in known]:
        sys.stderr.write(f"there is no picture {', '.join(unknown)}; there are: {', '.join(known)}\n")
        return 2
    home = Path(tempfile.gettempdir()) / f"fireside-tour-{os.getuid()}"
    desk = home / "desk"
    desk.mkdir(parents=True, exist_ok=True)
    shutil.copytree(DOCS / "examples", desk, dirs_exist_ok=True)
    PICTURES.mkdir(parents=True, exist_ok=True)
    (home / "fireside").mkdir(exist_ok=True)
    (home / "fireside" / "settings.toml").write_text(_SETTINGS, "utf-8")
    os.environ["FIRESIDE_HOME"] = str(home / "fireside")
    os.chdir(desk)
    begun = time.monotonic()
    for act, pictures in ACTS.items():
        if not names or set(names) & set(pictures):
            asyncio.run(play(act, frozenset(names), desk))
            sys.stderr.write(f"{act.__name__}: {time.monotonic() - begun:.0f} s since the beginning\n")
    if not names:
        shutil.rmtree(home)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

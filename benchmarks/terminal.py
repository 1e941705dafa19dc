"""Measures the terminal: start-up, streaming, long chats, search and keys; prints each figure with its limit.

    python benchmarks/terminal.py [--row NAME]

The app is the real one, with a scripted model that writes 50 tokens a second by the clock. Exits 1 where a figure is
missed or could not be taken.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from terminal_app import Running, lag, running, tokens
from terminal_pty import Terminal, terminal
from textual.events import Key

HERE = Path(__file__).parent
CHILD = [sys.executable, str(HERE / "terminal_child.py")]
FIRESIDE = [sys.executable, "-m", "tui.cli"]
LETTERS = [chr(code) for code in range(0x0100, 0x0180)]
"""Letters that nothing else on the screen holds, for keys."""


def _p95(values: list[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))]


def _within(what: str, measured: float, limit: float, unit: str = "s", note: str = "") -> bool:
    good = measured <= limit
    scale = 1000 if unit == "ms" else 1
    shown = f"{measured * scale:.0f} ms" if unit == "ms" else f"{measured:.2f} {unit}"
    at_most = f"{limit * scale:g} {unit}"
    print(f"  {what:<52} {shown:>9}  (limit {at_most}{note}){'' if good else '  MISSED'}", flush=True)
    return good


def start(folder: Path) -> bool:
    """First paint and a typed letter drawn, ours and an empty app's in turn; medians of seven, after one of each that
    compiles their modules."""
    ours: list[tuple[float, float]] = []
    empty: list[tuple[float, float]] = []
    for round_ in range(8):
        for command, wanted, into in ((FIRESIDE, "rite a message", ours), ([*CHILD, "empty"], "nothing here", empty)):
            with terminal(command) as shown:
                painted = shown.until(wanted)
                shown.type(LETTERS[0])
                ready = shown.until(LETTERS[0])
                if round_:
                    into.append((painted, ready))
    good = True
    for place, what in enumerate(("first paint", "input-ready")):
        mine, theirs = (statistics.median(each[place] for each in runs) for runs in (ours, empty))
        good &= _within(what, mine / theirs, 1.5, "x", f"; {mine:.3f} s and {theirs:.3f} s")
    return good


async def _stream(folder: Path, count: int, messages: int) -> tuple[float, float, list[float]]:
    """Seconds of one reply, the CPU's seconds, and the loop's lag meanwhile."""
    async with running(folder, [tokens(count)], messages) as run:
        if messages:
            await run.open("Long", f"Answer {messages}")
            await run.pilot.pause(0.5)
        await run.ask()
        cpu = time.process_time()
        async with lag() as found:
            seconds = await run.finished()
        return seconds, time.process_time() - cpu, found.seconds


def stream_100(folder: Path) -> bool:
    """100 tokens under 200 finished messages; ideal 2.0 s."""
    seconds, cpu, late = asyncio.run(_stream(folder, 100, 200))
    good = _within("100 tokens under 200 messages", seconds, 2.4, note=f"; CPU {cpu:.2f} s")
    return _within("event-loop lag p95", _p95(late), 0.030, "ms", f"; longest {max(late) * 1000:.0f} ms") and good


def stream_1500(folder: Path) -> bool:
    """One reply of 1,500 tokens; ideal 30 s."""
    seconds, cpu, late = asyncio.run(_stream(folder, 1500, 0))
    good = _within("1,500 tokens", seconds, 31)
    return _within("CPU", cpu, 12, note=f"; lag p95 {_p95(late) * 1000:.0f}, max {max(late) * 1000:.0f} ms") and good


async def _long(folder: Path) -> tuple[list[float], list[float], list[float], int, int]:
    """Opening times; lags and times of single pages while scrolling; pages; messages mounted at the most."""
    async with running(folder, [], 5000) as run:
        opened = []
        for _ in range(5):
            opened.append(await run.open("Long", "Answer 5000"))
            run.screen.run_command("/new")
            await run.until(lambda: "Ask anything" in run.shown())
        await run.open("Long", "Answer 5000")
        await run.pilot.pause(0.5)
        lags, steps, pages, mounted = await _page_through(run)
        return opened, lags, steps, pages, mounted


async def _page_through(run: Running) -> tuple[list[float], list[float], int, int]:
    steps: list[float] = []
    mounted = 0
    transcript = run.screen.transcript
    async with lag() as found:
        while transcript.scroll_y > 0 or "Question 1:" not in run.shown():
            steps.append(await run.drawn(partial(run.screen.action_page, -1)))
            mounted = max(mounted, len(transcript.views))
            await asyncio.sleep(0.01)
        steps.append(await run.drawn(partial(transcript.scroll_end, animate=False)))
        await run.until(lambda: "Answer 5000" in run.shown())
    return found.seconds, steps, len(steps), mounted


def long_chat(folder: Path) -> bool:
    """Opening 5,000 messages, paging to the first and going to the end; a frame keeps the event loop from its turn."""
    opened, lags, steps, pages, mounted = asyncio.run(_long(folder))
    spread = f"; {min(opened) * 1000:.0f} to {max(opened) * 1000:.0f} ms"
    good = _within("opening 5,000 messages (median of 5)", statistics.median(opened), 0.4, "ms", spread)
    note = f"; p95 {_p95(lags) * 1000:.0f} ms, {pages} pages, at most {mounted} mounted"
    good &= _within("scrolling: longest frame", max(lags), 0.1, "ms", note)
    note = f"; p95 {_p95(steps) * 1000:.0f} ms"
    return _within("scrolling: a page drawn, longest", max(steps), 0.1, "ms", note) and good


def search(folder: Path) -> bool:
    """First results in 100,000 messages, by the script of their own."""
    return subprocess.run([sys.executable, str(HERE / "terminal_search.py")], check=False).returncode == 0


async def _keys(folder: Path) -> list[float]:
    """Seconds from a key to the characters for the terminal, while a reply is written under 200 messages."""
    written: dict[str, float] = {}

    async with running(folder, [tokens(500)], 200) as run:
        waiting: set[str] = set()
        run.noticed = lambda written_now: written.update(
            {letter: time.perf_counter() for letter in waiting & set(written_now)}
        )
        await run.open("Long", "Answer 200")
        await run.ask()
        await asyncio.sleep(0.5)
        times = []
        for letter in LETTERS[:60]:
            waiting.add(letter)
            began = time.perf_counter()
            # As from the driver's thread: into the app's queue.
            run.app.post_message(Key(letter, letter))
            await run.until(partial(written.__contains__, letter), 10, every=0.001)
            times.append(written[letter] - began)
            await asyncio.sleep(0.083)
        return times


def _keys_in_terminal() -> list[float]:
    """The same through a pseudo-terminal, from the byte written to the byte read."""
    with terminal([*CHILD, "500"]) as shown:
        shown.until("ready")
        shown.type("/open Long")
        shown.quiet(0.5)
        # Once for the list that helps to write it, and once to send it.
        shown.type("\r")
        shown.quiet(0.3)
        shown.type("\r")
        shown.until("Answer 200")
        shown.quiet(0.5)
        shown.type("Go on.\r")
        shown.quiet(1.0)
        return [_typed(shown, letter) for letter in LETTERS[:60]]


def _typed(shown: Terminal, letter: str) -> float:
    began = time.perf_counter()
    shown.type(letter)
    seconds = shown.until(letter) + shown.began - began
    shown.quiet(0.083)
    return seconds


def keys(folder: Path) -> bool:
    """Key press to screen while a reply is written under 200 messages."""
    inside, outside = asyncio.run(_keys(folder)), _keys_in_terminal()
    note = f"; median {statistics.median(inside) * 1000:.0f}, longest {max(inside) * 1000:.0f} ms"
    good = _within("key to what is written, p95 of 60", _p95(inside), 0.05, "ms", note)
    note = f"; median {statistics.median(outside) * 1000:.0f}, longest {max(outside) * 1000:.0f} ms"
    return _within("key to screen in a pseudo-terminal, p95 of 60", _p95(outside), 0.05, "ms", note) and good


ROWS: dict[str, Callable[[Path], bool]] = {
    "start": start,
    "stream-100": stream_100,
    "stream-1500": stream_1500,
    "long": long_chat,
    "search": search,
    "keys": keys,
}


def main() -> int:
    """Run the rows asked for; 1 where one misses its figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", choices=ROWS, help="run this row only")
    options = parser.parse_args()
    missed = []
    for name in [options.row] if options.row else ROWS:
        print(name, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            os.environ["FIRESIDE_HOME"] = folder
            if not ROWS[name](Path(folder)):
                missed.append(name)
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

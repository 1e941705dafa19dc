"""Rows on the whole program: requests at once to `fireside serve`, and the memory of an open chat."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine_children import TOGETHER
from engine_measure import Bench, Child, alternate, command_environment, figures, ratio, skipped, verdict
from engine_texts import STARTS

COMMAND = [sys.executable, "-m", "tui.cli"]
WRITTEN = 128
"""Tokens each request asks for."""
SHARE_OF_BARE = 0.85


@contextmanager
def served(bench: Bench) -> Iterator[tuple[str, int]]:
    """`fireside serve` in a process: host and port."""
    environment = command_environment(bench, FIRESIDE_MODEL__CONTEXT_LENGTH=str(TOGETHER))
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--parallel", str(len(STARTS)), "--json"],
        env=environment, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise SystemExit("`fireside serve` did not start")
        address = urlsplit(json.loads(line)["url"])
        yield str(address.hostname), int(address.port or 0)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()


def completed(address: tuple[str, int], prompt: str, ends: Sequence[int], seen: list[tuple[float, float, int]]) -> None:
    """Ask for one streamed completion without any of `ends`; add when its first text came, its last, and its tokens."""
    connection = http.client.HTTPConnection(*address, timeout=300)
    body = {"prompt": prompt, "max_tokens": WRITTEN, "temperature": 0, "stream": True}
    body |= {"stream_options": {"include_usage": True}, "logit_bias": {str(token): -100 for token in ends}}
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        raise SystemExit(f"the server answered {response.status}: {response.read(500)!r}")
    first = last = 0.0
    tokens = 0
    for line in response:
        if not line.startswith(b"data: ") or line.strip() == b"data: [DONE]":
            continue
        chunk: dict[str, Any] = json.loads(line[6:])
        if chunk.get("usage"):
            tokens = chunk["usage"]["completion_tokens"]
        if any(choice.get("text") for choice in chunk["choices"]):
            last = time.perf_counter()
            first = first or last
        elif chunk["choices"]:
            last = time.perf_counter()
    connection.close()
    seen.append((first, last, tokens))


def streamed(address: tuple[str, int], prompts: Sequence[str], ends: Sequence[int]) -> float:
    """Tokens a second of all requests together, from the first text of any to the end of the last."""
    seen: list[tuple[float, float, int]] = []
    threads = [threading.Thread(target=completed, args=(address, prompt, ends, seen)) for prompt in prompts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(seen) < len(prompts):
        raise SystemExit("a request to the server failed")
    seconds = max(last for _, last, _ in seen) - min(first for first, _, _ in seen)
    return (sum(tokens for _, _, tokens in seen) - len(seen)) / seconds


async def concurrent(bench: Bench) -> bool:
    """Eight requests at once against one, and against a bare loop of eight sequences."""
    with Child("bare", bench) as bare, served(bench) as address:
        prompts = [bare.ask("tokens", text=start) for start in STARTS]
        ends = bare.ask("ends")  # the loop does not heed them, so they are forbidden to the server's replies
        together, single, loop = f"{len(STARTS)} requests at once", "one request", "a bare loop of as many"

        async def many(run: int) -> float:
            # A number before each makes every run begin with nothing in the cache.
            return streamed(address, [f"{run}. {start}" for start in STARTS], ends)

        async def one(run: int) -> float:
            return streamed(address, [f"{run}: {STARTS[run % len(STARTS)]}"], ends)

        async def looped(_: int) -> float:
            return float(bare.ask("together", prompts=prompts, count=WRITTEN)["rate"])

        await many(99)
        await one(99)
        found = await alternate(bench.runs, {together: many, single: one, loop: looped})
    figures(found, "tokens/s in all")
    good = verdict("eight requests over one", ratio(found[together], found[single]), 1.3)
    return verdict("eight requests over a bare loop", ratio(found[together], found[loop]), SHARE_OF_BARE) and good


async def memory(bench: Bench) -> bool:
    """PSS of the app and its worker, at rest after a reply."""
    if not Path("/proc/self/smaps_rollup").exists():
        return skipped("memory of an open chat", "this system does not tell a process's share of memory (PSS)")
    runs = [chatted(bench) for _ in range(min(3, bench.runs))]
    found = {name: [run[name] for run in runs] for name in runs[0]}
    figures(found, "MB")
    total = statistics.median(sum(run.values()) for run in runs)
    return verdict("memory of an open chat, app and worker", total, 350, most=True, unit="MB")


def chatted(bench: Bench) -> dict[str, float]:
    """Open the chat in a terminal, let it reply once, wait until it rests; megabytes of each of its processes."""
    environment = command_environment(
        bench, TERM="xterm-256color", COLORTERM="truecolor",
        FIRESIDE_MODEL__CONTEXT_LENGTH="4096", FIRESIDE_REPLY__MAX_TOKENS="32",
    )  # fmt: skip
    process, terminal = pty.fork()
    if process == 0:
        os.execve(COMMAND[0], COMMAND, environment)
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
        _read(terminal, until="rite a message", seconds=60)
        os.write(terminal, b"Say hello to the ferry house.\r")
        _read(terminal, until="tok/s", seconds=120)
        # The worker saves and tidies up when there was nothing to do for a second.
        _read(terminal, until=None, seconds=4)
        return {f"process {name}": _pss(each) for each, name in _family(process)}
    finally:
        os.kill(process, signal.SIGTERM)
        _read(terminal, until=None, seconds=10)
        os.waitpid(process, 0)
        os.close(terminal)


def _read(terminal: int, *, until: str | None, seconds: float) -> None:
    """Read what the app draws until `until` was seen, or, without it, for `seconds` or to the app's end."""
    seen = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            piece = b""
        if not piece:
            if until is None:
                return
            break
        seen = (seen + piece)[-200_000:]
        if until is not None and until.encode() in seen:
            return
    if until is not None:
        raise SystemExit(f"the app did not show {until!r}; its last output: {seen[-500:]!r}")


def _family(process: int) -> list[tuple[int, str]]:
    """The process and all that descend from it, with what each is."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            status = (path / "stat").read_text("utf-8", "replace")
        except OSError:
            continue
        # The name in brackets may hold spaces; the parent is the second field behind it.
        parents[int(path.name)] = int(status.rpartition(")")[2].split()[1])
    found = [process]
    for each in found:
        found += sorted(child for child, parent in parents.items() if parent == each)
    lines = {each: Path(f"/proc/{each}/cmdline").read_bytes().decode().split("\0") for each in found}
    return [(each, line[line.index("-m") + 1] if "-m" in line else line[0]) for each, line in lines.items()]


def _pss(process: int) -> float:
    """A process's proportional share of memory, in MB (10^6 bytes)."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text("utf-8").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise SystemExit(f"the memory of process {process} is not told")

"""Hostile GGUF headers: mutations of the bundled model's, and what the program makes of each.

`check_headers(seed, count)` reads every one with `read_header`, and loads those that pass in a process of its own, as
the app does. `python benchmarks/headers.py [--seed N] [--count N]` prints the tally and exits 1 where one did harm.
"""

from __future__ import annotations

import argparse
import random
import resource
import select
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO

from fireside.errors import FiresideError
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.gguf_header import read_header

_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_SECONDS_TO_READ, _SECONDS_TO_LOAD = 2.0, 30.0
_MEMORY_TO_READ = 600 << 20


@dataclass(frozen=True)
class Mutation:
    """A changed header. size: of the whole file it begins; the rest is a hole, which reads as zeros."""

    what: str
    header: bytes
    size: int


@dataclass
class Tally:
    """How many files ended how. harm: what must not happen, in words; empty where all is well."""

    ends: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    harm: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Field:
    """A number, or a text, in the header: what it is, and where."""

    what: str
    start: int
    width: int


def mutations(seed: int, count: int) -> Iterator[Mutation]:
    """`count` changed headers of the bundled model, the same ones for the same seed.

    Half of them change a value that means something (a count, a length, a type, a shape, a setting); the rest flip
    bytes anywhere, cut the file off, take a piece out, double one, or swap the places of two.
    """
    path = located(CHAT_MODEL)
    header, fields = _fields(path)
    size = path.stat().st_size
    generator = random.Random(seed)
    # The vocabulary is most of the header: its lengths and counts are drawn no more often than the settings.
    kinds: dict[str, list[_Field]] = {}
    for each in fields:
        kinds.setdefault(each.what.split(":")[0], []).append(each)
    names = sorted(kinds)
    for _ in range(count):
        data = bytearray(header)
        whole = size
        match generator.choice(["field", "field", "field", "setting", "setting", "bytes", "cut", "piece", "swap"]):
            case "field":
                chosen = generator.choice(kinds[generator.choice(names)])
                data[chosen.start : chosen.start + chosen.width] = _odd(generator, chosen.width)
                what = chosen.what
            case "setting":
                what = ""
                for chosen in generator.sample(kinds["value"], generator.choice([1, 1, 2, 3])):
                    data[chosen.start : chosen.start + chosen.width] = _odd(generator, chosen.width)
                    what += f" {chosen.what}"
            case "bytes":
                what = "bytes"
                # Half of them in front of the vocabulary, or behind it, where a byte decides more.
                areas = [(0, 2000), (len(data) - 20_000, len(data)), (0, len(data))]
                for _ in range(generator.choice([1, 1, 4, 32])):
                    first, last = generator.choice(areas)
                    data[generator.randrange(first, last)] = generator.choice([0, 1, 0x7F, 0x80, 0xFF])
            case "cut":
                whole = generator.choice([generator.randrange(len(data)), generator.randrange(size)])
                del data[whole:]
                what = f"cut at {whole}"
            case "piece":
                start, length = generator.randrange(len(data)), generator.choice([1, 4, 8, 32, 1000])
                what = f"piece {start}+{length}"
                if generator.random() < 0.5:
                    del data[start : start + length]
                else:
                    data[start:start] = data[start : start + length]
            case _:
                one, other = generator.sample(kinds[generator.choice(["value", "offset", "shape", "length"])], 2)
                width = min(one.width, other.width)
                first = bytes(data[one.start : one.start + width])
                data[one.start : one.start + width] = data[other.start : other.start + width]
                data[other.start : other.start + width] = first
                what = f"swap {one.what} and {other.what}"
        yield Mutation(what.strip(), bytes(data), max(whole, len(data)) if whole == size else whole)


def _odd(generator: random.Random, width: int) -> bytes:
    """Numbers at the edges of what fits, small ones, and noise."""
    top = (1 << (8 * width)) - 1
    number = generator.choice([0, 1, 2, 3, 7, 255, top, top >> 1, (top >> 1) + 1, generator.randint(0, top)])
    return min(number, top).to_bytes(width, "little")


@lru_cache(1)
def _fields(path: Path) -> tuple[bytes, list[_Field]]:
    """The header's bytes, and where its numbers lie."""
    data = path.read_bytes()
    fields = [_Field("magic", 0, 4), _Field("version", 4, 4), _Field("tensors", 8, 8), _Field("keys", 16, 8)]
    at = 24

    def number(what: str, width: int) -> int:
        nonlocal at
        fields.append(_Field(what, at, width))
        at += width
        return int.from_bytes(data[at - width : at], "little")

    def text(what: str) -> str:
        nonlocal at
        length = number(f"length:{what}", 8)
        if length:
            fields.append(_Field(f"text:{what}", at, min(length, 8)))
        at += length
        return data[at - length : at].decode("utf-8", "replace")

    tensors, keys = struct.unpack_from("<QQ", data, 8)
    for _ in range(keys):
        key = text("key")
        kind = number(f"type:{key}", 4)
        if kind == _STRING:
            text(key)
        elif kind == _ARRAY:
            element, count = number(f"element:{key}", 4), number(f"count:{key}", 8)
            for _ in range(count):
                if element == _STRING:
                    text(f"item:{key}")
                else:
                    number(f"item:{key}", _WIDTHS[element])
        else:
            number(f"value:{key}", _WIDTHS[kind])
    for _ in range(tensors):
        name = text("tensor")
        for _ in range(number(f"dimensions:{name}", 4)):
            number(f"shape:{name}", 8)
        number(f"ggml:{name}", 4)
        number(f"offset:{name}", 8)
    return data[:at], fields


def _peak() -> int:
    """The most memory this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def check_headers(seed: int, count: int) -> Tally:
    """Read `count` mutations of `seed`, load those that `read_header` lets pass, and say how it went.

    Harm is: any exception but ModelError, more than two seconds or 600 MB more for reading, a load that hangs, or a
    Python error in the loading process. A loading process that dies is no harm (the app says so in one line, and goes
    on); it is listed in `lost`, as something that `read_header` could learn to see.
    """
    before = _peak()
    tally = Tally()
    loader = _Loader()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "changed.gguf"
        for number, mutation in enumerate(mutations(seed, count)):
            name = f"{number} ({mutation.what})"
            path.unlink(missing_ok=True)
            with path.open("wb") as stream:
                stream.write(mutation.header)
                stream.truncate(mutation.size)
            began = time.monotonic()
            try:
                read_header(path)
            except FiresideError:
                tally.ends["refused by its header"] += 1
                continue
            except Exception as error:
                tally.harm.append(f"{name}: read_header raised {error!r}")
                continue
            finally:
                tally.slowest = max(tally.slowest, time.monotonic() - began)
            end = loader.load(path)
            tally.ends[end.split(":")[0]] += 1
            print(f"\r{number} of {count}", end="", file=sys.stderr)
            if end.startswith(("failed", "hung")):
                tally.harm.append(f"{name}: {end}")
            elif end.startswith("died"):
                tally.lost.append(f"{name}: {end}")
    loader.close()
    if tally.slowest > _SECONDS_TO_READ:
        tally.harm.append(f"reading one header took {tally.slowest:.1f} s")
    memory = _peak() - before
    if memory > _MEMORY_TO_READ:
        tally.harm.append(f"reading headers took {memory >> 20} MB")
    return tally


class _Loader:
    """A process that loads one file after another, and is started again when one of them has ended it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def load(self, path: Path) -> str:
        """How loading `path` ended: "loaded", "refused: ...", "failed: ...", "died: ...", "hung"."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, __file__, "--load"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        requests.write(f"{path}\n")
        requests.flush()
        if not _readable(answers, _SECONDS_TO_LOAD):
            self._process.kill()
            self.close()
            return "hung"
        answer = answers.readline().strip()
        if answer:
            return answer
        status = self._process.wait()
        self.close()
        return f"died: status {status}"

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


def _readable(stream: IO[str], seconds: float) -> bool:
    return bool(select.select([stream], [], [], seconds)[0])


def _load_many() -> None:
    """The loading process: for every path on stdin, one line that says how it went."""
    import os

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # A file that asks for more than this machine has must not take it from others.
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    for line in sys.stdin:
        try:
            end = _load(Path(line.strip()))
        except FiresideError as error:
            end = f"refused: {error.message}"
        except Exception as error:
            end = f"failed: {error!r}"
        answers.write(" ".join(end.split()) + "\n")
        answers.flush()


def _load(path: Path) -> str:
    """Load `path` as the worker does, and write two tokens."""
    from fireside.models.gguf.engine import GgufEngine
    from fireside.models.gguf.loading import GgufLoading
    from fireside.models.types import Message, Request

    engine = GgufEngine(GgufLoading(path, context_length=256, threads=1, batch=64))
    try:
        engine.submit(1, Request((Message("user", "Hello"),), max_tokens=2))
        while engine.busy:
            for _, event in engine.step():
                if isinstance(event, FiresideError):
                    raise event
    finally:
        engine.close()
    return "loaded"


def main() -> int:
    """Print the tally."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--load", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        _load_many()
        return 0
    tally = check_headers(options.seed, options.count)
    for end, number in tally.ends.most_common():
        print(f"{number:6} {end}")
    print(f"slowest header {tally.slowest:.2f} s")
    for each in tally.lost:
        print(f"the loading process died: {each}")
    for each in tally.harm:
        print(f"HARM {each}")
    return 1 if tally.harm else 0


if __name__ == "__main__":
    sys.exit(main())

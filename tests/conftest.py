"""What holds for every test: a data folder of its own, no settings from outside, and no network."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# The same examples every time, however busy the machine is.
hypothesis.settings.register_profile(
    "fireside", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("fireside")

# Read when the libraries are imported, which may be before the first fixture.
os.environ.update({"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"})


# A shell that runs the suite in the background has it ignore Ctrl-C, and every program it starts too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FIRESIDE_HOME is the test's own folder, and no other variable of ours is set."""
    for name in [name for name in os.environ if name.upper().startswith("FIRESIDE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Only this machine can be connected to."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def check(one: socket.socket, address: Any) -> None:
        if one.family != socket.AF_UNIX and str(address[0]) not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test wanted to connect to {address}")

    def checked_connect(self: socket.socket, address: Any) -> None:
        check(self, address)
        return connect(self, address)

    def checked_connect_ex(self: socket.socket, address: Any) -> int:
        check(self, address)
        return connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", checked_connect)
        patch.setattr(socket.socket, "connect_ex", checked_connect_ex)
        yield

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fireside.conversations import writer

needs_start_times = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system tells no start times")


def test_this_process_lives() -> None:
    assert writer.is_alive(writer.this_process(), 1e9 if ":" in writer.this_process() else 0)


@needs_start_times
def test_a_process_that_took_over_the_id_is_another_one() -> None:
    assert not writer.is_alive(f"{os.getpid()}:1", 0)


@needs_start_times
def test_a_dead_process_that_nobody_has_waited_for_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        name = f"{child.pid}:{writer._start_time(child.pid)}"
        assert writer.is_alive(name, 0)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not writer.is_alive(name, 0)


def test_without_a_start_time_silence_decides() -> None:
    assert writer.is_alive(str(os.getpid()), 10)
    assert not writer.is_alive(str(os.getpid()), 3600)


@pytest.mark.parametrize("name", ["", "x", "-1", "0x1", ":5", "999999999999999999999:1", "4194305:1"])
def test_no_process_has_such_a_name(name: str) -> None:
    assert not writer.is_alive(name, 0)

import signal
import threading
from collections.abc import Callable

import pytest

from fireside.interrupts import interrupts_held


def test_an_interrupt_inside_the_block_comes_at_its_end() -> None:
    done = []

    def load() -> None:
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            done.append("loaded")
        done.append("gone on")

    with pytest.raises(KeyboardInterrupt):
        load()
    assert done == ["loaded"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_an_interrupt_that_is_ignored_stays_ignored(handler: Callable[..., object]) -> None:
    before = signal.signal(signal.SIGINT, handler)
    try:
        with interrupts_held():
            assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_pass_through() -> None:
    seen = []

    def load() -> None:
        with interrupts_held():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_an_error_in_the_block_comes_through() -> None:
    def load() -> None:
        with interrupts_held():
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        load()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

"""A few of the sandbox escape suite's cases; `benchmarks/faults.py --row sandbox` runs all of them."""

from __future__ import annotations

import os

import escapes
import pytest

_USER = 12345


def check_escapes(seed: int, count: int) -> list[str]:
    """Up to `count` cases of each mechanism, as this user and, where that is root, as another. No seed is needed."""
    found = []
    for landlock in (False, True):
        for user in (None, _USER):
            name = f"{'Landlock' if landlock else 'bubblewrap'}, {'this user' if user is None else 'another user'}"
            if reason := escapes.why_not(landlock, user):
                print(f"  not run: {name}: {reason}", flush=True)
                continue
            names = escapes.applicable(os.geteuid() == 0 and user is None)[:count]
            wrong = escapes.run_suite(names, landlock=landlock, user=user)
            print(f"  {name}: {len(names)} cases, {len(wrong)} wrong", flush=True)
            found += [f"{name}: {each}" for each in wrong]
    return found


def test_bubblewrap_holds_a_program_of_this_user() -> None:
    _held(
        (
            "tcp-connect",
            "write-through-link",
            "dot-env",
            "rename-above-git",
            "rename-above-venv",
            "fork-bomb",
            "daemon",
        ),
        landlock=False,
        user=None,
    )


def test_bubblewrap_holds_a_program_of_another_user() -> None:
    _held(("fork-bomb",), landlock=False, user=_USER)


def test_landlock_holds_a_program_of_an_ordinary_user() -> None:
    _held(
        ("udp-send", "chmod-outside", "proc-parent-root", "rename-above-git", "memory"),
        landlock=True,
        user=_USER if os.geteuid() == 0 else None,
    )


def test_the_suite_finds_a_case_that_cannot_fail() -> None:
    case = escapes.Case("harmless", "print('nothing')")
    assert escapes.check(case, landlock=False).startswith("cannot fail")


def _held(names: tuple[str, ...], *, landlock: bool, user: int | None) -> None:
    if reason := escapes.why_not(landlock, user):
        pytest.skip(reason)
    assert escapes.run_suite(names, landlock=landlock, user=user) == []

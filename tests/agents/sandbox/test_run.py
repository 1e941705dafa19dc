"""Programs in the sandbox that works on this machine: what they see, what they leave, how they end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.sandbox import available
from agents.sandbox.available import GUARD, Mechanism, Reason, mechanism
from agents.sandbox.identity import check_identities, identities
from agents.sandbox.limits import Limits
from agents.sandbox.run import run
from fireside.errors import ToolError

_HELD_BY = mechanism()
needs_a_sandbox = pytest.mark.skipif(isinstance(_HELD_BY, Reason), reason=str(_HELD_BY))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "fireside"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    shared = tmp_path / "shared"
    shared.mkdir()
    return shared


@pytest.fixture
def no_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(available.landlock, "version", lambda: 0)
    available._mechanism.cache_clear()
    yield
    available._mechanism.cache_clear()


@needs_a_sandbox
async def test_what_a_program_writes_stays_and_belongs_to_the_folders_owner(folder: Path) -> None:
    outcome = await run(
        ["sh", "-c", "cat; echo hello; echo no >&2; echo kept > kept.txt; exit 3"], folder=folder, stdin="in "
    )
    assert (outcome.status, outcome.stdout, outcome.stderr) == (3, "in hello\n", "no\n")
    assert (outcome.stopped, outcome.timed_out, outcome.cut) == (None, False, False)
    assert (folder / "kept.txt").read_text() == "kept\n"
    assert (folder / "kept.txt").stat().st_uid == folder.stat().st_uid


@needs_a_sandbox
async def test_a_program_sees_a_clean_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "secret")
    outcome = await run(["env"], folder=folder)
    assert {line.split("=")[0] for line in outcome.stdout.splitlines()} == {"PATH", "HOME", "TMPDIR", "LANG"}


@needs_a_sandbox
async def test_a_run_ends_at_its_time_and_keeps_what_was_written(folder: Path) -> None:
    outcome = await run(["sh", "-c", "echo begun; sleep 60"], folder=folder, limits=Limits(wall_s=1))
    assert outcome.timed_out
    assert outcome.status is None
    assert outcome.stdout == "begun\n"


@needs_a_sandbox
async def test_the_end_by_a_signal_and_by_a_limit_are_told_apart(folder: Path) -> None:
    assert (await run(["sh", "-c", "kill -9 $$"], folder=folder)).status == 128 + 9
    spinning = await run(["sh", "-c", "while :; do :; done"], folder=folder, limits=Limits(cpu_s=1))
    assert (spinning.status, spinning.stopped) == (None, "cpu")


@needs_a_sandbox
async def test_long_output_is_cut(folder: Path) -> None:
    outcome = await run(["sh", "-c", "yes | head -c 100000"], folder=folder, limits=Limits(output=1000))
    assert outcome.cut
    assert len(outcome.stdout) == 1000
    assert outcome.status == 0


@needs_a_sandbox
async def test_cancelling_ends_everything(folder: Path) -> None:
    # It says that it runs by the file; the name it sleeps under is its own.
    argv = ["sh", "-c", f"touch begun; sleep 60 & sleep 60; : {folder}"]
    task = asyncio.create_task(run(argv, folder=folder))
    while not (folder / "begun").exists():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _processes_of(str(folder)) == []


@needs_a_sandbox
async def test_when_the_one_who_asked_is_killed_the_program_ends(folder: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from agents.sandbox.run import run\n"
        "folder = Path(sys.stdin.read())\n"
        "asyncio.run(run(['sh', '-c', f'touch begun; sleep 60 & sleep 60; : {folder}'], folder=folder))"
    )
    asker = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True)
    assert asker.stdin is not None
    asker.stdin.write(str(folder))
    asker.stdin.close()
    while not (folder / "begun").exists():
        await asyncio.sleep(0.01)
    asker.kill()
    asker.wait()
    while _processes_of(str(folder)):
        await asyncio.sleep(0.01)


@needs_a_sandbox
async def test_when_the_guard_is_killed_the_program_ends_and_that_is_an_error(folder: Path) -> None:
    task = asyncio.create_task(run(["sh", "-c", f"touch begun; sleep 60; : {folder}"], folder=folder))
    while not (folder / "begun").exists():
        await asyncio.sleep(0.01)
    for pid in _processes_of("agents.sandbox.guard"):
        if _parent_of(pid) == os.getpid():
            os.kill(pid, signal.SIGKILL)
    with pytest.raises(ToolError, match="the sandbox ended before the program did: it was killed"):
        await task
    while _processes_of(str(folder)):
        await asyncio.sleep(0.01)


def _processes_of(word: str) -> list[int]:
    """The processes with `word` in their command line, this one apart."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in command:
                found.append(int(entry.name))
    return found


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@needs_a_sandbox
async def test_runs_beside_each_other(folder: Path) -> None:
    outcomes = await asyncio.gather(*(run(["echo", str(n)], folder=folder) for n in range(4)))
    assert [outcome.stdout for outcome in outcomes] == ["0\n", "1\n", "2\n", "3\n"]


@needs_a_sandbox
async def test_a_missing_program_is_an_exit_status(folder: Path) -> None:
    outcome = await run(["no-such-program"], folder=folder)
    assert outcome.status == 127
    assert "cannot run no-such-program" in outcome.stderr


@needs_a_sandbox
async def test_folders_above_version_control_are_written_in_but_not_renamed(folder: Path) -> None:
    if isinstance(_HELD_BY, Mechanism) and _HELD_BY.bwrap is None:
        pytest.skip("Landlock refuses such a folder")
    (folder / "sub/.git").mkdir(parents=True)
    outcome = await run(["sh", "-c", "echo new > sub/file; mv sub/file sub/moved; mv sub away; ls"], folder=folder)
    assert outcome.stdout == "sub\n"
    assert "busy" in outcome.stderr
    assert (folder / "sub/moved").read_text() == "new\n"


def test_a_folder_that_is_exchanged_while_the_sandbox_is_set_up_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "sub/.git").mkdir(parents=True)
    paths = [str(tmp_path / "sub"), str(tmp_path / "sub/.git")]
    seen = identities(str(tmp_path), paths)
    check_identities(seen)
    (tmp_path / "sub").rename(tmp_path / "away")
    (tmp_path / "sub/.git").mkdir(parents=True)
    with pytest.raises(OSError, match="sub was changed"):
        check_identities(seen)
    shutil.rmtree(tmp_path / "sub")
    (tmp_path / "sub").symlink_to("away")
    with pytest.raises(OSError, match="sub was changed"):
        check_identities(seen)
    with pytest.raises(OSError, match="Not a directory"):
        identities(str(tmp_path), paths[1:])


@pytest.mark.parametrize("step", ["guard", "child"])
@pytest.mark.parametrize("order", ["", "[", "{}", '{"argv": 1, "ready": "x"}'])
def test_no_step_shows_a_traceback(step: str, order: str, tmp_path: Path) -> None:
    (tmp_path / "order").write_text(f"{order}\n")
    boot = GUARD[-2].replace("guard", step)
    with (tmp_path / "order").open() as stream:
        command = [*GUARD[:-2], boot, GUARD[-1], str(stream.fileno())]
        done = subprocess.run(command, stdin=stream, pass_fds=(stream.fileno(),), capture_output=True, text=True)
    told = done.stdout + done.stderr
    assert told.strip()
    assert len(told.splitlines()) == 1
    assert "Traceback" not in told
    assert "sandbox/" not in told


@pytest.mark.parametrize(
    ("argv", "message"),
    [([], "no program"), (["a\0b"], "null"), (["echo", "\ud800"], "no valid text"), (["x" * 200_000], "too long")],
    ids=str,
)
async def test_arguments_that_no_program_can_be_given(argv: list[str], message: str, folder: Path) -> None:
    with pytest.raises(ToolError, match=message):
        await run(argv, folder=folder)


@pytest.mark.usefixtures("no_sandbox")
async def test_without_a_sandbox_nothing_is_run(folder: Path) -> None:
    with pytest.raises(ToolError, match="no program can be run safely here") as caught:
        await run(["touch", "ran"], folder=folder)
    assert caught.value.hint is not None
    assert "bubblewrap" in caught.value.hint
    assert not (folder / "ran").exists()


@pytest.mark.usefixtures("no_sandbox")
def test_available_says_why_not() -> None:
    reason = available.available()
    assert reason is not None
    assert "bubblewrap: it is not installed" in reason.message


@pytest.mark.parametrize(("user", "place", "fix"), [(0, "by root in {}", "ordinary user"), (7, "here", "namespaces")])
def test_a_sandbox_that_fails_is_said_with_what_helps_this_user(
    folder: Path, monkeypatch: pytest.MonkeyPatch, no_sandbox: None, user: int, place: str, fix: str
) -> None:
    tried: list[str | None] = []
    monkeypatch.setattr(available.os, "geteuid", lambda: user)
    monkeypatch.setattr(available.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(available, "_try", lambda held_by, place: tried.append(place) or "it did not work")
    reason = available.available(folder)
    assert reason is not None
    assert f"safely {place.format(folder)}: bubblewrap: it did not work" in reason.message
    assert fix in reason.hint
    assert tried == [str(folder) if user == 0 else None]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, and only root's files are shown to another user")
def test_root_on_overlayfs_is_refused_with_the_reason_and_elsewhere_not(folder: Path) -> None:
    for name in ("low", "up", "work", "merged"):
        (folder / name).mkdir()
    (folder / "low" / "shared").mkdir()
    (elsewhere := folder.parent / "elsewhere").mkdir()
    layers = f"lowerdir={folder}/low,upperdir={folder}/up,workdir={folder}/work"
    mount = f"mount -t overlay overlay -o {layers} {folder}/merged"
    mounted = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode:
        pytest.skip("overlayfs cannot be mounted here")
    ask = "import sys; from pathlib import Path; from agents.sandbox.available import available; "
    ask += "print([available(Path(each)) for each in sys.argv[1:]])"
    argv = [sys.executable, "-c", ask, f"{folder}/merged/shared", str(elsewhere)]
    done = subprocess.run([*mounted, *argv], capture_output=True, text=True, check=True)
    assert "by root in " in done.stdout
    assert "cannot show root's files to another user" in done.stdout
    if isinstance(mechanism(elsewhere), Mechanism):
        assert done.stdout.endswith(", None]\n")


async def test_landlock_runs_nothing_in_a_folder_with_secrets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[run.__module__], "mechanism", lambda folder: Mechanism(None))
    (folder / ".env").write_text("x")
    with pytest.raises(ToolError, match=r"Landlock cannot keep a program in .* from .*\.env"):
        await run(["true"], folder=folder)

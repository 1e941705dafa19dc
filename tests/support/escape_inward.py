"""Attempts on other processes, on the kernel's rights, and on the machine's memory, disk and time."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from escape_world import LIMITS, Case, Ran, World

_LIBC = "import ctypes, os, sys\nlibc = ctypes.CDLL(None, use_errno=True)\n"
_X86 = os.uname().machine == "x86_64"
_NEW_USERS, _ADD_KEY, _PTRACE_SEIZE = 0x10000000, (248 if _X86 else 217), 0x4206


def _victim_state(world: World) -> str:
    return Path(f"/proc/{world.victim.pid}/stat").read_text().rpartition(")")[2].split()[0]


def _victim_limit(world: World, ran: Ran) -> bool:
    return " 77 " in Path(f"/proc/{world.victim.pid}/limits").read_text()


def _outlives(world: World, ran: Ran) -> bool:
    return bool(world.left_over()) or bool(ran.broke)


def _comes_late(world: World, ran: Ran) -> bool:
    """Whether a process that no list of processes would show writes a file after the run is over."""
    until = time.monotonic() + 4
    while time.monotonic() < until and not (world.folder / "late").exists():
        time.sleep(0.05)
    return bool(ran.broke) or (world.folder / "late").exists()


def _forked(number: int, each: str, then: str) -> str:
    """Code that makes `number` children which do `each`, then counts those that live, and does `then`."""
    return (
        f"import os, time, sys, signal\nready, made = os.pipe()\nchildren = []\n"
        f"try:\n  for n in range({number}):\n    pid = os.fork()\n    if pid == 0:\n"
        f"      {each}\n      os.write(made, b'x')\n      time.sleep(6); os._exit(0)\n    children.append(pid)\n"
        f"except OSError: pass\n"
        f"os.close(made); done = 0\n"
        f"while done < len(children):\n  piece = os.read(ready, 999)\n  if not piece: break\n  done += len(piece)\n"
        f"{then}\nfor pid in children: os.kill(pid, 9)\n"
    )


PROCESSES = (
    Case("kill", "import os\nos.kill(W['victim'], 9)", lambda world, ran: _victim_state(world) in "ZX"),
    Case("stop", "import os\nos.kill(W['victim'], 19)", lambda world, ran: _victim_state(world) in "TZ"),
    Case("signal-probe", "import os\nos.kill(W['victim'], 0)\nprint('ESCAPED')"),
    Case(
        "ptrace",
        _LIBC + f"if libc.ptrace({_PTRACE_SEIZE}, W['victim'], None, None) == 0: print('ESCAPED')",
    ),
    Case(
        "read-memory",
        _LIBC + "class V(ctypes.Structure): _fields_ = [('a', ctypes.c_void_p), ('n', ctypes.c_size_t)]\n"
        "b = ctypes.create_string_buffer(W['length'])\nhere, there = V(ctypes.addressof(b), W['length']), "
        "V(W['address'], W['length'])\n"
        "libc.process_vm_readv(W['victim'], ctypes.byref(here), 1, ctypes.byref(there), 1, 0)\n"
        "if b.raw.decode() == W['secret']: print('ESCAPED')",
    ),
    Case(
        "proc-memory",
        "m = open(f\"/proc/{W['victim']}/mem\", 'rb', 0)\nm.seek(W['address'])\n"
        "if m.read(W['length']).decode() == W['secret']: print('ESCAPED')",
    ),
    Case(
        "proc-environment",
        "if W['secret'] in open(f\"/proc/{W['victim']}/environ\").read(): print('ESCAPED')",
    ),
    Case(
        "any-environment",
        "import glob\nfor path in glob.glob('/proc/[0-9]*/environ'):\n  try:\n"
        "    if W['secret'] in open(path).read(): print('ESCAPED'); break\n  except OSError: pass",
    ),
    Case("environment", "import os\nif os.environ.get('API_KEY') == W['secret']: print('ESCAPED')"),
    Case(
        "process-list",
        "open(f\"/proc/{W['victim']}/stat\").read()\nprint('ESCAPED')",
    ),
    Case(
        "process-limits",
        "import resource\nresource.prlimit(W['victim'], resource.RLIMIT_NOFILE, (77, 77))",
        _victim_limit,
    ),
    Case("priority", "import os\nos.setpriority(os.PRIO_PROCESS, W['victim'], 19)\nprint('ESCAPED')"),
    Case("affinity", "import os\nos.sched_setaffinity(W['victim'], {0})\nprint('ESCAPED')"),
    Case(
        "daemon",
        "import os, time\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0: time.sleep(15)\n  os._exit(0)\n"
        "os.wait()",
        _outlives,
    ),
    Case(
        "hop-away",
        "import os, time\nuntil = time.monotonic() + 1.5\nwhile time.monotonic() < until:\n"
        "  if os.fork(): os._exit(0)\nopen('late', 'w').write('x')",
        _comes_late,
    ),
    Case(
        "daemon-holds-output",
        "import os, time, subprocess, sys\n"
        "subprocess.Popen(['sh', '-c', 'sleep 15; :', W['token']], start_new_session=True)",
        _outlives,
    ),
    Case(
        "kill-the-parent",
        "import os, time\nos.kill(os.getppid(), 9)\ntime.sleep(15)",
        _outlives,
        replace(LIMITS, wall_s=2),
    ),
    Case(
        "ignore-signals",
        "import signal, time\nfor n in range(1, 32):\n  try: signal.signal(n, signal.SIG_IGN)\n  except OSError: pass\n"
        "import os\nif os.fork() == 0: time.sleep(15); os._exit(0)",
        _outlives,
    ),
    Case("user-namespace", _LIBC + f"if libc.unshare({_NEW_USERS}) == 0: print('ESCAPED')"),
    Case(
        "user-namespace-by-program",
        "import subprocess\nprint(subprocess.run(['unshare', '--user', '--map-root-user', 'echo', 'ESCAPED'], "
        "capture_output=True, text=True).stdout)",
    ),
    Case(
        "key-ring",
        _LIBC
        + f"if libc.syscall({_ADD_KEY}, b'user', b'fireside', b'x', ctypes.c_size_t(1), -3) >= 0: print('ESCAPED')",
    ),
    Case(
        "system-v-memory",
        _LIBC + "n = libc.shmget(0, 4096, 0o1600)\nif n >= 0: libc.shmctl(n, 0, None); print('ESCAPED')",
    ),
    Case(
        "performance-events",
        _LIBC + "import struct\n"
        "a = ctypes.create_string_buffer(struct.pack('IIQQQQQ', 1, 128, 1, 0, 0, 0, 1 << 5 | 1 << 6), 128)\n"
        f"if libc.syscall({298 if _X86 else 241}, a, 0, -1, -1, 0) >= 0: print('ESCAPED')",
        needs_root=True,
    ),
    Case(
        "become-root",
        "import os\nos.setuid(0); print('ESCAPED' if open('/etc/shadow').read() else '')",
        needs_root=True,
    ),
    Case(
        "set-user-id-program",
        "import subprocess\np = subprocess.Popen(['su'], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, "
        "stderr=subprocess.DEVNULL)\n"
        "import time\nfor n in range(100):\n  lines = open(f'/proc/{p.pid}/status').read().splitlines()\n"
        "  if [line.split()[2] for line in lines if line.startswith('Uid')] == ['0']: print('ESCAPED'); break\n"
        "  time.sleep(0.02)\np.kill()",
    ),
)

RESOURCES = (
    Case("fork-bomb", _forked(120, "pass", "if len(children) > 60: print('ESCAPED')")),
    Case(
        "thread-bomb",
        "import threading\ne = threading.Event()\nn = 0\ntry:\n  for n in range(120): "
        "threading.Thread(target=e.wait, daemon=True).start()\nexcept RuntimeError: pass\n"
        "import os\nif n > 60: print('ESCAPED', flush=True)\nos._exit(0)",
    ),
    Case("memory", "x = bytearray(400 << 20)\nfor n in range(0, len(x), 4096): x[n] = 1\nprint('ESCAPED')"),
    Case(
        "memory-of-many",
        _forked(
            10,
            "x = bytearray(60 << 20); x[::4096] = b'x' * len(x[::4096])",
            "time.sleep(1)\nif len(children) == 10: print('ESCAPED')",
        ),
    ),
    Case(
        "shared-memory",
        "import mmap, time\nx = mmap.mmap(-1, 600 << 20)\nfor n in range(0, len(x), 4096): x[n] = 1\n"
        "time.sleep(1)\nprint('ESCAPED')",
    ),
    Case(
        "memory-files",
        "import os\nd = [os.memfd_create(str(n)) for n in range(30)]\n"
        "for each in d: os.write(each, bytes(15 << 20))\n"
        "print('ESCAPED')",
    ),
    *(
        Case(
            f"fill{folder.replace('/', '-')}",
            f"import os\npaths = []\ntry:\n  for n in range(10):\n    paths.append('{folder}/' + W['token'] + str(n))\n"
            "    open(paths[-1], 'wb').write(bytes(8 << 20))\n  print('ESCAPED')\n"
            "finally:\n  for path in paths: os.unlink(path)",
            # Under Landlock the folder for temporary files lies on the disk, and /tmp itself is closed.
        )
        for folder in ("/tmp", "/dev/shm")
    ),
    Case(
        "large-file",
        "import os, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nf = open('big', 'wb')\n"
        "for n in range(8): f.write(bytes(8 << 20))\nf.close()\nif os.stat('big').st_size > 32 << 20: print('ESCAPED')",
    ),
    Case(
        "fill-the-disk",
        "import os, time\nfor n in range(30):\n  with open(f'f{n}', 'wb') as f:\n"
        "    f.write(bytes(10 << 20)); f.flush()\n"
        "    os.fsync(f.fileno())\n  time.sleep(0.05)\nprint('ESCAPED')",
    ),
    *(
        Case(
            f"endless-{stream}",
            f"import sys\nfor n in range(200): sys.{stream}.write('x' * 10000)",
            lambda world, ran, stream=stream: len(getattr(ran, stream)) > 100_000,
        )
        for stream in ("stdout", "stderr")
    ),
    Case("open-files", "f = [open('/dev/null') for n in range(400)]\nprint('ESCAPED')"),
    Case(
        "cpu",
        "import time\nwhile time.process_time() < 2.5: pass\nprint('ESCAPED')",
        limits=replace(LIMITS, cpu_s=1),
    ),
    Case(
        "cpu-of-many",
        _forked(4, "t = time.process_time()\n      while time.process_time() < 0.8: pass", "print('ESCAPED')"),
        limits=replace(LIMITS, cpu_s=1),
    ),
    Case(
        "wall-clock",
        "import time\ntime.sleep(3)\nprint('ESCAPED', flush=True)",
        limits=replace(LIMITS, wall_s=1),
    ),
    Case(
        "wall-clock-by-daemon",
        "import os, time\nif os.fork() == 0:\n  os.setsid(); time.sleep(2.5)\n"
        "  open('late', 'w').write('x'); os._exit(0)\n"
        "time.sleep(3)",
        lambda world, ran: (world.folder / "late").exists() or _outlives(world, ran),
        replace(LIMITS, wall_s=1),
    ),
)

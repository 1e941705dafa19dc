"""Attempts to reach the network, and files that were not shared."""

from __future__ import annotations

import stat
from pathlib import Path

from escape_world import SECRET, Case

_LIBC = "import ctypes, os, sys\nlibc = ctypes.CDLL(None, use_errno=True)\n"


def _reads(name: str, path: str, *, needs_root: bool = False, secrets: bool = False) -> Case:
    """`path`: a Python expression."""
    code = f"import os, glob\nif W['secret'] in open({path}).read(): print('ESCAPED')"
    return Case(name, code, needs_root=needs_root, secrets=secrets)


def _writes(name: str, before: str, path: str) -> Case:
    code = f"import os\n{before}\nopen({path}, 'w').write('changed')"
    return Case(name, code, lambda world, ran: (world.outside / "new.txt").exists())


def _replaces(name: str, moved: str, file: str, *, secrets: bool = False, venv: bool = False) -> Case:
    """Rename the folder `moved`, and make it anew with a `file` in it."""
    code = (
        f"import os\nos.rename({moved!r}, 'away')\nos.makedirs(os.path.dirname({file!r}))\n"
        f"open({file!r}, 'w').write('changed')"
    )
    return Case(name, code, lambda world, ran: (world.folder / file).exists(), secrets=secrets, venv=venv)


NETWORK = (
    Case(
        "tcp-connect",
        "import socket\nsocket.create_connection(('127.0.0.1', W['tcp']), 2).sendall(b'x')\nprint('ESCAPED')",
    ),
    Case("tcp-listen", "import socket\ns = socket.create_server(('127.0.0.1', 0))\nprint('ESCAPED')"),
    Case(
        "udp-send",
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(2)\n"
        "s.sendto(b'x', ('127.0.0.1', W['udp']))\nif s.recv(99): print('ESCAPED')",
    ),
    Case(
        "dns-query",
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(2)\n"
        "s.connect(('127.0.0.1', W['udp']))\n"
        "s.send(b'\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\4test\\0\\0\\1\\0\\1')\nif s.recv(99): print('ESCAPED')",
    ),
    *(
        Case(
            f"unix-socket-{where}",
            f"import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect({address})\nprint('ESCAPED')",
        )
        for where, address in (
            ("outside", "W['local']"),
            ("in-the-folder", "W['below']"),
            ("abstract", "'\\0' + W['abstract']"),
        )
    ),
    Case(
        "datagram-pair",
        "import socket\ns, t = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "s.sendto(b'x', W['datagram'])\nprint('ESCAPED')",
    ),
    Case("network-interfaces", "import socket\nif socket.if_nameindex(): print('ESCAPED')"),
    Case(
        "raw-socket",
        "import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW)\nprint('ESCAPED')",
        needs_root=True,
    ),
    Case(
        "io-uring",
        _LIBC + "p = ctypes.create_string_buffer(120)\nif libc.syscall(425, 1, p) >= 0: print('ESCAPED')",
    ),
)

FILES = (
    _writes("write-absolute", "", "W['outside'] + '/new.txt'"),
    _writes("write-dot-dot", "", "'../outside/new.txt'"),
    _writes("write-through-link", "", "'link.txt'"),
    _writes("write-through-folder-link", "", "'link/new.txt'"),
    _writes("write-through-new-link", "os.symlink(W['outside'] + '/new.txt', 'mine')", "'mine'"),
    _writes("move-out", "open('x', 'w').close(); os.rename('x', '../outside/new.txt')", "'y'"),
    Case(
        "change-outside",
        "open(W['outside'] + '/secret.txt', 'a').write('x')",
        lambda world, ran: (world.outside / "secret.txt").read_text() != SECRET,
    ),
    Case(
        "remove-outside",
        "import os; os.unlink(W['outside'] + '/secret.txt')",
        lambda world, ran: not (world.outside / "secret.txt").exists(),
    ),
    Case(
        "chmod-outside",
        "import os; os.chmod(W['outside'] + '/secret.txt', 0o777)",
        lambda world, ran: stat.S_IMODE((world.outside / "secret.txt").stat().st_mode) == 0o777,
    ),
    Case(
        "utime-outside",
        "import os; os.utime(W['outside'] + '/secret.txt', (1, 1))",
        lambda world, ran: (world.outside / "secret.txt").stat().st_mtime == 1,
    ),
    _reads("read-absolute", "W['outside'] + '/secret.txt'"),
    _reads("read-through-link", "'link/secret.txt'"),
    _reads("hard-link", "(os.link(W['outside'] + '/secret.txt', 'mine'), 'mine')[1]"),
    _reads("proc-self-root", "'/proc/self/root' + W['outside'] + '/secret.txt'"),
    _reads("proc-other-root", "f\"/proc/{W['victim']}/root{W['outside']}/secret.txt\""),
    _reads("proc-parent-root", "f\"/proc/{os.getppid()}/root{W['outside']}/secret.txt\""),
    _reads("proc-parent-cwd", 'f"/proc/{os.getppid()}/cwd/../outside/secret.txt"'),
    _reads("leaked-descriptor", "W['leak']"),
    _reads("ssh-key", "W['home'] + '/.ssh/id_ed25519'"),
    _reads("fireside-home", "W['fireside'] + '/notes.db'"),
    _reads("dot-env", "'.env'", secrets=True),
    _reads("dot-env-deeper", "'sub/.env.local'", secrets=True),
    _reads("key-file", "'server.pem'", secrets=True),
    _reads("ssh-in-the-folder", "'.ssh/config'", secrets=True),
    _reads("secret-renamed", "(os.rename('.env', 'x'), 'x')[1]", secrets=True),
    _reads("secret-linked", "(os.link('.env', 'x'), 'x')[1]", secrets=True),
    _reads("secret-in-moved-folder", "(os.rename('sub', 'x'), 'x/.env.local')[1]", secrets=True),
    Case(
        "git-hook",
        "open('.git/hooks/pre-commit', 'w').write('x')",
        lambda world, ran: (world.folder / ".git/hooks/pre-commit").exists(),
        secrets=True,
    ),
    _replaces("rename-above-git", "sub", "sub/deep/.git/config", secrets=True),
    _replaces("rename-right-above-git", "sub/deep", "sub/deep/.git/config", secrets=True),
    _replaces("rename-above-venv", "tools", "tools/venv/bin/python", venv=True),
    Case(
        "change-venv",
        "open('tools/venv/bin/python', 'w').write('x')",
        lambda world, ran: (world.venv / "bin/python").exists(),
        venv=True,
    ),
    Case("user-names", "if 'root:' in open('/etc/passwd').read(): print('ESCAPED')"),
    Case("etc-shadow", "open('/etc/shadow').read(); print('ESCAPED')", needs_root=True),
    *(
        Case(
            f"write-{folder.strip('/').replace('/', '-')}",
            f"open('{folder}/' + W['token'], 'w').write('x'); print('wrote')",
            lambda world, ran, folder=folder: (Path(folder) / world.token).exists(),
            needs_root=folder in ("/etc", "/usr"),
        )
        for folder in ("/etc", "/usr", "/tmp", "/dev/shm")
    ),
    Case("kernel-messages", "open('/dev/kmsg', 'rb').close(); print('ESCAPED')", needs_root=True),
    Case(
        "device-node",
        "import os, stat\nos.mknod('node', stat.S_IFCHR | 0o666, os.makedev(1, 8))\nprint('ESCAPED')",
        needs_root=True,
    ),
    Case(
        "set-user-id-file",
        "import os\nopen('x', 'w').close()\nos.chmod('x', 0o4755)",
        lambda world, ran: bool((world.folder / "x").stat().st_mode & stat.S_ISUID),
    ),
    Case(
        "set-user-id-at-creation",
        "import os\nos.umask(0)\nos.open('x', os.O_CREAT | os.O_WRONLY, 0o4755)",
        lambda world, ran: (world.folder / "x").exists() and bool((world.folder / "x").stat().st_mode & stat.S_ISUID),
    ),
    Case(
        "mount",
        _LIBC + "os.mkdir('mounted')\nif libc.mount(b'none', b'mounted', b'tmpfs', 0, None) == 0: print('ESCAPED')",
        needs_root=True,
    ),
    Case("chroot", "import os\nos.chroot('.')\nprint('ESCAPED')", needs_root=True),
    Case(
        "terminal",
        "import os\nos.write(os.open('/dev/tty', os.O_RDWR), b'x')\nprint('ESCAPED')",
    ),
    Case(
        "terminal-input",
        "import fcntl, os, termios\n"
        "fcntl.ioctl(os.open('/dev/tty', os.O_RDWR), termios.TIOCSTI, b'x')\nprint('ESCAPED')",
        needs_root=True,
    ),
)

"""The system calls that a program in the sandbox is refused, as a classic BPF filter (seccomp(2)).

It is a list of what is refused, not of what is allowed: namespaces, capabilities and Landlock are what confines; this
takes away what they do not cover: sockets, terminal input, kernel interfaces with a history of faults, set-id bits.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from dataclasses import dataclass

from agents.sandbox.libc import prctl

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
# linux/bpf_common.h and linux/seccomp.h.
_LOAD, _EQUAL, _ANY_BIT, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_X32 = 0x40000000

# linux/sched.h: CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
_NEW_NAMESPACES = 0x80 | 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000 | 0x40000000
_SET_ID_BITS = 0o6000
_TIOCSTI, _TIOCLINUX, _TIOCSETD = 0x5412, 0x541C, 0x5423
_PRIO_USER, _IOPRIO_WHO_USER, _DATAGRAM = 2, 3, 2
_SET_FLAGS, _SET_EXTENDED_ATTRIBUTES = 0x40086602, 0x401C5820


@dataclass(frozen=True)
class Rule:
    """Refuse `call` with `error`: always, or where an argument's low word has one of `bits`, or is one of `values`."""

    call: str
    error: int = errno.EPERM
    argument: int = 0
    bits: int = 0
    values: tuple[int, ...] = ()


REFUSED: tuple[Rule, ...] = (
    *(Rule(call, errno.EACCES) for call in ("socket", "bind", "connect")),
    # A pair of datagram sockets can each send to any other.
    Rule("socketpair", errno.EACCES, argument=1, bits=_DATAGRAM),
    # A caller falls back to what can be looked into: their arguments are in memory.
    *(Rule(call, errno.ENOSYS) for call in ("clone3", "openat2", "memfd_create", "memfd_secret")),
    *(
        Rule(call)
        for call in (
            *("keyctl", "add_key", "request_key", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp"),
            *("pidfd_getfd", "process_madvise", "process_mrelease", "migrate_pages", "move_pages"),
            *("mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "open_tree_attr", "fsopen"),
            *("fsconfig", "fsmount", "fspick", "mount_setattr", "unshare", "setns", "open_by_handle_at"),
            *("bpf", "perf_event_open", "io_uring_setup", "io_uring_enter", "io_uring_register", "userfaultfd"),
            *("shmget", "msgget", "semget", "mq_open", "fanotify_init", "quotactl", "quotactl_fd", "acct", "syslog"),
            *("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon"),
            *("swapoff", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "vhangup", "lookup_dcookie"),
            *("iopl", "ioperm", "modify_ldt", "uselib", "nfsservctl"),
        )
    ),
    Rule("clone", bits=_NEW_NAMESPACES),
    Rule("ioctl", argument=1, values=(_TIOCSTI, _TIOCLINUX, _TIOCSETD)),
    # A set-user-ID file that stays in the folder would be a door for everybody else on the machine.
    *(Rule(call, argument=1, bits=_SET_ID_BITS) for call in ("chmod", "fchmod", "creat", "mknod")),
    *(Rule(call, argument=2, bits=_SET_ID_BITS) for call in ("fchmodat", "fchmodat2", "open", "mknodat")),
    Rule("openat", argument=3, bits=_SET_ID_BITS),
    # Of itself only: there is no other process of the person's to be slowed or starved.
    *(
        Rule(call, bits=0xFFFFFFFF)
        for call in ("prlimit64", "sched_setscheduler", "sched_setparam", "sched_setaffinity", "sched_setattr")
    ),
    *(Rule(call, argument=1, bits=0xFFFFFFFF) for call in ("setpriority", "ioprio_set")),
    Rule("setpriority", values=(_PRIO_USER,)),
    Rule("ioprio_set", values=(_IOPRIO_WHO_USER,)),
)
"""Under every mechanism."""

UNDER_LANDLOCK: tuple[Rule, ...] = (
    # All stay in one process group, which can be killed as a whole.
    Rule("setsid"),
    Rule("setpgid"),
    Rule("ioctl", argument=1, values=(_SET_FLAGS, _SET_EXTENDED_ATTRIBUTES)),
    *(
        Rule(call)
        for call in (
            *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "utime", "utimes"),
            *("futimesat", "utimensat", "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr"),
            *("lremovexattr", "fremovexattr", "removexattrat", "file_setattr"),
        )
    ),
)
"""Landlock sees no change of a file's mode, owner, times or attributes; and there is no process namespace."""

# asm/unistd_64.h and asm-generic/unistd.h; None: there is no such call on that machine.
_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272), "pidfd_getfd": (438, 438),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268),
    "clone": (56, 220), "clone3": (435, 435), "bpf": (321, 280), "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "userfaultfd": (323, 282), "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194),
    "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180), "socket": (41, 198), "socketpair": (53, 199),
    "bind": (49, 200), "connect": (42, 203), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443), "syslog": (103, 116),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "chroot": (161, 51), "open_by_handle_at": (304, 265), "uselib": (134, None), "fanotify_init": (300, 262),
    "ioctl": (16, 29), "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "utime": (132, None),
    "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88), "setxattr": (188, 5),
    "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "removexattrat": (466, 466), "open": (2, None),
    "openat": (257, 56), "openat2": (437, 437), "creat": (85, None), "mknod": (133, None), "mknodat": (259, 33),
    "prlimit64": (302, 261), "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118), "sched_setaffinity": (203, 122), "sched_setattr": (314, 274),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "migrate_pages": (256, 238),
    "move_pages": (279, 239), "vhangup": (153, 58),
    "setsid": (112, 157), "setpgid": (109, 154), "iopl": (172, None), "ioperm": (173, None),
    "modify_ldt": (154, None), "nfsservctl": (180, 42), "lookup_dcookie": (212, 18), "open_tree_attr": (467, 467),
    "file_setattr": (469, 469),
}  # fmt: skip
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the numbers above, and AUDIT_ARCH of linux/audit.h."""


def is_known_machine() -> bool:
    """Whether there is a filter for this machine's processor."""
    return platform.machine() in _MACHINES and sys.byteorder == "little" and sys.maxsize > 2**32


def program(rules: tuple[Rule, ...], machine: str) -> bytes:
    """The filter as `struct sock_filter`s. Calls of another architecture (32-bit, x32) do not exist (ENOSYS)."""
    column, architecture = _MACHINES[machine]
    missing = _statement(_RETURN, _ERRNO | errno.ENOSYS)
    code = [_statement(_LOAD, _ARCHITECTURE), _statement(_EQUAL, architecture, 1, 0), missing]
    code += [_statement(_LOAD, _NUMBER)]
    if machine == "x86_64":
        code += [_statement(_AT_LEAST, _X32, 0, 1), missing]
    for rule in rules:
        number = _NUMBERS[rule.call][column]
        if number is None:
            continue
        refuse = _statement(_RETURN, _ERRNO | rule.error)
        if rule.bits:
            tests = [_statement(_ANY_BIT, rule.bits, 0, 1), refuse]
        else:
            tests = [each for value in rule.values for each in (_statement(_EQUAL, value, 0, 1), refuse)]
        if tests:
            # Little-endian: the low word of an argument comes first.
            low = _statement(_LOAD, _ARGUMENTS + 8 * rule.argument)
            tests = [low, *tests, _statement(_LOAD, _NUMBER)]
        else:
            tests = [refuse]
        code += [_statement(_EQUAL, number, 0, len(tests)), *tests]
    return b"".join([*code, _statement(_RETURN, _ALLOW)])


def install(rules: tuple[Rule, ...]) -> None:
    """Hold this process and all its children to `rules`, for good. Raises OSError where the kernel cannot."""
    code = program(rules, platform.machine())
    instructions = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("=HxxxxxxQ", len(code) // 8, ctypes.addressof(instructions)))
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(header))


def _statement(code: int, value: int, true: int = 0, false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, true, false, value)

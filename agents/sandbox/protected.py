"""What of a shared folder a program in it must not read (secrets) or not change (what runs outside of the sandbox)."""

from __future__ import annotations

import fnmatch
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from fireside.errors import ToolError

_MOST_ENTRIES = 200_000
_MOST_PROTECTED = 500

SECRET_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", "gcloud"})
SECRET_FILES = (
    *(".env", ".env.*", "*.env", ".netrc", ".pypirc", ".npmrc", ".pgpass", ".git-credentials", ".htpasswd"),
    *("*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.gpg", "*.asc"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "credentials.json", "service-account*.json"),
    *("credentials.toml", ".envrc", ".vault-token", ".s3cfg", ".my.cnf", ".boto", ".dockercfg"),
)
_HARMLESS = (".env.example", ".env.sample", ".env.template", "*.pub")
_OWN_PACKAGES = ("fireside", "rag", "agents", "finetune", "tui")


@dataclass(frozen=True)
class Protected:
    """Paths in a folder: files and folders that cannot be read, and those that can be read but not changed.

    held: the folders between the shared one and those, from the outermost inwards. They are written in as any other,
    but not renamed: who moves one away can put another in its place, with a `.git` of their own.
    """

    hidden_files: tuple[str, ...] = ()
    hidden_folders: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    held: tuple[str, ...] = ()

    @property
    def found(self) -> tuple[str, ...]:
        """All that a program is kept from."""
        return (*self.hidden_files, *self.hidden_folders, *self.unchanged)


def is_secret_file(name: str) -> bool:
    """Whether a file of this name usually holds a password or a key."""
    low = name.lower()
    return _matches(low, SECRET_FILES) and not _matches(low, _HARMLESS)


def find_protected(folder: Path) -> Protected:
    """Look through the whole of `folder`, a resolved path, without following links.

    Unchanged are `.git` (its hooks and configuration run programs) and, where they lie in it, Fireside's own code and
    Python. Raises ToolError where the folder is too large to be looked through, for nothing is shared unseen, where
    there is too much to protect, and where a `.git` is a link, which cannot be kept from being replaced.
    """
    files: list[str] = []
    folders: list[str] = []
    unchanged = [str(path) for path in _own_code() if path.is_relative_to(folder) and path.exists()]
    waiting = [str(folder)]
    seen = 0
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            # What the person cannot list, a program with fewer rights cannot either.
            continue
        seen += len(entries)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name.lower() in SECRET_FOLDERS:
                    folders.append(entry.path)
                elif entry.name == ".git":
                    unchanged.append(entry.path)
                else:
                    waiting.append(entry.path)
            elif entry.name == ".git":
                if entry.is_symlink():
                    raise ToolError(
                        f"{entry.path} is a link, and a program could put another in its place",
                        "work in a folder whose .git is a folder or a file",
                    )
                unchanged.append(entry.path)
            elif is_secret_file(entry.name):
                # A link's own name is no secret; what it leads to is, where that lies in the folder.
                target = Path(entry.path).resolve()
                if target.is_file() and target.is_relative_to(folder):
                    files.append(str(target))
        if seen > _MOST_ENTRIES:
            raise ToolError(
                f"{folder} is too large to be looked through for secrets before a program may see it",
                "work in a smaller folder",
            )
        if len(files) + len(folders) + len(unchanged) > _MOST_PROTECTED:
            raise _too_many(folder)
    held = _between(folder, {*files, *folders, *unchanged})
    if len(held) > _MOST_PROTECTED:
        raise _too_many(folder)
    return Protected(tuple(sorted(set(files))), tuple(sorted(folders)), tuple(sorted(set(unchanged))), held)


def check_folder(folder: Path, home: Path, fireside_home: Path) -> None:
    """Raise ToolError where `folder`, resolved, cannot be given to a program: too much, or what is Fireside's own.

    home, fireside_home: the person's home folder and Fireside's, resolved.
    """
    if not folder.is_dir():
        raise ToolError(f"{folder} is not a folder", "name an existing folder for the programs to work in")
    hint = "work in a folder of its own, such as one for the project"
    system = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/boot", "/dev", "/proc", "/sys", "/run")
    users = ("/run/user", "/usr/local/src", "/usr/src", "/dev/shm")
    if folder in (Path("/"), Path("/tmp"), Path("/var"), Path("/home"), Path("/opt")) or (
        any(folder.is_relative_to(each) for each in system)
        and not any(folder.is_relative_to(each) and str(folder) != each for each in users)
    ):
        raise ToolError(f"{folder} belongs to the system, and no program may change it", hint)
    if folder.is_relative_to(fireside_home):
        raise ToolError(f"{folder} belongs to Fireside itself, and no program may change it", hint)
    if any(private.is_relative_to(folder) for private in (home, fireside_home)):
        raise ToolError(f"{folder} holds your whole home folder or Fireside's data: no program may change it", hint)


def _too_many(folder: Path) -> ToolError:
    return ToolError(
        f"{folder} holds secrets or version control in too many places to keep a program from all of them",
        "work in a smaller folder",
    )


def _between(folder: Path, paths: set[str]) -> tuple[str, ...]:
    """The folders below `folder` on the way to each of `paths`, those apart that are among them or lie in one."""
    above = {parent for path in paths for parent in Path(path).parents if folder in parent.parents}
    return tuple(sorted(str(each) for each in above if not any(str(one) in paths for one in (each, *each.parents))))


def _own_code() -> list[Path]:
    """Where the code that runs outside of the sandbox lies."""
    root = Path(__file__).resolve().parents[2]
    return [Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), *(root / name for name in _OWN_PACKAGES)]


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

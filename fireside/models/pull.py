"""Gets a model from a hub: all its files into `models/.pulling/NAME/`, and from there into the models folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from fireside import paths
from fireside.errors import ModelError, StorageError
from fireside.models import catalog
from fireside.models.digests import remember_sha256
from fireside.models.download import Downloading, differs, download, there
from fireside.models.gguf_header import read_header, split_name
from fireside.models.hub import Hub, HubFile, Interrupted, Listing, safe_path
from fireside.models.memory import in_words
from fireside.models.variants import PICKLED, Variant, Wanted, pickled

_SPARE_DISK = 100_000_000
_TRIES = 4


def listed(hub: Hub, wanted: Wanted, wait: Callable[[float], None]) -> Listing:
    """The repository's files. Raises ModelError: there is none, or the hub cannot be reached."""
    if wanted.choice.endswith(PICKLED):
        raise pickled(wanted.choice)
    for attempt in range(_TRIES):
        try:
            return hub.listing(wanted.repository, wanted.revision)
        except Interrupted as interruption:
            if attempt == _TRIES - 1:
                raise ModelError(
                    f"cannot ask for {wanted.repository}: {interruption}",
                    "check the network, and HF_ENDPOINT if it is set",
                ) from interruption
            wait(max(interruption.wait_s, 2.0 ** (attempt - 1)))
    raise AssertionError("the last attempt returns or raises")


def left_to_get(variant: Variant, name: str) -> int:
    """Bytes of `variant` that are not on disk yet."""
    return sum(file.size - there(_staged(name, file), file) for file in variant.files)


def pull(hub: Hub, listing: Listing, variant: Variant, name: str, downloading: Downloading) -> catalog.ModelFile:
    """Get `variant` and put it into the models folder as `name`.

    A model of that name with the same content is returned as it is. Raises ModelError (another model has that name; a
    digest is wrong; the hub cannot be reached any more) and StorageError (no room). What came is kept for another call.
    """
    for file in variant.files:
        if not safe_path(file.path):
            raise ModelError(f"{listing.repository} holds the file name {file.path!r}", "choose another repository")
    if len({_own_name(file, name) for file in variant.files}) != len(variant.files):
        raise ModelError(f"two files of {variant.name} have one name", "name one: hf:ORG/NAME/FOLDER/FILE.gguf")
    paths.checked_name(name, "model")
    targets = [_target(variant, file, name) for file in variant.files]
    existing = next((model for model in catalog.models() if model.name == name), None)
    if existing is not None:
        if existing.path in (targets[0], targets[0].parent) and _same(variant, targets):
            return existing
        raise ModelError(
            f"there is another model called {name}",
            f"give this one another name with --name, or fireside models remove {name}",
        )
    _check_disk(left_to_get(variant, name))
    staged = [_staged(name, file) for file in variant.files]
    for file, place in zip(variant.files, staged, strict=True):
        if place.is_file() and differs(place, file):
            place.unlink()
        if not place.is_file():
            download(hub, listing, file, place, downloading)
    _check(variant, staged)
    return _moved(variant, staged, targets, name)


def kept_bytes(variant: Variant, name: str) -> int:
    """Bytes of an unfinished pull that are kept for the next one."""
    return variant.size - left_to_get(variant, name)


def _moved(variant: Variant, staged: list[Path], targets: list[Path], name: str) -> catalog.ModelFile:
    """Staged files take their places: a folder in one step, of GGUF parts the first, by which they are found, last."""
    folder = _staging(name)
    try:
        if variant.kind == "hf":
            for other in set(folder.iterdir()) - set(staged):  # left from another revision
                other.unlink()
            folder.replace(paths.models_folder() / name)
        else:
            for place, target in reversed(list(zip(staged, targets, strict=True))):
                place.replace(target)
            for file, target in zip(variant.files, targets, strict=True):
                if file.sha256:
                    remember_sha256(target, file.sha256)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"cannot move {folder} into place: {error.strerror}", "run the command again") from error
    return catalog.find(name)


def _staging(name: str) -> Path:
    return paths.models_folder() / ".pulling" / name


def _staged(name: str, file: HubFile) -> Path:
    return _staging(name) / PurePosixPath(file.path).name


def _own_name(file: HubFile, name: str) -> str:
    """The file's name in the models folder: parts keep their numbers."""
    split = split_name(PurePosixPath(file.path).name)
    return f"{name}-{split[1]:05}-of-{split[2]:05}.gguf" if split else PurePosixPath(file.path).name


def _target(variant: Variant, file: HubFile, name: str) -> Path:
    folder = paths.models_folder()
    if variant.kind == "hf":
        return folder / name / PurePosixPath(file.path).name
    return folder / (_own_name(file, name) if split_name(PurePosixPath(file.path).name) else f"{name}.gguf")


def _same(variant: Variant, targets: list[Path]) -> bool:
    return all(
        target.is_file() and not differs(target, file) for target, file in zip(targets, variant.files, strict=True)
    )


def _check_disk(count: int) -> None:
    folder = paths.ensure_folder(paths.models_folder())
    free = shutil.disk_usage(folder).free
    if count + _SPARE_DISK > free:
        raise StorageError(
            f"{in_words(count)} are left to get, and {in_words(free)} are free in {folder}",
            "free some space, or set FIRESIDE_HOME to a folder on another disk",
        )


def _check(variant: Variant, staged: list[Path]) -> None:
    """The digests were right, so the files are what their makers put there; that can be unusable all the same."""
    if variant.kind == "gguf":
        read_header(staged[0], long_arrays=False)
        return
    index = next((path for path in staged if path.name == "model.safetensors.index.json"), None)
    if index is None:
        return
    try:
        shards = set(json.loads(index.read_bytes())["weight_map"].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ModelError(f"{index.name} cannot be read", "choose another repository") from None
    missing = shards - {path.name for path in staged}
    if missing:
        raise ModelError(f"the repository lacks the file {sorted(missing)[0]!r}", "choose another repository")

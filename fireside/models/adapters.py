"""LoRA adapters: found, checked against the model in use, listed with their cards, brought in from elsewhere, removed.

Each is a folder `adapters/NAME/` with `adapter.gguf`, which llama.cpp applies, and `card.json`, which says what it was
made for and whether the export was proved. Nothing here imports torch or llama.cpp.
"""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fireside import atomic, paths
from fireside.errors import AdapterError, ModelError, StorageError, did_you_mean
from fireside.models.gguf_header import Header, Tensor, read_header
from fireside.models.types import AdapterUse

ADAPTER_FILE, CARD_FILE = "adapter.gguf", "card.json"
BASE_SHA256_KEY, BASE_NAME_KEY = "fireside.base.sha256", "fireside.base.name"
_LARGEST_SCALE = 10.0
SEPARATOR = "+"
"""Stands between adapters that are applied together; no name holds it."""


@dataclass(frozen=True)
class Card:
    """What is known of an adapter.

    verified: True where the export was proved against transformers, False where it was refused, None where nobody could
    prove it (imported). base_sha256: of the model file it was made for, "" where unknown. details: the whole card.
    """

    name: str
    base_name: str
    base_sha256: str
    architecture: str
    verified: bool | None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def offered(self) -> bool:
        """Whether the chat offers it: everything but a refused export."""
        return self.verified is not False

    @property
    def note(self) -> str | None:
        """What the person should know when using it."""
        return "it was imported, and its export was not checked here" if self.verified is None else None


def list_adapters() -> list[Card]:
    """The cards of all adapters, by name; `list_damaged` has the folders without a readable card."""
    cards = []
    for name in _names():
        try:
            cards.append(_read_card(paths.adapters_folder() / name))
        except AdapterError:
            continue
    return cards


def list_damaged() -> list[tuple[str, AdapterError]]:
    """The folders of adapters that have no readable card, by name, each with what is wrong and what to do."""
    damaged = []
    for name in _names():
        try:
            _read_card(paths.adapters_folder() / name)
        except AdapterError as error:
            damaged.append((name, error))
    return damaged


def check_file(name: str) -> None:
    """Raises AdapterError where the adapter's own file is missing or damaged, whatever its card says."""
    _adapter_header(paths.adapters_folder() / name / ADAPTER_FILE)


def find_adapter(name: str) -> Card:
    """The card of the adapter `name`. Raises AdapterError: unknown (with the nearest name), or its card is damaged."""
    return _read_card(_folder(name))


def split_scale(text: str) -> tuple[str, float]:
    """`NAME[:SCALE]` as name and scale, 1 where none is given. Raises AdapterError for a scale that is no number."""
    name, colon, number = text.partition(":")
    if not colon:
        return name, 1.0
    try:
        scale = float(number)
    except ValueError:
        scale = math.nan
    if not -_LARGEST_SCALE <= scale <= _LARGEST_SCALE:
        raise AdapterError(
            f"{number!r} is not a usable scale of an adapter",
            f"write a number such as {name}:0.8, at most {_LARGEST_SCALE:g}",
        )
    return name, scale


def resolve(text: str, base_sha256: str, base_architecture: str) -> AdapterUse:
    """The adapter `NAME[:SCALE]`, checked for the model in use, whose sha256 is "" where it is not one file.

    Raises AdapterError: unknown, refused by its own check, made for another model, or its file is damaged.
    """
    name, scale = split_scale(text)
    card = find_adapter(name)
    if not card.offered:
        raise AdapterError(
            f"the adapter {name!r} failed its check after export, so it is not used",
            f"see why: fireside adapters show {name}",
        )
    path = paths.adapters_folder() / name / ADAPTER_FILE
    header = _adapter_header(path)
    # The file's own mark counts too: a card can be copied beside another file.
    for sha256 in (card.base_sha256, header.text(BASE_SHA256_KEY)):
        if sha256 and base_sha256 and sha256 != base_sha256:
            raise _other_model(name, card.base_name or header.text(BASE_NAME_KEY))
    if header.text("general.architecture") != base_architecture:
        raise _other_model(name, f"a model of the architecture {header.text('general.architecture')}")
    return AdapterUse(name, path, scale)


def resolve_all(text: str, base_sha256: str, base_architecture: str) -> tuple[AdapterUse, ...]:
    """The adapters of `NAME[:SCALE]+NAME[:SCALE]...`, which are added to the model together, each as in `resolve`.

    Raises AdapterError, also where one is named twice.
    """
    uses = tuple(resolve(each.strip(), base_sha256, base_architecture) for each in text.split(SEPARATOR))
    names = [use.name for use in uses]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise AdapterError(f"the adapter {twice!r} is named twice", "name each one once, with its scale")
    return uses


def import_adapter(source: Path, name: str) -> Card:
    """Copy the GGUF LoRA adapter `source` in as `name`, after checking it. Its export cannot be proved here.

    Raises AdapterError (not an adapter, damaged, the name is taken), ModelError (not a GGUF file), StorageError.
    """
    paths.checked_name(name, "adapter")
    if not source.is_file():
        raise AdapterError(f"there is no adapter file {source}", "check the path")
    header = _adapter_header(source)
    target = paths.adapters_folder() / name
    if target.exists():
        raise AdapterError(f"there is already an adapter {name!r}", "choose another name with --name")
    card = {
        "name": name,
        "base": {
            "name": header.text(BASE_NAME_KEY) or header.text("general.base_model.0.name"),
            "sha256": header.text(BASE_SHA256_KEY),
            "architecture": header.text("general.architecture"),
        },
        "verified": None,
        "origin": "imported",
        "source": source.name,
    }
    paths.ensure_folder(paths.adapters_folder())
    incoming = paths.adapters_folder() / f".{name}.part"
    try:
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir(mode=0o700)
        with atomic.replacing(incoming / ADAPTER_FILE) as temporary:
            shutil.copyfile(source, temporary)
        atomic.write_text(incoming / CARD_FILE, json.dumps(card, ensure_ascii=False, indent=1))
        incoming.rename(target)
    except OSError as error:
        raise StorageError(f"cannot keep the adapter {name}: {error.strerror}", "free some space") from error
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return _read_card(target)


def remove_adapter(name: str) -> None:
    """Delete the adapter `name` with everything in its folder. Raises AdapterError, StorageError."""
    folder = _folder(name)
    # Renamed first, so that a half-deleted adapter is never offered.
    going = paths.adapters_folder() / f".{name}.removed"
    try:
        shutil.rmtree(going, ignore_errors=True)
        folder.rename(going)
        shutil.rmtree(going)
    except OSError as error:
        raise StorageError(f"cannot remove {folder}: {error.strerror}", "check its permissions") from error


def _names() -> list[str]:
    """The names of all adapters. Folders that begin with a dot are on their way in or out."""
    folder = paths.adapters_folder()
    if not folder.is_dir():
        return []
    return sorted(item.name for item in folder.iterdir() if item.is_dir() and not item.name.startswith("."))


def _folder(name: str) -> Path:
    """The folder of the adapter `name`. Raises AdapterError, with the nearest name, where there is none."""
    known = _names()
    if name not in known:
        raise AdapterError(
            f"there is no adapter {name!r}", did_you_mean(name, known, "list them: fireside adapters list")
        )
    return paths.adapters_folder() / name


def _read_card(folder: Path) -> Card:
    """The card in an adapter's folder. Raises AdapterError."""
    path = folder / CARD_FILE
    try:
        details = json.loads(path.read_text("utf-8"))
        base, verified = details["base"], details["verified"]
        if verified not in (True, False, None):
            raise ValueError("verified")
        return Card(
            folder.name, str(base["name"]), str(base["sha256"]), str(base["architecture"]), verified, dict(details)
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise AdapterError(
            f"the card of the adapter {folder.name!r} cannot be read",
            f"remove it: fireside adapters remove {folder.name}",
        ) from error


def _adapter_header(path: Path) -> Header:
    """The header of a GGUF LoRA adapter, checked: pairs of matrices that fit together, inside the file.

    Raises AdapterError.
    """
    try:
        header = read_header(path)
    except ModelError as error:
        raise AdapterError(error.message, "train or import the adapter again") from error
    if header.text("general.type") != "adapter" or header.text("adapter.type") != "lora":
        raise AdapterError(
            f"{path.name} is not a LoRA adapter", "a model is used with --model; adapters come from training"
        )
    alpha = header.metadata.get("adapter.lora.alpha")
    if not isinstance(alpha, float) or not math.isfinite(alpha) or not header.text("general.architecture"):
        raise AdapterError(f"{path.name} lacks its alpha or its architecture", "export the adapter again")
    tensors = {tensor.name: tensor for tensor in header.tensors}
    pairs = {name.removesuffix(".lora_a").removesuffix(".lora_b") for name in tensors}
    for pair in pairs:
        _check_pair(path, pair, tensors.get(f"{pair}.lora_a"), tensors.get(f"{pair}.lora_b"))
    if not pairs:
        raise AdapterError(f"{path.name} holds no weights", "export the adapter again")
    return header


def _check_pair(path: Path, pair: str, a: Tensor | None, b: Tensor | None) -> None:
    """A is (in, rank) and B (rank, out), in GGUF's order of axes; both must be there and of one rank."""
    if a is None or b is None or len(a.shape) != 2 or len(b.shape) != 2 or a.shape[1] != b.shape[0]:
        raise AdapterError(f"{path.name} is damaged: the matrices for {pair} do not fit together", "export it again")


def _other_model(name: str, base_name: str) -> AdapterError:
    return AdapterError(
        f"the adapter {name!r} was made for another model ({base_name or 'unknown'})",
        "open the chat with that model, or choose another adapter",
    )

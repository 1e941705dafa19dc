"""Which chat models there are: the bundled one, those in the models folder, Ollama's, and any path.

In the models folder, a GGUF file is a model, and so is a folder with `config.json` and safetensors (Hugging Face's
layout). A model in several GGUF files is named by what their names have in common.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fireside import paths
from fireside.errors import ModelError, StorageError, did_you_mean
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.gguf_header import parts, split_name
from fireside.models.model_cards import card_path, read_card, refused
from fireside.models.ollama_store import PREFIX, full_name, ollama_models

BUNDLED_NAME = "smollm2-135m"
FOLDER_SOURCE = "models folder"

Kind = Literal["gguf", "hf"]


@dataclass(frozen=True)
class ModelFile:
    """A chat model that can be loaded.

    path: a GGUF file (the first, of several) or a folder. source: where it comes from, in words. size: bytes of all its
    files. kind: which engine loads it.
    """

    name: str
    path: Path
    source: str
    size: int
    kind: Kind = "gguf"


def models() -> list[ModelFile]:
    """The bundled model first, then those in the models folder by name, then Ollama's."""
    bundled = located(CHAT_MODEL)
    found = [ModelFile(BUNDLED_NAME, bundled, "bundled", bundled.stat().st_size)]
    own = [_model(path, FOLDER_SOURCE) for path in _entries(paths.models_folder())]
    # What was exported here and failed its check is kept, and never offered.
    offered = (model for model in own if model is not None and not refused(model.path))
    found += sorted(offered, key=lambda model: model.name)
    for each in ollama_models():
        found.append(ModelFile(each.name, each.path, "Ollama", each.path.stat().st_size))
    return found


def find(name: str) -> ModelFile:
    """The model called `name`, or the one at the path `name`. Raises ModelError with the nearest match."""
    # A file in the models folder with the bundled model's name does not take its place.
    known = {model.name: model for model in reversed(models())}
    wanted = full_name(name) if name.startswith(PREFIX) else name
    if wanted in known:
        return known[wanted]
    try:
        path = paths.expanded(name).absolute()
        model = _model(path, "file" if path.is_file() else "folder", any_name=True) if name else None
    except (OSError, StorageError, ValueError) as error:
        if isinstance(error, ValueError):  # a zero byte
            raise _unknown(name, known) from error
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"cannot look at the model file {name}: {reason}", "check the path") from error
    model = _refused(name) or model
    if model is not None and refused(model.path):
        raise ModelError(
            f"{model.name} failed its check after export, so it is not used",
            f"see why: {card_path(model.path)}",
        )
    if model is not None:
        return model
    if name and path.is_dir():
        raise ModelError(
            f"the folder {name} holds no model", "a model folder has config.json, a tokenizer and .safetensors files"
        )
    if not name.startswith((PREFIX, "hf:")) and (path.suffix == ".gguf" or len(Path(name).parts) > 1):
        raise ModelError(f"there is no model file {name}", "check the path; `fireside models list` shows what there is")
    raise _unknown(name, known)


def remove(name: str) -> ModelFile:
    """Delete the model called `name` from the models folder, and return what was deleted.

    Raises ModelError: there is none, or it lies somewhere else and is not ours to delete; StorageError: cannot delete.
    """
    model = _refused(name) or find(name)
    if model.source != FOLDER_SOURCE:
        whose = {"bundled": "it is installed with Fireside", "Ollama": "it belongs to Ollama (ollama rm removes it)"}
        reason = whose.get(model.source, "it lies outside of the models folder")
        raise ModelError(f"{model.name} cannot be removed here: {reason}", f"the folder is {paths.models_folder()}")
    try:
        for path in parts(model.path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
                card_path(path).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot delete {model.path}: {error.strerror}", "check its permissions") from error
    return model


def _refused(name: str) -> ModelFile | None:
    """The model in the models folder that is called `name`, where it is kept though its export was refused."""
    own = (_model(path, FOLDER_SOURCE) for path in _entries(paths.models_folder()) if refused(path))
    return next((model for model in own if model is not None and model.name == name), None)


def exported_model(name: str) -> Path | None:
    """Where the model `name` lies that was exported here, refused or not; None where there is none."""
    own = (_model(path, FOLDER_SOURCE) for path in _entries(paths.models_folder()))
    found = next((model for model in own if model is not None and model.name == name), None)
    return found.path if found is not None and read_card(found.path) is not None else None


def _entries(folder: Path) -> list[Path]:
    """What may be a model: nothing hidden."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []


def _model(path: Path, source: str, *, any_name: bool = False) -> ModelFile | None:
    """The model at `path`, None where that is none. any_name: a file need not end in .gguf."""
    if path.is_dir():
        weights = sorted(path.glob("*.safetensors"))
        if not weights or not (path / "config.json").is_file():
            return None
        return ModelFile(path.name, path, source, sum(each.stat().st_size for each in weights), "hf")
    if not path.is_file() or (path.suffix != ".gguf" and not any_name):
        return None
    split = split_name(path.name)
    if split is not None and split[1] > 1 and not any_name:
        return None
    size = sum(each.stat().st_size for each in parts(path) if each.is_file())
    return ModelFile(split[0] if split else path.stem, path, source, size)


def _unknown(name: str, known: dict[str, ModelFile]) -> ModelError:
    if name.startswith("hf:"):
        return ModelError(f"{name} is not on this machine", f"get it first: fireside models pull {name}")
    otherwise = f"known models: {', '.join(known)}; or give the path of a GGUF file"
    return ModelError(f"there is no model called {name!r}", did_you_mean(name, known, otherwise))

"""Which chat models there are: the bundled one, files the person has put into the models folder, and any path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fireside import paths
from fireside.errors import ModelError, StorageError, did_you_mean
from fireside.models.bundled import CHAT_MODEL, located

BUNDLED_NAME = "smollm2-135m"


@dataclass(frozen=True)
class ModelFile:
    """A chat model that can be loaded. `source` tells where it comes from."""

    name: str
    path: Path
    source: str
    size: int


def models() -> list[ModelFile]:
    """The bundled model first, then the GGUF files in the models folder by name."""
    bundled = located(CHAT_MODEL)
    found = [ModelFile(BUNDLED_NAME, bundled, "bundled", bundled.stat().st_size)]
    folder = paths.models_folder()
    if folder.is_dir():
        found += [
            ModelFile(path.stem, path, "models folder", path.stat().st_size)
            for path in sorted(folder.glob("*.gguf"))
            if path.is_file()
        ]
    return found


def find(name: str) -> ModelFile:
    """The model called `name`, or the GGUF file at the path `name`. Raises ModelError with the nearest match."""
    # A file in the models folder with the bundled model's name does not take its place.
    known = {model.name: model for model in reversed(models())}
    if name in known:
        return known[name]
    try:
        path = paths.expanded(name)
        if path.is_file():
            return ModelFile(path.stem, path.absolute(), "file", path.stat().st_size)
    except (OSError, StorageError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"cannot look at the model file {name}: {reason}", "check the path") from error
    if path.suffix == ".gguf" or len(path.parts) > 1:
        raise ModelError(f"there is no model file {name}", "check the path; `fireside models list` shows what there is")
    otherwise = f"known models: {', '.join(known)}; or give the path of a GGUF file"
    raise ModelError(f"there is no model called {name!r}", did_you_mean(name, known, otherwise))

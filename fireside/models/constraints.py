"""What a reply is held to: JSON of a schema, a GBNF grammar, one of some texts; from the start or from a trigger on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class JsonSchema:
    """JSON that `schema` accepts, ending within the request's `max_tokens`. See `schema.py` for the keywords."""

    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Gbnf:
    """Text that a grammar in llama.cpp's GBNF notation matches; its rule `root` is the whole."""

    grammar: str


@dataclass(frozen=True)
class Choice:
    """Exactly one of `texts`."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Tagged:
    """One to `most` JSON values that `schema` accepts, each with the tags `opening` and `closing` on lines around it.

    The opening tag of the first stands before the text.
    """

    schema: Mapping[str, Any]
    opening: str
    closing: str
    most: int


Held: TypeAlias = JsonSchema | Gbnf | Choice | Tagged


@dataclass(frozen=True)
class Lazy:
    """Free text until one of `triggers` has been written; from there on, `then` holds, and the reply ends with it."""

    triggers: tuple[str, ...]
    then: Held


Constraint: TypeAlias = Held | Lazy

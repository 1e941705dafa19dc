"""References within a schema, and the alternatives that are left once they and the combining keywords are resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from fireside.errors import ToolError

Parts: TypeAlias = tuple[Mapping[str, Any], ...]
"""Schemas that all hold at once, none of which has $ref, allOf, anyOf or oneOf."""

_COMBINING = ("$ref", "allOf", "anyOf", "oneOf")
_MOST_ALTERNATIVES = 500


def target(root: Any, reference: str) -> Any:
    """The schema that `reference` names: "#" or "#/..." (RFC 6901). Raises ToolError."""
    if reference != "#" and not reference.startswith("#/"):
        raise ToolError(
            f"the schema's $ref {reference!r} leads out of the schema, which is not supported",
            "put the schema under $defs and refer to #/$defs/NAME",
        )
    found = root
    for step in reference.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            raise ToolError(f"the schema's $ref {reference!r} leads nowhere", "define it under $defs")
    if not isinstance(found, Mapping | bool):
        raise ToolError(f"the schema's $ref {reference!r} leads to no schema", "define it under $defs")
    return found


def alternatives(schemas: Sequence[Any], root: Any) -> list[Parts]:
    """What all of `schemas` together come down to: a value is accepted by one of the alternatives, or not at all.

    oneOf is taken for anyOf here. Raises ToolError: a schema that is only a reference to itself, or too many of them.
    """
    done: list[Parts] = []
    nothing: frozenset[str] = frozenset()
    # What is still to be resolved, each with the references that led to it; what is resolved; all references so far.
    todo: list[tuple[list[tuple[Any, frozenset[str]]], list[Mapping[str, Any]], frozenset[str]]]
    todo = [([(schema, nothing) for schema in schemas], [], nothing)]
    circular = ""
    while todo:
        waiting, parts, used = todo.pop()
        while waiting:
            schema, through = waiting.pop(0)
            if schema is False:
                break
            if schema is True:
                continue
            plain = {keyword: value for keyword, value in schema.items() if keyword not in _COMBINING}
            if plain.keys() - {"$defs", "definitions"}:
                parts.append(plain)
            reference = schema.get("$ref")
            if reference in through:
                circular = reference
                break  # a way that comes back to where it began without a value leads nowhere
            if reference is not None and reference not in used:
                used |= {reference}
                waiting.append((target(root, reference), through | {reference}))
            waiting += [(each, through) for each in schema.get("allOf", ())]
            groups = [schema[keyword] for keyword in ("anyOf", "oneOf") if keyword in schema]
            if groups:
                waiting += [({"anyOf": group}, through) for group in groups[1:]]
                todo += [([(option, through), *waiting], list(parts), used) for option in reversed(groups[0])]
                break
        else:
            done.append(tuple(parts))
        if len(done) + len(todo) > _MOST_ALTERNATIVES:
            raise ToolError(
                f"the schema's alternatives multiply to more than {_MOST_ALTERNATIVES}", "use a simpler schema"
            )
    if not done and circular:
        raise ToolError(f"the schema's $ref {circular!r} only leads back to itself", "describe a value there")
    return done

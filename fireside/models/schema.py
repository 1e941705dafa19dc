"""JSON schemas that a reply can be held to: which keywords are supported, and how the JSON is written.

| keyword | what holds |
|---|---|
| type | object, array, string, number, integer, boolean, null, or a list of them; dict, float, tuple and any, as the \
function-calling leaderboard has them, mean object, number, array and whatever |
| enum, const | any JSON values, as far as they fit the other keywords |
| anyOf, oneOf, allOf | combined with each other and with keywords beside them; oneOf where its options are seen to \
exclude each other: by type, bounds, lengths, patterns, or a property that one of them requires |
| $ref, $defs, definitions | "#" and "#/...", recursion included; nothing outside of the schema |
| properties, required | written in the schema's order; those not required may be left out |
| additionalProperties | false, true or a schema; names beside those of properties are written only where it has none |
| propertyNames, minProperties, maxProperties | minProperties above 1 only with properties |
| items, prefixItems, minItems, maxItems | |
| uniqueItems | where items are one of up to 64 values |
| minLength, maxLength | in characters (code points) |
| pattern | found anywhere unless anchored by ^ and $, which stand at the ends of the alternatives; no lookaround, \
backreferences, \\b or \\p; up to 1000 repetitions and 1000 states |
| format | date, time, date-time, duration, email, hostname, ipv4, ipv6, uri, uuid; any other is a note |
| minimum, maximum, exclusiveMinimum, exclusiveMaximum | with bounds, 6 decimals, or as many as the bounds ask for |
| multipleOf | whole numbers, fractions that are exact in binary (0.5), and others where few multiples are in bounds |
| title, description, default, examples, $schema, nullable, deprecated, x-... | notes that change nothing |

Every other keyword is refused by name with ToolError, and so is a schema that no value can match.

The JSON is written in one fixed way: `{"a": 1, "b": [2, 3]}`, a space after each comma and colon and none elsewhere,
properties in order, characters as they are but for the escapes \\" \\\\ \\b \\f \\n \\r \\t.

Strings, arrays and nesting without bounds in the schema are bounded by the reply's token budget: see `constrained.py`.
Numbers have up to 15 digits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fireside.models.grammars import keywords
from fireside.models.grammars.closing import Closing
from fireside.models.grammars.json_schema import grammar_of_schema
from fireside.models.grammars.machine import Machine


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raises ToolError where a reply cannot be held to `schema`: a keyword that is not supported, a contradiction."""
    grammar_of_schema(schema)


def shortest(schema: Mapping[str, Any]) -> Any:
    """The value of `schema` that takes the fewest characters to write. Raises ToolError as `check_schema` does."""
    root = grammar_of_schema(schema)
    closing = Closing(root, lambda text: [float(len(text) - place) for place in range(len(text) + 1)])
    return json.loads("".join(closing.pieces(Machine(root).start)))


def standard(schema: Mapping[str, Any]) -> Any:
    """`schema` with the leaderboard's types (dict, float, tuple, any) in JSON Schema's names, for other programs.

    Notes are left out, but for format. Raises ToolError naming a keyword that is not supported.
    """
    return keywords.read(schema)

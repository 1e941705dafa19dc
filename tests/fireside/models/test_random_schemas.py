"""Random schemas, random replies under them: each parses, is what its schema accepts, and ends within its budget.

`check_schemas(seed, count)` is also run by `python benchmarks/faults.py` at its full count. The tokens are chosen at
random from those that the constraint leaves, with the bundled model's vocabulary: harsher than any model.
"""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any

import jsonschema
import numpy as np
import pytest

from fireside.errors import FiresideError, ModelError
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.constrained import ConstraintState, Vocabulary
from fireside.models.constraints import JsonSchema
from fireside.models.gguf import log
from fireside.models.grammars import keywords
from fireside.models.grammars.formats import FORMATS
from fireside.models.schema import standard

REPLIES = 3  # to each schema


def check_schemas(seed: int, count: int) -> list[str]:
    """What went wrong in `REPLIES` replies to each of `count` random schemas."""
    vocabulary = bundled_vocabulary()
    found = []
    for number in range(count):
        chance = random.Random(f"{seed}/{number}")
        schema = SchemaMaker(chance).schema()
        for _ in range(REPLIES):
            problem = problem_of(vocabulary, schema, chance)
            if problem:
                found.append(f"seed {seed}, schema {number}: {problem}; {json.dumps(schema)}")
                break
    return found


@cache
def bundled_vocabulary() -> Vocabulary:
    """The bundled model's vocabulary, without its weights."""
    import llama_cpp

    log.collect(llama_cpp)
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(str(located(CHAT_MODEL)).encode(), parameters)
    return Vocabulary.from_llama(llama_cpp.llama_model_get_vocab(model))


def problem_of(vocabulary: Vocabulary, schema: Any, chance: random.Random) -> str:
    """Writes one random reply; what is wrong with it, or nothing."""
    budget = chance.choice([40, 80, 160, 320])
    try:
        try:
            state = ConstraintState(vocabulary, JsonSchema(schema), budget)
        except ModelError as error:
            if "shortest reply" not in error.message:
                raise
            budget = int(error.message.split(" has ")[1].split()[0])  # exactly what is needed
            state = ConstraintState(vocabulary, JsonSchema(schema), budget)
        tokens = random_reply(vocabulary, state, budget, chance)
    except FiresideError as error:
        return f"{type(error).__name__}: {error.message}"
    if tokens is None:
        return f"no end within {budget} tokens"
    text = b"".join(vocabulary.pieces[token] for token in tokens)
    try:
        value = json.loads(text.decode())
        jsonschema.Draft202012Validator(standard(schema), format_checker=_FORMATS).validate(value)
    except (ValueError, jsonschema.ValidationError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]} in {text!r}"
    return ""


_FORMATS = jsonschema.Draft202012Validator.FORMAT_CHECKER


def random_reply(
    vocabulary: Vocabulary, state: ConstraintState, budget: int, chance: random.Random
) -> list[int] | None:
    """Tokens chosen at random until the reply has ended; None where it has not within `budget`."""
    generator = np.random.default_rng(chance.getrandbits(32))
    # Evenly, or the same favourites all the way (which never wants to end), or what is long, or what opens.
    mood = chance.choice(["even", "favourites", "long", "openers"])
    favourites = generator.normal(size=vocabulary.size).astype(np.float32)
    if mood == "long":
        favourites += vocabulary.weights([1] * 256)
    elif mood == "openers":
        favourites += 3 * vocabulary.weights([chr(byte) in '[{,"' for byte in range(256)])
    tokens: list[int] = []
    while not state.ended:
        if len(tokens) >= budget:
            return None
        logits = np.zeros(vocabulary.size, np.float32) if mood == "even" else favourites.copy()
        state.restrict(logits, budget - len(tokens))
        if mood == "even" or chance.random() < 0.1:
            token = int(generator.choice(np.flatnonzero(logits > -np.inf)))
        else:
            token = int(logits.argmax())
        if token in vocabulary.ends:
            assert state.may_end
            break
        state.accept(token)
        tokens.append(token)
        if chance.random() < 0.05:
            back = chance.randint(1, min(len(tokens), 5))
            state.rollback(back)
            del tokens[-back:]
    return tokens


class SchemaMaker:
    """Makes random schemas of the supported keywords that some value can match."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._definitions: dict[str, Any] = {}
        self._old: dict[str, Any] = {}

    def schema(self) -> dict[str, Any]:
        """A whole schema."""
        schema = self.any_value(0)
        while schema is True:
            schema = self.any_value(0)
        places = {"$defs": self._definitions, "definitions": self._old}
        schema = {**schema, **{place: known for place, known in places.items() if known}}
        if self._chance.random() < 0.3:
            schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
        return schema

    def any_value(self, depth: int) -> Any:
        """A schema of whatever kind; deep ones are scalars."""
        makers = [self.string, self.integer, self.number, self.listed, self.simple, self.several_types, self.formatted]
        if depth < 4:
            makers += [self.object, self.object, self.array, self.array, self.any_of, self.one_of, self.all_of]
            makers += [self.reference, self.map, self.distinct, self.counted, self.tuple, self.recursive]
            makers += [self.leaderboard]
        schema = self._chance.choice(makers)(depth)
        if isinstance(schema, dict) and self._chance.random() < 0.15:
            schema |= self._chance.choice([{"title": "T"}, {"description": "that"}, {"default": 1}, {"x-order": 3}])
        return schema

    def _name(self) -> str:
        return self._chance.choice(_NAMES) + self._chance.choice(["", "", "1", "_2"])

    def _some(self, few: int, many: int) -> int:
        return self._chance.randint(few, many)

    def string(self, _: int) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string"}
        kind = self._chance.random()
        if kind < 0.4:
            least = self._some(0, 12)
            most = least + self._some(0, 30)
            schema |= self._chance.choice(
                [{"minLength": least}, {"maxLength": most}, {"minLength": least, "maxLength": most}]
            )
        elif kind < 0.7:
            pattern = self._chance.choice(_PATTERNS)
            schema["pattern"] = pattern
            if pattern in _LONG_PATTERNS and self._chance.random() < 0.5:
                schema |= {"minLength": self._some(0, 6), "maxLength": self._some(12, 40)}
        return schema

    def formatted(self, _: int) -> dict[str, Any]:
        form = self._chance.choice([*FORMATS, "int64", "password"])
        schema: dict[str, Any] = {"type": "string", "format": form}
        if form in ("email", "uri", "hostname") and self._chance.random() < 0.5:
            schema["maxLength"] = self._some(15, 40)
        return schema

    def _bounds(self, low: float, high: float) -> dict[str, Any]:
        lower = self._chance.choice([{}, {"minimum": low}, {"exclusiveMinimum": low}])
        upper = self._chance.choice([{}, {"maximum": high}, {"exclusiveMaximum": high}])
        return {**lower, **upper}

    def integer(self, _: int) -> dict[str, Any]:
        low = self._some(-1000, 1000) * self._chance.choice([1, 1, 10**6])
        schema: dict[str, Any] = {"type": "integer"}
        if self._chance.random() < 0.3:
            step = self._chance.choice([1, 2, 3, 5, 7, 10, 12, 60, 365, 2.5, 1000])
            return {**schema, "multipleOf": step, **self._bounds(low, low + int(step * 2) + self._some(2000, 3000))}
        return {**schema, **self._bounds(low, low + self._some(2, 500))}

    def number(self, _: int) -> dict[str, Any]:
        low = round(self._chance.uniform(-100, 100), self._some(0, 4)) * self._chance.choice([1, 1, 1e-3, 1e6])
        if self._chance.random() < 0.3:
            step = self._chance.choice([0.5, 0.25, 0.125, 2, 1.5])
            return {"type": "number", "multipleOf": step, **self._bounds(low, low + 20 * step)}
        if self._chance.random() < 0.2:
            return {"type": "number", "multipleOf": self._chance.choice([0.01, 0.1, 0.3]), "minimum": 0, "maximum": 3}
        return {"type": "number", **self._bounds(low, low + self._chance.choice([0.001, 0.5, 3, 1e9]))}

    def _value(self, depth: int = 0) -> Any:
        values: list[Any] = [
            None,
            True,
            False,
            0,
            -7,
            3.25,
            10**12,
            "",
            "text",
            'a "quoted" \\ text',
            "ü→🔥",
            "\n\t\x01",
        ]
        if depth < 2:
            values += [[], {}, [self._value(depth + 1)], {self._name(): self._value(depth + 1)}]
        return self._chance.choice(values)

    def listed(self, _: int) -> dict[str, Any]:
        if self._chance.random() < 0.3:
            return {"const": self._value()}
        values = [self._value() for _ in range(self._some(1, 8))]
        if self._chance.random() < 0.4:
            return {"type": "string", "enum": [*(value for value in values if isinstance(value, str)), "one more", 5]}
        return {"enum": values}

    def simple(self, _: int) -> Any:
        return self._chance.choice([{"type": "boolean"}, {"type": "null"}, {}, True, {"type": "any"}])

    def several_types(self, _: int) -> dict[str, Any]:
        types = self._chance.sample(["string", "integer", "boolean", "null", "number", "array"], self._some(1, 3))
        return {"type": types, "maxLength": 9, "minimum": 3, "maxItems": 2}

    def object(self, depth: int) -> dict[str, Any]:
        names = list(dict.fromkeys(self._name() for _ in range(self._some(0, 5))))
        schema: dict[str, Any] = {"type": "object", "properties": {name: self.any_value(depth + 1) for name in names}}
        schema["required"] = [name for name in names if self._chance.random() < 0.6]
        extra = self._chance.choice([None, False, True, {"type": "integer"}])
        if extra is not None:
            schema["additionalProperties"] = extra
        if extra is not False and self._chance.random() < 0.2:
            schema["required"].append("not described")
        return schema

    def counted(self, depth: int) -> dict[str, Any]:
        schema = self.object(depth + 1)
        names = {*schema["properties"], *schema["required"]}
        if names:
            least = self._some(0, len(names))
            schema["minProperties"] = least
            schema["maxProperties"] = max(least, len(schema["required"])) + self._some(0, 2)
        return schema

    def map(self, depth: int) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "object", "additionalProperties": self.any_value(depth + 1)}
        if self._chance.random() < 0.4:
            names = [{"maxLength": 5}, {"pattern": "^[a-z]+$"}, {"enum": ["k", "kk"]}]
            schema["propertyNames"] = self._chance.choice(names)
        if self._chance.random() < 0.4:
            schema["minProperties"] = 1
        if self._chance.random() < 0.4:
            schema["maxProperties"] = self._some(1, 3)
        return schema

    def array(self, depth: int) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "array", "items": self.any_value(depth + 1)}
        least = self._some(0, 3)
        if self._chance.random() < 0.5:
            schema["minItems"] = least
        if self._chance.random() < 0.5:
            schema["maxItems"] = least + self._some(0, 4)
        return schema

    def tuple(self, depth: int) -> dict[str, Any]:
        first = [self.any_value(depth + 1) for _ in range(self._some(1, 3))]
        schema: dict[str, Any] = {"type": "array", "prefixItems": first}
        rest = self._chance.choice([None, False, {"type": "integer"}])
        if rest is not None:
            schema["items"] = rest
        if self._chance.random() < 0.7:
            schema["minItems"] = self._some(0, len(first) + (rest is not False))
        return schema

    def distinct(self, _: int) -> dict[str, Any]:
        values = ["a", "b", "c", "d", 1, 2, None, True]
        items = self._chance.choice([{"enum": self._chance.sample(values, self._some(1, 8))}, {"type": "boolean"}])
        size = len(items["enum"]) if "enum" in items else 2
        return {"type": "array", "items": items, "uniqueItems": True, "minItems": self._some(0, size)}

    def any_of(self, depth: int) -> dict[str, Any]:
        schema = {"anyOf": [self.any_value(depth + 1) for _ in range(self._some(1, 3))]}
        if self._chance.random() < 0.3:
            schema = {"anyOf": [{"minimum": 5}, {"type": "string"}], "type": ["integer", "string"], "maximum": 50}
        return schema

    def one_of(self, depth: int) -> dict[str, Any]:
        kinds = self._some(2, 3)
        match self._some(0, 3):
            case 0:
                makers = self._chance.sample([self.string, self.integer, self.array, self.object], kinds)
                return {"oneOf": [make(depth + 1) for make in makers]}
            case 1:
                options = []
                for number in range(kinds):
                    option = self.object(depth + 1)
                    option["properties"] = {"kind": {"const": f"k{number}"}, **option["properties"]}
                    option["required"] = ["kind", *option["required"]]
                    options.append(option)
                return {"oneOf": options}
            case 2:
                return {"type": "integer", "oneOf": [{"maximum": 3}, {"minimum": 4, "maximum": 10}, {"minimum": 11}]}
            case _:
                options = [{"properties": {name: self.any_value(depth + 1)}, "required": [name]} for name in "pq"]
                return {"type": "object", "oneOf": options}

    def all_of(self, depth: int) -> dict[str, Any]:
        match self._some(0, 2):
            case 0:
                low = self._some(0, 20)
                return {"allOf": [{"type": "number", "minimum": low}, {"type": "integer", "maximum": low + 9}]}
            case 1:
                one, other = self.object(depth + 1), self.object(depth + 1)
                one["properties"] = {f"one {name}": each for name, each in one["properties"].items()}
                other["properties"] = {f"other {name}": each for name, each in other["properties"].items()}
                for each in (one, other):
                    each["required"] = [name for name in each["properties"] if self._chance.random() < 0.5]
                    each.pop("additionalProperties", None)
                return {"allOf": [one, other], "properties": {"other name": {"description": "first"}}}
            case _:
                return {"type": "string", "allOf": [{"minLength": 3}, {"pattern": "^[a-m]+"}, {"pattern": "[k-z]$"}]}

    def reference(self, depth: int) -> dict[str, Any]:
        name = self._chance.choice(["one", "two", "a/b~c"])
        place, known = self._chance.choice([("$defs", self._definitions), ("definitions", self._old)])
        if name not in known:
            known[name] = None  # while it is being made
            known[name] = self.any_value(depth + 2)
        if known[name] is None:
            return {"type": "integer", "maximum": 7}
        return {"$ref": f"#/{place}/{name.replace('~', '~0').replace('/', '~1')}"}

    def recursive(self, depth: int) -> dict[str, Any]:
        match self._some(0, 2):
            case 0:
                node = {"type": "object", "properties": {"value": self.any_value(depth + 2)}, "required": ["value"]}
                name = f"node{len(self._definitions)}"
                node["properties"]["next"] = {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]}
                node["required"] = self._chance.choice([["value"], ["value", "next"]])
                self._definitions[name] = node
                return {"$ref": f"#/$defs/{name}"}
            case 1:
                tree = {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 3}
                self._definitions["tree"] = {"anyOf": [tree, {"type": "integer"}]}
                return {"$ref": "#/$defs/tree"}
            case _:
                return {"type": "object", "properties": {"deeper": {"$ref": "#"}, "leaf": {"type": "boolean"}}}

    def leaderboard(self, depth: int) -> dict[str, Any]:
        return {
            "type": "dict",
            "properties": {"x": {"type": "float"}, "y": {"type": "tuple", "items": self.any_value(depth + 2)}},
            "required": ["x"],
        }


_NAMES = [
    "name",
    "id",
    "größe",
    "a b",
    'say "hi"',
    "back\\slash",
    "line\nbreak",
    "x" * 40,
    "点",
    "🔥",
    "$ref",
    "",
    "true",
]
_LONG_PATTERNS = ["^[a-z]+$", "🔥点?", "^\\S*$", "é|ü", "^(ab?c)*$", "^[^\\d\\n]*$"]
_PATTERNS = [
    *_LONG_PATTERNS, "^[A-Z]{2}-[0-9]{4}$", "^#[0-9a-fA-F]{6}$", "^(yes|no|maybe so)$", "^\\+?[1-9]\\d{1,14}$", "end$",
    "^start", "^a|b$", '^"\\\\"$', "^[\\w.-]+@[\\w.-]+\\.\\w{2,}$", "^v\\d+\\.\\d+(\\.\\d+)?$", "^.{3,7}$",
    "\\$\\{[a-z]+\\}", "^[^/]+(/[^/]+)*$",
]  # fmt: skip


@pytest.mark.engine
def test_replies_to_random_schemas() -> None:
    assert check_schemas(seed=7, count=40) == []


def test_the_random_schemas_hold_every_keyword_that_is_supported() -> None:
    text = json.dumps([SchemaMaker(random.Random(number)).schema() for number in range(400)])
    known = set().union(*keywords.FAMILIES.values()) | {"$ref", "$defs", "definitions", "type", "enum", "const"}
    assert {word for word in known | {"allOf", "anyOf", "oneOf"} if f'"{word}": ' not in text} == set()
    assert {form for form in FORMATS if f'"format": "{form}"' not in text} == set()

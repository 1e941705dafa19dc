"""Measures how often the arguments of a small model's calls are right, held to the message and not, the tool given.

    python benchmarks/tool_arguments.py --data SEAL_TOOLS_FOLDER [--calls 100]

The folder is that of Seal-Tools (Apache-2.0): dev.jsonl, tool.jsonl. Nothing in agents/small_call.py was put in for
these arguments; what gained nothing on them was taken out. Taken are, by the hash of their ids, queries of one call,
and as many calls of queries that ask for several, with the whole query for a message. Left out are calls that use
another's result and those whose accepted arguments do not fit the tool's schema. Compared as `fireside eval tools` does
(agents/accepted.py).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tool_choice import function_of

from agents.accepted import Accepted, problem_with_call
from agents.small_call import prompt_and_schema, prompt_of
from agents.tool_files import tool_of_schema
from agents.tools import Tool
from fireside.errors import ToolError
from fireside.models.constraints import JsonSchema
from fireside.models.sampling import GREEDY
from fireside.models.types import ChatModel, Delta, Message, Request, ToolCall
from fireside.settings import load
from tui.at_once import each_of
from tui.console import Progress
from tui.models import open_for_evaluation

AT_ONCE = 4
MOST_TOKENS = 300
READ: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "str": str,
}


@dataclass(frozen=True)
class Wanted:
    """A message, the tool it asks for, and the arguments accepted for it."""

    message: str
    tool: Tool
    accepted: Accepted
    single: bool


def wanted(folder: Path, most: int) -> list[Wanted]:
    tools = {each["api_name"]: each for each in map(json.loads, (folder / "tool.jsonl").open(encoding="utf-8"))}
    places = [
        (hashlib.sha256(f"{item['id']}/{number}".encode()).digest(), item, call)
        for item in map(json.loads, (folder / "dev.jsonl").open(encoding="utf-8"))
        for number, call in enumerate(item["calling"])
    ]
    kept: dict[bool, list[Wanted]] = {True: [], False: []}
    for _, item, call in sorted(places, key=lambda place: place[0]):
        single = len(item["calling"]) == 1
        if len(kept[single]) < most and "API_call" not in json.dumps(call["parameters"]):
            try:
                kept[single].append(wanted_of(item["query"], call, tools[call["api"]], single))
            except (KeyError, ToolError, TypeError, ValueError):
                continue
    return kept[True] + kept[False]


def wanted_of(message: str, call: dict[str, Any], schema: dict[str, Any], single: bool) -> Wanted:
    tool = tool_of_schema(function_of(schema))
    given = {name: READ[schema["parameters"][name]["type"]](value) for name, value in call["parameters"].items()}
    tool.validate(given)
    return Wanted(message, tool, {tool.name: {name: [value] for name, value in given.items()}}, single)


def held(message: str, tool: Tool) -> Request:
    """As shipped."""
    prompt, schema = prompt_and_schema(message, tool)
    return request(prompt, schema)


def free(message: str, tool: Tool) -> Request:
    """As shipped, but for the values, which the tool's own schema alone holds."""
    _, schema = prompt_and_schema(message, tool)
    shown = {name: tool.parameters["properties"][name] for name in schema["properties"]}
    required = schema["required"]
    return request(prompt_of(message, tool, shown), {**tool.parameters, "properties": shown, "required": required})


def by_schema(message: str, tool: Tool) -> Request:
    """A conversation with the tool's JSON schema in front, held to it alone."""
    system = f"You call the tool {tool.name} for the user's message. {tool.description}\n"
    system += f"Its arguments follow this JSON schema: {json.dumps(tool.parameters)}"
    prompt = (Message("system", system), Message("user", message))
    prefix = f'<tool_call>\n{{"name": {json.dumps(tool.name)}, "arguments": '
    return request(prompt, dict(tool.parameters), prefix)


def request(prompt: Any, schema: dict[str, Any], prefix: str = "") -> Request:
    return Request(prompt, GREEDY, MOST_TOKENS, constraint=JsonSchema(schema), reply_prefix=prefix)


ROWS: dict[str, Callable[[str, Tool], Request]] = {
    "as shipped": held,
    "the same prompt, values free": free,
    "JSON schema in front, values free": by_schema,
}


async def problem(each: Wanted, made: Request, model: ChatModel) -> str:
    text = "".join([event.text async for event in model.generate(made) if isinstance(event, Delta)])
    call = ToolCall(each.tool.name, json.loads(text))
    return problem_with_call(call, each.accepted, each.tool.parameters)


async def measure(calls: list[Wanted], model: ChatModel) -> None:
    for name, made in ROWS.items():
        began = time.perf_counter()

        async def one(each: Wanted, made: Callable[[str, Tool], Request] = made) -> bool:
            return not await problem(each, made(each.message, each.tool), model)

        right = await each_of(calls, one, AT_ONCE, Progress(name, "calls"))
        shares = [
            sum(kept) / len(kept)
            for single in (True, False)
            if (kept := [good for good, each in zip(right, calls, strict=True) if each.single is single])
        ]
        spent = 1000 * (time.perf_counter() - began) / len(calls)
        print(f"{name:50s} one call {shares[0]:.3f}, several {shares[-1]:.3f}, {spent:.0f} ms a call", flush=True)


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--calls", type=int, default=100)
    options = parser.parse_args()
    calls = wanted(options.data, options.calls)
    print(f"{len(calls)} calls, {sum(each.single for each in calls)} of queries with one")
    model = open_for_evaluation(load(), None, AT_ONCE)
    try:
        await measure(calls, model)
    finally:
        await model.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

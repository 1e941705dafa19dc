"""Turns a typed Python function into a tool: its signature becomes the JSON schema, its docstring the descriptions."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

from fireside.errors import FiresideError, ToolError
from fireside.text import for_terminal, for_terminal_line

_LONGEST_PROBLEM = 500
_MOST_PROBLEMS = 3

Risk = Literal["reads", "writes", "executes", "network"]
"""What a tool can do: look at what the person shared, change files, run programs, or talk to other machines."""


@dataclass(frozen=True)
class Traits:
    """What the loop, the approvals and the screen have to know of a tool, beside what the model is told.

    risk: the most it can do. untrusted: its results are somebody else's words (documents, pages, other programs), which
    may try to give orders. timeout_s: seconds until a call is given up. most_characters: of a result, before it is cut.
    sequential: it runs alone, after the calls before it and before those behind it. preview: what exactly a call with
    these (valid) arguments will do, for the person to approve: the command, the path, the diff.
    """

    risk: Risk = "reads"
    untrusted: bool = False
    timeout_s: float = 30.0
    most_characters: int = 4000
    sequential: bool = False
    preview: Callable[[Mapping[str, Any]], str] | None = None


@dataclass(frozen=True)
class Tool:
    """Something the assistant may do.

    name: `NAMESPACE.NAME`, or the name alone for a built-in one. parameters: JSON schema of the arguments, an object,
    in keywords that `fireside.models.schema` knows. examples: what a person might say, and the arguments it means. run:
    called with the arguments as keywords; a plain function may block, since it runs in a thread; a coroutine function
    is awaited, and cancelled at its timeout. validate: returns the arguments as `run` wants them; raises ToolError
    where they do not fit. Raises ToolError, when it is made, if no model could be held to its schema.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    examples: tuple[tuple[str, dict[str, Any]], ...]
    run: Callable[..., str] | Callable[..., Awaitable[str]]
    validate: Callable[[Mapping[str, Any]], dict[str, Any]]
    traits: Traits = Traits()

    def __post_init__(self) -> None:
        """Check the schema now: in the middle of a turn it would be too late."""
        from fireside.models.schema import check_schema

        try:
            check_schema(self.parameters)
        except FiresideError as error:
            raise ToolError(f"the tool {self.name} cannot be used: {error.message}", error.hint) from error


def tool_from_function(
    function: Callable[..., str] | Callable[..., Awaitable[str]], traits: Traits = Traits(), namespace: str = ""
) -> Tool:
    """A tool made of `function`, plain or a coroutine function.

    Every parameter needs a type hint; the first paragraph of the docstring describes the tool, an `Args:` section
    (`name: text`, one a line) its parameters, and an `Examples:` section (`message -> arguments as JSON`, one a line)
    shows its use: small models need it. Raises ToolError where a hint or the docstring is missing, or an
    example's arguments are not JSON.
    """
    from pydantic import ConfigDict, Field, ValidationError, create_model

    name = f"{namespace}.{function.__name__}" if namespace else function.__name__
    docstring = inspect.getdoc(function) or ""
    description = " ".join(docstring.split("\n\n")[0].split())
    notes = dict(line.split(": ", 1) for line in _section(docstring, "Args:") if ": " in line)
    if not description:
        raise ToolError(f"the tool {name} has no docstring", "its first paragraph tells the model what it does")
    try:
        examples = tuple(
            (message.strip(), json.loads(arguments))
            for message, arrow, arguments in (line.rpartition("->") for line in _section(docstring, "Examples:"))
            if arrow
        )
        hints = get_type_hints(function, include_extras=True)
    except (ValueError, NameError) as error:
        raise ToolError(f"the tool {name} cannot be read: {error}", "correct its hints or examples") from error
    parameters = inspect.signature(function).parameters
    fields: dict[str, Any] = {}
    for index, parameter in enumerate(parameters.values()):
        if parameter.name not in hints or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ToolError(f"the tool {name} has no type hint for {parameter.name}", "hint every parameter")
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        described = Field(default, alias=parameter.name, description=notes.get(parameter.name))
        # A parameter called `copy` or `_x` would not do as the name of a pydantic field; as its alias it does.
        fields[f"argument_{index}"] = (hints[parameter.name], described)
    model = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)

    def validate(arguments: Mapping[str, Any]) -> dict[str, Any]:
        try:
            checked = model.model_validate(dict(arguments))
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
                for problem in error.errors()[:_MOST_PROBLEMS]
            ]
            raise ToolError(for_terminal_line(f"{name}: {'; '.join(problems)}", _LONGEST_PROBLEM)) from error
        return {parameter: getattr(checked, field) for parameter, field in zip(parameters, fields, strict=True)}

    return Tool(
        name,
        description,
        _without_titles(model.model_json_schema()),
        examples,
        function,
        validate,
        traits,
    )


async def run_tool(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """Validate the arguments, run the tool, and return its result, safe for a terminal and of bounded length.

    A plain function that is given up at its timeout goes on in its thread, unheard; what has to end then is a coroutine
    function or ends by itself. Raises ToolError with the text to show the model, whatever the tool itself raised.
    """
    validated = tool.validate(arguments)
    try:
        async with asyncio.timeout(tool.traits.timeout_s):
            text = for_terminal(await _result(tool, validated))
    except TimeoutError as error:
        raise ToolError(f"{tool.name} did not end within {tool.traits.timeout_s:g} seconds") from error
    most = tool.traits.most_characters
    return text if len(text) <= most else f"{text[:most]}\n[cut: {len(text) - most} more characters]"


async def _result(tool: Tool, validated: Mapping[str, Any]) -> str:
    if inspect.iscoroutinefunction(tool.run):
        try:
            return str(await tool.run(**validated))
        except Exception as error:
            raise _failure(tool, error) from error

    def run() -> str:
        # Caught in the thread: a StopIteration would never reach the one who waits for it.
        try:
            return str(tool.run(**validated))
        except Exception as error:
            raise _failure(tool, error) from error

    return await asyncio.to_thread(run)


def _failure(tool: Tool, error: Exception) -> FiresideError:
    """A tool is anybody's code; its failure is the model's to read."""
    if isinstance(error, FiresideError):
        return error
    return ToolError(for_terminal_line(f"{tool.name} failed: {type(error).__name__}: {error}", _LONGEST_PROBLEM))


def _section(docstring: str, heading: str) -> tuple[str, ...]:
    """The indented lines below `heading`, up to the first that is not indented."""
    _, _, text = docstring.partition(f"{heading}\n")
    indented = itertools.takewhile(lambda line: line.startswith(" "), text.splitlines())
    return tuple(line.strip() for line in indented)


def _without_titles(schema: Any) -> Any:
    """A schema without pydantic's generated titles, which cost the model tokens. A property may be called title."""
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _without_titles(each) for name, each in value.items()}
        if key == "properties"
        else _without_titles(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }

"""Turns a typed Python function into a tool: its signature becomes the JSON schema, its docstring the descriptions."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from fireside.errors import FiresideError, ToolError
from fireside.text import for_terminal, for_terminal_line

_LONGEST_RESULT = 4000
_LONGEST_PROBLEM = 500


@dataclass(frozen=True)
class Tool:
    """Something the assistant may do.

    parameters: JSON schema of the arguments, an object, in keywords that `fireside.models.schema` knows. examples: what
    a person might say, and the arguments it means. run: called with the arguments as keywords; may block, since it runs
    in a thread. validate: returns the arguments as `run` wants them; raises ToolError where they do not fit.
    Raises ToolError, when it is made, if no model could be held to its schema.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    examples: tuple[tuple[str, dict[str, Any]], ...]
    run: Callable[..., str]
    validate: Callable[[Mapping[str, Any]], dict[str, Any]]

    def __post_init__(self) -> None:
        """Check the schema now: in the middle of a turn it would be too late."""
        from fireside.models.schema import check_schema

        try:
            check_schema(self.parameters)
        except FiresideError as error:
            raise ToolError(f"the tool {self.name} cannot be used: {error.message}", error.hint) from error


def tool_from_function(function: Callable[..., str]) -> Tool:
    """A tool made of `function`.

    Every parameter needs a type hint; the first paragraph of the docstring describes the tool, an `Args:` section
    (`name: text`, one a line) its parameters, and an `Examples:` section (`message -> arguments as JSON`, one a line)
    shows its use: small models need it. Raises ToolError where a hint or the docstring is missing, or an
    example's arguments are not JSON.
    """
    from pydantic import ConfigDict, Field, ValidationError, create_model

    name = function.__name__
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
            problem = error.errors()[0]
            place = ".".join(str(part) for part in problem["loc"]) or "arguments"
            message = for_terminal_line(f"{name}: {place}: {problem['msg']}", _LONGEST_PROBLEM)
            raise ToolError(message) from error
        return {parameter: getattr(checked, field) for parameter, field in zip(parameters, fields, strict=True)}

    return Tool(
        name,
        description,
        _without_titles(model.model_json_schema()),
        examples,
        function,
        validate,
    )


async def run_tool(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """Validate the arguments, run the tool in a thread, and return its result, safe and of bounded length.

    Raises ToolError with the text to show the model, whatever the tool itself raised.
    """
    validated = tool.validate(arguments)

    def run() -> str:
        # Caught in the thread: a StopIteration would never reach the one who waits for it.
        try:
            return str(tool.run(**validated))
        except FiresideError:
            raise
        except Exception as error:  # a tool is anybody's code; its failure is the model's to read
            problem = for_terminal_line(f"{tool.name} failed: {type(error).__name__}: {error}", _LONGEST_PROBLEM)
            raise ToolError(problem) from error

    text = for_terminal(await asyncio.to_thread(run))
    if len(text) > _LONGEST_RESULT:
        text = f"{text[:_LONGEST_RESULT]}\n[cut: {len(text) - _LONGEST_RESULT} more characters]"
    return text


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

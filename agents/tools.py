"""Turns a typed Python function into a tool: its signature becomes the JSON schema, its docstring the descriptions."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_type_hints

from fireside.errors import FiresideError, ToolError
from fireside.text import for_terminal, for_terminal_line

_LONGEST_PROBLEM = 500
_MOST_PROBLEMS = 3
_LONGEST_SEQUENCE = 4096

ResultT = TypeVar("ResultT")

Risk = Literal["reads", "writes", "executes", "network"]
"""What a tool can do: look at what the person shared, change files, run programs, or talk to other machines."""


@dataclass(frozen=True)
class Traits:
    """What the loop, the approvals and the screen have to know of a tool, beside what the model is told.

    risk: the most it can do. untrusted: its results are somebody else's words (documents, pages, other programs), which
    may try to give orders. timeout_s: seconds until a call is given up. most_characters: of a result, before it is cut.
    sequential: it runs alone, after the calls before it and before those behind it. person: it waits for the person,
    whose time is not the turn's. canonical: of valid arguments, those that can be spelt in several ways in their one
    form (a path resolved, an address in full), for the rules about them. preview: what exactly a call with these
    (valid) arguments will do, for the person to approve: the command, the path, the diff.
    """

    risk: Risk = "reads"
    untrusted: bool = False
    timeout_s: float = 30.0
    most_characters: int = 4000
    sequential: bool = False
    person: bool = False
    canonical: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
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
    except Exception as error:  # a hint may be any expression
        raise ToolError(f"the tool {name} cannot be read: {_said(error)}", "correct its hints or examples") from error
    parameters = inspect.signature(function).parameters
    fields: dict[str, Any] = {}
    for index, parameter in enumerate(parameters.values()):
        if parameter.name not in hints or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ToolError(f"the tool {name} has no type hint for {parameter.name}", "hint every parameter")
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        described = Field(default, alias=parameter.name, description=notes.get(parameter.name))
        # A parameter called `copy` or `_x` would not do as the name of a pydantic field; as its alias it does.
        fields[f"argument_{index}"] = (hints[parameter.name], described)
    try:
        model = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
        schema = _without_titles(model.model_json_schema())
    except Exception as error:  # pydantic has many kinds for hints that it cannot read
        raise ToolError(
            f"the tool {name} cannot be read: {_said(error)}", "its parameters have to be texts, numbers, lists ..."
        ) from error

    def validate(arguments: Mapping[str, Any]) -> dict[str, Any]:
        try:
            checked = model.model_validate(dict(arguments))
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
                for problem in error.errors()[:_MOST_PROBLEMS]
            ]
            raise ToolError(for_terminal_line(f"{name}: {'; '.join(problems)}", _LONGEST_PROBLEM)) from error
        except Exception as error:  # a tool's own validators are anybody's code
            raise ToolError(for_terminal_line(f"{name}: {_said(error)}", _LONGEST_PROBLEM)) from error
        return {parameter: getattr(checked, field) for parameter, field in zip(parameters, fields, strict=True)}

    return Tool(
        name,
        description,
        schema,
        examples,
        function,
        validate,
        traits,
    )


async def run_tool(tool: Tool, arguments: Mapping[str, Any], seconds: float | None = None) -> str:
    """Validate the arguments, run the tool, and return its result, safe for a terminal and of bounded length.

    seconds: after which it is given up at the latest; the tool's own timeout may come sooner. A plain function that is
    given up goes on in its thread, unheard; what has to end then is a coroutine function or ends by itself. Raises
    ToolError with the text to show the model, whatever the tool itself raised.
    """
    validated = tool.validate(arguments)
    limit = tool.traits.timeout_s if seconds is None else min(tool.traits.timeout_s, seconds)
    try:
        async with asyncio.timeout(limit):
            return await _result(tool, validated)
    except TimeoutError as error:
        raise ToolError(f"{tool.name} did not end within {limit:.3g} seconds") from error


async def in_thread(work: Callable[[], ResultT]) -> ResultT:
    """What `work` returns, from a thread of its own. One that never ends holds up neither other work nor the program's
    end. Raises whatever `work` raises, SystemExit too."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[ResultT] = loop.create_future()

    def tell(result: ResultT | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # there is a result where there is no error

    def run() -> None:
        result: ResultT | None = None
        error: BaseException | None = None
        try:
            result = work()
        except StopIteration as stop:  # a future cannot hold it
            error = RuntimeError(f"StopIteration: {stop}")
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the event loop is gone
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=run, daemon=True).start()
    return await future


async def _result(tool: Tool, validated: Mapping[str, Any]) -> str:
    run, most = tool.run, tool.traits.most_characters
    try:
        if inspect.iscoroutinefunction(run):
            return _bounded(str(await run(**validated)), most)

        def call() -> str:
            try:
                return _bounded(str(run(**validated)), most)
            except StopIteration as error:  # would not reach the one who waits for it
                raise _failure(tool, error) from error

        return await in_thread(call)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # the turn was cancelled, or the time is over
        raise _failure(tool, error) from error
    except BaseException as error:  # a tool is anybody's code, and may even call sys.exit
        raise _failure(tool, error) from error


def _bounded(text: str, most: int) -> str:
    """At most `most` characters, safe for a terminal; a few more are looked at, as escape sequences go."""
    shown = for_terminal(text[: most + _LONGEST_SEQUENCE])[:most]
    return shown if len(text) <= most else f"{shown}\n[cut: {len(text) - most} more characters]"


def _failure(tool: Tool, error: BaseException) -> FiresideError:
    """Why a tool failed, for the model to read."""
    if isinstance(error, FiresideError):
        return error
    return ToolError(for_terminal_line(f"{tool.name} failed: {type(error).__name__}: {_said(error)}", _LONGEST_PROBLEM))


def _said(error: BaseException) -> str:
    """An error's own words, where it has any."""
    try:
        return str(error)
    except Exception:
        return type(error).__name__


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

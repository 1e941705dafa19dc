"""The sandbox that chat templates run in: jinja's immutable one, with limits on time, on size, and on single steps.

Templates come with model files, so they are programs by strangers. The clock is looked at in every block and loop body,
which the compiler is made to write in; so a limit holds in any thread, and without signals.
"""

from __future__ import annotations

import datetime
import functools
import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from jinja2 import Template, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

LONGEST_RENDERING = 16 * 1024 * 1024
LONGEST_TEMPLATE = 256 * 1024
_LARGEST_ARGUMENT = 1_000_000
_WIDE = re.compile(r"\d{6}|\*")
# Filters that no chat template needs and that write as much as a number says.
_REMOVED_FILTERS = ("center", "slice", "batch", "wordwrap", "indent", "xmlattr", "urlize", "filesizeformat")


class TemplateOverrun(SecurityError):
    """A template took too long or wrote too much."""


class _Spent(threading.local):
    """What the rendering in this thread may still use."""

    deadline = 0.0
    written = 0


class _Compiler(CodeGenerator):
    """Writes a look at the limits into every block, and sizes into every join with `~`."""

    def blockvisit(self, nodes_: Iterable[nodes.Node], frame: Frame) -> None:
        """The statements of a block, a loop or a macro."""
        statements = list(nodes_)
        outputs = [each for each in statements if isinstance(each, nodes.Output)]
        plain = [part for each in outputs for part in each.nodes if isinstance(part, nodes.TemplateData)]
        self.writeline(f"environment.spend({sum(len(part.data) for part in plain)})")
        super().blockvisit(statements, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        """A join of strings with `~`."""
        self.write("environment.join((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class _Generation(Extension):
    """`{% generation %}`, with which some templates mark what the model writes; it changes nothing."""

    tags = {"generation"}  # noqa: RUF012 - jinja's form

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """The block's own statements."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, without the steps that can fill the memory, or never end, at once."""

    code_generator_class = _Compiler
    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self) -> None:
        # The whitespace settings and the helpers are what templates on model hubs are written against.
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.loopcontrols", _Generation],
            finalize=self._printed,
            cache_size=0,
        )
        self.spent = _Spent()
        self.globals["raise_exception"] = _refuse
        self.globals["strftime_now"] = _strftime_now
        for name in _REMOVED_FILTERS:
            self.filters.pop(name)
        self.filters["indent"] = _indent
        self.filters["format"] = self._format
        for name in ("join", "replace"):
            self.filters[name] = self._sized(self.filters[name])
        self.filters["tojson"] = _tojson

    def spend(self, characters: int) -> None:
        """Count what a block writes, and look at the clock. Raises TemplateOverrun."""
        spent = self.spent
        spent.written += characters
        if spent.written > LONGEST_RENDERING:
            raise TemplateOverrun("it writes without end")
        if time.monotonic() > spent.deadline:
            raise TemplateOverrun("it does not end")

    def join(self, parts: tuple[Any, ...]) -> str:
        """The `~` of templates."""
        texts = [str(part) for part in parts]
        self._check_size(sum(map(len, texts)))
        return "".join(texts)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Products of small numbers only, sums within the size limit, `%` without a width: templates need no more."""
        if operator == "+":
            if isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple):
                self._check_size(len(left) + len(right))
            return left + right
        if operator == "%":
            if isinstance(left, str) and _WIDE.search(left):
                raise SecurityError("% is only for short texts")
            result = left % right
            self._check_size(len(result) if isinstance(result, str) else 0)
            return result
        small = all(isinstance(each, int | float) and abs(each) < 2**32 for each in (left, right))
        if operator != "*" or not small:
            raise SecurityError(f"{operator} is only for products of small numbers")
        return left * right

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """A call out of a template, with small numbers only, and a result within the size limit."""
        __self.spend(0)
        for value in (*args, *kwargs.values()):
            if isinstance(value, int) and abs(value) > _LARGEST_ARGUMENT:
                raise SecurityError(f"{value} is too large a number for a template")
        result = super().call(__context, __obj, *args, **kwargs)
        if isinstance(result, str | list | tuple):
            __self._check_size(len(result))
        return result

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """`format` of a text, without widths that fill the memory."""
        if isinstance(getattr(value, "__self__", None), str) and _WIDE.search(value.__self__):
            raise SecurityError("format is only for short texts")
        return super().wrap_str_format(value)

    @pass_context  # with a context, constants are counted each time too, and not once when the template is compiled
    def _printed(self, _: Any, value: Any) -> Any:
        """Count what an expression writes, also into a variable."""
        self.spend(len(value) if isinstance(value, str) else 0)
        return value

    def _format(self, form: str, *values: Any, **named: Any) -> Any:
        """Jinja's `format`, which is `%`."""
        return self.call_binop(None, "%", form, named or values)

    def _sized(self, filter_: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(filter_)
        def sized(*args: Any, **kwargs: Any) -> Any:
            result = filter_(*args, **kwargs)
            self._check_size(len(result))
            return result

        return sized

    def _check_size(self, size: int) -> None:
        if size > LONGEST_RENDERING:
            raise TemplateOverrun("it writes without end")


@functools.lru_cache(maxsize=1)
def _sandbox() -> _Sandbox:
    return _Sandbox()


@functools.lru_cache(maxsize=4)
def _compiled(source: str) -> Template:
    return _sandbox().from_string(source)


def run_template(source: str, variables: dict[str, Any], deadline: float) -> str:
    """What the template `source` writes. Raises TemplateOverrun, or whatever else the template fails with.

    deadline: on `time.monotonic`'s clock.
    """
    if len(source) > LONGEST_TEMPLATE:
        raise TemplateOverrun("it is unreasonably long")
    spent = _sandbox().spent
    spent.deadline, spent.written = deadline, 0
    pieces: list[str] = []
    size = 0
    for piece in _compiled(source).generate(**variables):
        pieces.append(piece)
        size += len(piece)
        _sandbox()._check_size(size)
    return "".join(pieces)


def _refuse(message: str) -> NoReturn:
    """`raise_exception` of chat templates: the conversation does not suit the model."""
    raise ValueError(message)


def _strftime_now(form: str) -> str:
    """`strftime_now` of chat templates: today's date or time in the given form."""
    return datetime.datetime.now().strftime(form)


def _tojson(value: Any, indent: int | None = None, ensure_ascii: bool = False, **_: Any) -> str:
    """JSON as model templates expect it: jinja's own filter would escape `<`, `>`, `&` and `'` for HTML."""
    if indent is not None and not 0 <= indent <= 16:
        raise SecurityError("indent is only for small numbers")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _indent(text: str, width: int = 4, first: bool = False, blank: bool = False) -> str:
    """Jinja's `indent`, by a number of spaces."""
    if not 0 <= width <= 64:
        raise SecurityError("indent is only for small numbers")
    lines = text.split("\n")
    padding = " " * width
    return "\n".join(
        padding + line if (first or index) and (line or blank) else line for index, line in enumerate(lines)
    )

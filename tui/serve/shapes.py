"""The bodies of requests: fields, types and ranges. Unknown fields are ignored; a wrong one is refused by its name."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from tui.serve.problems import ApiError

_LARGEST_COUNT = 1_000_000
_MOST_STOPS = 32

Stops = Annotated[list[str], Field(max_length=_MOST_STOPS)]


class Shape(BaseModel):
    """Part of a body. Nothing is converted: `"1"` is not a number, and neither is infinity."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class StreamOptions(Shape):
    """What a stream tells beside its deltas."""

    include_usage: bool | None = None


class Generating(Shape):
    """What chat and completions have in common: OpenAI's fields, then those of `Sampling` by their names there.

    A setting that is left out, or null, is the model's recommendation. top_k: -1 keeps all, as 0 does.
    """

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=0, le=_LARGEST_COUNT)
    n: int | None = Field(default=None, ge=1, le=16)
    stop: str | Stops | None = None
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**64)
    temperature: float | None = Field(default=None, ge=0, le=5)
    top_p: float | None = Field(default=None, ge=0, le=1)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    logit_bias: dict[str, float] | None = Field(default=None, max_length=1024)
    grammar: str | None = None
    top_k: int | None = Field(default=None, ge=-1, le=_LARGEST_COUNT)
    min_p: float | None = Field(default=None, ge=0, le=1)
    typical_p: float | None = Field(default=None, ge=0, le=1)
    top_n_sigma: float | None = Field(default=None, ge=0, le=100)
    repeat_penalty: float | None = Field(default=None, gt=0, le=10)
    repetition_penalty: float | None = Field(default=None, gt=0, le=10)
    penalty_window: int | None = Field(default=None, ge=-1, le=_LARGEST_COUNT)
    dry_multiplier: float | None = Field(default=None, ge=0, le=100)
    dry_base: float | None = Field(default=None, ge=1, le=100)
    dry_allowed_length: int | None = Field(default=None, ge=0, le=_LARGEST_COUNT)
    xtc_probability: float | None = Field(default=None, ge=0, le=1)
    xtc_threshold: float | None = Field(default=None, ge=0, le=1)
    temperature_range: float | None = Field(default=None, ge=0, le=5)
    mirostat: int | None = Field(default=None, ge=0, le=2)
    mirostat_tau: float | None = Field(default=None, ge=0, le=100)
    mirostat_eta: float | None = Field(default=None, ge=0, le=1)
    banned_phrases: list[str] | None = Field(default=None, max_length=256)

    @property
    def usage_wanted(self) -> bool:
        """Whether a stream ends with its token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)


class Part(Shape):
    """A piece of a message's content."""

    type: str
    text: str | None = None
    refusal: str | None = None


class CalledFunction(Shape):
    """The function of a call, its arguments as JSON text."""

    name: str
    arguments: str


class ToolCallShape(Shape):
    """A call that the assistant made before."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class MessageShape(Shape):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: list[ToolCallShape] | None = None
    tool_call_id: str | None = None
    name: str | None = None


class FunctionShape(Shape):
    """A function that the model may call."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.\-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None


class ToolShape(Shape):
    """A tool; functions are the only kind."""

    type: Literal["function"]
    function: FunctionShape


class SchemaShape(Shape):
    """A JSON schema with a name; the name is not used."""

    schema_: dict[str, Any] = Field(alias="schema")


class FormatShape(Shape):
    """What form the reply must have."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaShape | None = None


class ChatBody(Generating):
    """The body of /v1/chat/completions."""

    messages: list[MessageShape] = Field(min_length=1)
    max_completion_tokens: int | None = Field(default=None, ge=0, le=_LARGEST_COUNT)
    tools: list[ToolShape] | None = Field(default=None, max_length=128)
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: FormatShape | None = None
    continue_final_message: bool | None = None
    add_generation_prompt: bool | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)


class CompletionBody(Generating):
    """The body of /v1/completions. prompt: looked at by `completions.prompts`."""

    prompt: Any
    echo: bool | None = None
    logprobs: int | None = Field(default=None, ge=0, le=20)
    suffix: str | None = None
    best_of: int | None = Field(default=None, ge=1, le=16)


class TokenizeBody(Shape):
    """The body of /tokenize: one of the two."""

    model: str | None = None
    prompt: str | None = None
    messages: list[MessageShape] | None = Field(default=None, min_length=1)


class EmbeddingBody(Shape):
    """The body of /v1/embeddings. input: looked at by `embeddings.texts`."""

    model: str | None = None
    input: Any
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


Body = TypeVar("Body", bound=Shape)


def parsed(data: bytes, shape: type[Body]) -> Body:
    """The body as `shape`. Raises ApiError 400 that names the first field at fault, as in `messages[0].content`."""
    try:
        # Deeper than about 200 levels, or a number of more than 4,300 digits, is not read.
        document = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise ApiError(400, f"the body is not JSON: {error}", code="invalid_json") from None
    if not isinstance(document, dict):
        raise ApiError(400, "the body must be a JSON object", code="invalid_json")
    try:
        return shape.model_validate(document)
    except ValidationError as error:
        raise _refused(error, document) from None


def _refused(error: ValidationError, document: dict[str, Any]) -> ApiError:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    named = [(_field(each["loc"], document, missing=each["type"] == "missing"), each["msg"]) for each in problems]
    # A field of several types has a complaint for each; the deepest is of the type that was meant.
    param = max((field for field, _ in named if field.startswith(named[0][0])), key=len)
    said = dict.fromkeys(message for field, message in named if field == param)
    message = "; or: ".join(text[:1].lower() + text[1:] for text in said)
    return ApiError(400, f"{param}: {message}", param=param, code="invalid_value")


def _field(location: tuple[int | str, ...], document: Any, *, missing: bool) -> str:
    """Where in the body an error is: pydantic's location, without the names of types that it puts in."""
    path, place = "", document
    for number, part in enumerate(location):
        if isinstance(part, int) and isinstance(place, list) and part < len(place):
            path, place = f"{path}[{part}]", place[part]
        elif (
            isinstance(part, str)
            and isinstance(place, dict)
            and (part in place or (missing and number == len(location) - 1))
        ):
            path, place = f"{path}.{part}" if path else part, place.get(part)
    return path or "body"

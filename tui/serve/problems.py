"""What a client is told when a request fails: OpenAI's error document and an HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fireside.errors import FiresideError, PromptTooLong, WorkerDied
from fireside.text import for_terminal_line


class ApiError(Exception):
    """A refused or failed request. param: the field at fault. code: a short name that programs can act on."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """The error as OpenAI's clients read it."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        if self.status == 429:
            kind = "rate_limit_error"
        # What is refused is quoted in the message, so that is made safe for whoever prints it.
        message = for_terminal_line(self.message, 2000)
        return {"error": {"message": message, "type": kind, "param": self.param, "code": self.code}}


def wrong(param: str, message: str) -> ApiError:
    """400: the field `param` cannot be used as it is."""
    return ApiError(400, f"{param}: {message}", param=param, code="invalid_value")


def failure(error: FiresideError) -> ApiError:
    """What an engine's error means to a client: a process that died is the server's trouble, the rest the request's."""
    message = f"{error.message}; {error.hint}" if error.hint else error.message
    if isinstance(error, WorkerDied):
        return ApiError(503, message, code="model_stopped", headers={"Retry-After": "1"})
    if isinstance(error, PromptTooLong):
        return ApiError(400, message, code="context_length_exceeded")
    return ApiError(400, message, code="refused_by_model")


def unavailable(error: FiresideError) -> ApiError:
    """503: the model could not be loaded."""
    return ApiError(503, failure(error).message, code="model_unavailable", headers={"Retry-After": "1"})

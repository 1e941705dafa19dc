"""What went wrong at a server, said to a person; what may be tried again, and after how long."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from fireside.errors import ModelError, PromptTooLong
from fireside.models.remote.server import RemoteServer
from fireside.text import for_terminal_line

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""What may pass by itself: as OpenAI's own client has it, with 425 (RFC 8470) and 529, "overloaded" on some servers."""
LONGEST_BACKOFF_S = 8.0
_TOO_LONG = re.compile(
    r"context[ _](length|size|window)|maximum context|exceed_context_size|context_length_exceeded", re.IGNORECASE
)
_OUT_OF_QUOTA = "insufficient_quota"


def wait_before(attempt: int, backoff_s: float, retry_after: str | None, now: datetime | None = None) -> float:
    """Seconds to wait before the retry numbered `attempt` (from 0): as asked for, else doubling, with jitter.

    retry_after: the Retry-After header, in seconds or as a date (RFC 9110, section 10.2.3). The jitter takes up to half
    away, so that clients that failed together do not come back together.
    """
    if retry_after is not None:
        text = retry_after.strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
            return float(text)
        try:
            date = parsedate_to_datetime(text)
            date = date if date.tzinfo else date.replace(tzinfo=UTC)
            return max((date - (now or datetime.now(UTC))).total_seconds(), 0.0)
        except (ValueError, OverflowError):
            pass
    return float(min(backoff_s * 2**attempt, LONGEST_BACKOFF_S)) * (1 - random.random() / 2)


def is_retried(status: int, said: str) -> bool:
    """Whether the same request may work a little later. said: the body of the answer."""
    return status in RETRIED and _OUT_OF_QUOTA not in said


def refused(server: RemoteServer, status: int, headers: Mapping[str, str], body: str, key: str | None) -> ModelError:
    """The error for an answer that is no success. The key is never in it, whatever the server says."""
    host = server.host
    said = said_in(body, headers.get("content-type", ""), key)
    told = f": {said}" if said else ""
    if 300 <= status < 400:
        target = for_terminal_line(_without(key, headers.get("location", "")).partition("?")[0], 100)
        return ModelError(
            f"the server {host} points to another address ({target or 'not named'}), which is not followed",
            "if that address is right, set it as the server's url",
        )
    if status in (401, 403):
        hint = (
            f"check the key in {server.key_variable}"
            if server.key_variable
            else "it needs a key: name its environment variable as key_variable"
        )
        return ModelError(f"the server {host} does not let us in (HTTP {status}){told}", hint)
    if status in (400, 413, 422, 500) and _TOO_LONG.search(said):
        return PromptTooLong(
            f"the prompt is too long for the model on {host}{told}", "shorten it, or begin a new conversation"
        )
    if status == 404:
        hint = "check the server's url and model; the url ends with /v1 on most servers"
        return ModelError(f"the server {host} does not know the model or the address (HTTP 404){told}", hint)
    if status == 429:
        return ModelError(f"the server {host} takes no more requests now (HTTP 429){told}", "try again later")
    if status >= 500:
        return ModelError(f"the server {host} failed (HTTP {status}){told}", "try again; the server's log says more")
    return ModelError(f"the server {host} refuses the request (HTTP {status}){told}", None)


def in_stream(document: Mapping[str, Any], host: str, key: str | None) -> None:
    """Raise the error that a stream's document tells, if it does; without the key."""
    error = document.get("error")
    if error is None and document.get("object") == "error":
        error = document
    if error is None or error is False:
        return
    said = said_in(json.dumps({"error": error}), "application/json", key)
    if _TOO_LONG.search(said):
        raise PromptTooLong(f"the prompt is too long for the model on {host}: {said}", "shorten it")
    raise ModelError(f"the server {host} failed while it wrote: {said or 'it does not say why'}", "try again")


def nonsense(host: str, what: str) -> ModelError:
    """The error for an answer that is not of OpenAI's API."""
    return ModelError(
        f"the server {host} sent {what}: it does not speak OpenAI's API as it should",
        "check that the url is that of an OpenAI-compatible server",
    )


def said_in(body: str, content_type: str, key: str | None) -> str:
    """What a server says in an error's body, on one line that is safe to show: OpenAI's, FastAPI's or plain text."""
    if "html" in content_type or body.lstrip()[:1] == "<":
        return "it sent a web page"
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return for_terminal_line(_without(key, body), 300)
    for name in ("error", "message", "detail"):
        while isinstance(found, dict) and found.get(name):
            found = found[name]
    if isinstance(found, list) and found and isinstance(found[0], dict):
        first = found[0]
        place = ".".join(str(part) for part in first.get("loc", ())) if isinstance(first.get("loc"), list) else ""
        found = f"{place}: {first.get('msg', '')}"
    return for_terminal_line(_without(key, found if isinstance(found, str) else json.dumps(found)), 300)


def _without(key: str | None, text: str) -> str:
    return text.replace(key, "***") if key else text

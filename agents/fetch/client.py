"""Fetches a URL: each place it leads to is checked before it is asked, and all of it is bounded.

No cookies, no credentials, no proxy from the environment, and nothing but GET: HTTP is spoken through httpcore, which
does only what it is told here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urljoin

import httpcore

from agents.fetch.body import ENCODINGS, collected, too_long
from agents.fetch.connect import INTERNET, CheckedBackend, Network, checked_addresses
from agents.fetch.urls import Target, target_of
from fireside import __version__
from fireside.errors import ToolError
from fireside.text import for_terminal_line

_REDIRECTS = (301, 302, 303, 307, 308)
_ACCEPTED = "text/html,application/xhtml+xml,text/plain,text/markdown,application/json,application/pdf;q=0.9,*/*;q=0.1"


@dataclass(frozen=True)
class Limits:
    """What one fetch may take.

    redirects: how many are followed. bytes: of the body, packed and unpacked. total_s: seconds for everything,
    redirects included. connect_s, read_s: seconds for a connection, and between two pieces of a reply.
    """

    redirects: int = 5
    bytes: int = 5_000_000
    total_s: float = 20.0
    connect_s: float = 8.0
    read_s: float = 8.0


@dataclass(frozen=True)
class Fetched:
    """A page as it came. url: where it was found in the end. kind: its media type, "" for none. charset: as the
    server named it, "" for none."""

    url: str
    kind: str
    charset: str
    data: bytes


async def fetch(url: str, network: Network = INTERNET, limits: Limits = Limits()) -> Fetched:
    """What is at `url`. Raises ToolError that says why there is nothing, or why it is not asked for."""
    target = target_of(url)
    try:
        async with asyncio.timeout(limits.total_s):
            for _ in range(limits.redirects + 1):
                answer = await _ask(target, network, limits)
                if isinstance(answer, Fetched):
                    return answer
                target = answer
    except TimeoutError as error:
        raise ToolError(f"{target.quoted} did not send the page within {limits.total_s:g} seconds") from error
    raise ToolError(f"the page redirects more than {limits.redirects} times", "it may redirect in circles")


async def _ask(target: Target, network: Network, limits: Limits) -> Fetched | Target:
    """What is there, or where it redirects to."""
    addresses = await checked_addresses(target, network)
    backend = CheckedBackend(addresses, network)
    context = network.tls() if target.scheme == "https" else None
    url = httpcore.URL(
        scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
    )
    headers = {
        "Host": target.authority,
        "User-Agent": f"Fireside/{__version__}",
        "Accept": _ACCEPTED,
        "Accept-Encoding": ENCODINGS,
        "Connection": "close",
    }
    timeouts = {"connect": limits.connect_s, "read": limits.read_s, "write": limits.read_s, "pool": limits.connect_s}
    try:
        async with (
            httpcore.AsyncConnectionPool(ssl_context=context, network_backend=backend, max_connections=1) as pool,
            pool.stream("GET", url, headers=list(headers.items()), extensions={"timeout": timeouts}) as response,
        ):
            return await _answer(target, response, limits)
    except httpcore.TimeoutException as error:
        raise ToolError(f"{target.quoted} does not answer", "try again later") from error
    except httpcore.ProtocolError as error:
        raise ToolError(f"{target.quoted} sent what is not an answer over HTTP") from error
    except (httpcore.NetworkError, OSError) as error:
        reason = for_terminal_line(str(error).replace(repr(target.host), target.quoted))
        raise ToolError(f"{target.quoted} cannot be reached{f': {reason}' if reason else ''}") from error


async def _answer(target: Target, response: httpcore.Response, limits: Limits) -> Fetched | Target:
    headers = {name.decode("latin-1").lower(): value.decode("utf-8", "replace") for name, value in response.headers}
    if response.status in _REDIRECTS and headers.get("location"):
        return _next(target, headers["location"])
    if not 200 <= response.status < 300:
        raise ToolError(f"{target.quoted} answered {response.status}: there is no page to read")
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limits.bytes:
        raise too_long(limits.bytes)
    data = await collected(response.aiter_stream(), headers.get("content-encoding", ""), limits.bytes)
    kind, _, parameters = headers.get("content-type", "").partition(";")
    charset = ""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip("\"'")
    return Fetched(target.url, kind.strip().lower(), charset, data)


def _next(target: Target, location: str) -> Target:
    """Where a redirect leads, checked like the first URL. Raises ToolError, with nothing of what the server wrote."""
    try:
        following = target_of(urljoin(target.url, location.strip()))
    except ValueError as error:  # urljoin on brackets that do not close
        raise ToolError(f"{target.quoted} redirects to what is not a URL") from error
    except ToolError as error:
        raise ToolError(f"{target.quoted} redirects to a place that is not fetched from", error.hint) from error
    if target.scheme == "https" and following.scheme == "http":
        raise ToolError(f"{target.quoted} redirects to an unencrypted page, which is not followed")
    return following

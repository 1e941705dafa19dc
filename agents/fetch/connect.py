"""Reaches a host: its addresses are looked up once, each is checked, and one of these very addresses is connected to.

Whoever owns a name may let it stand for a public address when it is checked and for a private one when it is used. So
the name is not looked up again between the two.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import httpcore

from agents.fetch.addresses import Address, address_of, refused_address
from agents.fetch.urls import Target
from fireside.errors import ToolError

_MOST_ADDRESSES = 32
_MOST_TRIED = 4


async def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the system finds them. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


async def dial(address: Address, port: int, timeout_s: float) -> httpcore.AsyncNetworkStream:
    """A connection to an address. Raises httpcore's errors, and ToolError where the address is this machine's own."""
    stream = await httpcore.AnyIOBackend().connect_tcp(str(address), port, timeout=timeout_s)
    here, there = (stream.get_extra_info(name) for name in ("client_addr", "server_addr"))
    if here and there and here[0] == there[0]:
        await stream.aclose()
        raise ToolError(f"{address} is not fetched from: it is this machine", "only other machines can be reached")
    return stream


def trusted_authorities() -> ssl.SSLContext:
    """What servers' certificates are checked with."""
    import httpx

    return httpx.create_ssl_context()


@dataclass(frozen=True)
class Network:
    """How the internet is reached. Tests bring their own.

    look_up: the addresses of a host and port; raises OSError. dial: a connection to one of them, within seconds. tls:
    what certificates are checked with.
    """

    look_up: Callable[[str, int], Awaitable[Sequence[str]]] = look_up
    dial: Callable[[Address, int, float], Awaitable[httpcore.AsyncNetworkStream]] = dial
    tls: Callable[[], ssl.SSLContext] = trusted_authorities


INTERNET = Network()
"""As this machine is connected to it."""


async def checked_addresses(target: Target, network: Network) -> tuple[Address, ...]:
    """The addresses of the target, all public. Raises ToolError where it has none, or a single one that is refused."""
    if target.address is not None:
        texts: Sequence[str] = (str(target.address),)
    else:
        try:
            texts = await network.look_up(target.host, target.port)
        except (OSError, UnicodeError) as error:
            raise ToolError(
                f"{target.quoted} was not found", "check the name, and that this machine is online"
            ) from error
    if not texts or len(texts) > _MOST_ADDRESSES:
        raise ToolError(f"{target.quoted} has no usable addresses")
    addresses = []
    for text in texts:
        address = address_of(text)
        what = "no IP address" if address is None else refused_address(address)
        if address is None or what is not None:
            # One is enough: an honest name of the public internet has none.
            raise ToolError(
                f"{target.quoted} is not fetched from: its address {text[:60]!r} is {what}",
                "only the public internet can be reached",
            )
        addresses.append(address)
    return tuple(addresses)


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses, whatever name it is asked for."""

    def __init__(self, addresses: Sequence[Address], network: Network) -> None:
        self._addresses, self._network = addresses, network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """The first of the addresses that answers. Raises httpcore's errors."""
        assert timeout is not None
        failure: Exception = httpcore.ConnectError("no address")
        for address in self._addresses[:_MOST_TRIED]:
            try:
                return await self._network.dial(address, port, timeout)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

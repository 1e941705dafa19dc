"""Reads a URL one strict way, so that what was checked and what is asked for cannot differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import quote

from agents.fetch.addresses import Address, address_of, refused_address, refused_name
from fireside.errors import ToolError
from fireside.text import for_terminal_line

_LONGEST_URL = 2000
_LONGEST_HOST = 60
_SHAPE = re.compile(r"(?i)(https?)://([^/?#]*)([^#]*)(?:#.*)?")
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# Left as they are in a path and a query: RFC 3986's reserved characters, and what is escaped already.
_KEPT = "/?%:@!$&'()*+,;=~[]|"
_STANDARD_PORTS = {"http": 80, "https": 443}
# From 1024 up, ports where something else than web pages listens, which a request might upset: those that browsers
# refuse (WHATWG Fetch, "bad port"), and those of databases, queues and the programs by which machines are managed.
_BROWSERS_REFUSE = (
    1719,
    1720,
    1723,
    2049,
    3659,
    4045,
    4190,
    5060,
    5061,
    6000,
    6566,
    6665,
    6666,
    6667,
    6668,
    6669,
    6679,
    6697,
    10080,
)
_SERVICES = (
    *(1433, 1521, 1883, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 4369, 5432, 5672, 5900, 5984, 5985, 5986, 6379, 6443),
    *(8500, 9042, 9092, 9200, 9300, 10250, 10255, 11211, 27017, 27018, 27019),
)
_BAD_PORTS = frozenset((*_BROWSERS_REFUSE, *_SERVICES))


@dataclass(frozen=True)
class Target:
    """One place to ask.

    host: a name in lower-case ASCII, or an IP address without brackets. address: that address, where it is one. path:
    with the query, escaped, as it stands in the request.
    """

    scheme: str
    host: str
    port: int
    path: str
    address: Address | None

    @property
    def quoted(self) -> str:
        """The host for an error: all that is said there of a place that somebody else may have chosen."""
        return quoted_host(self.host)

    @property
    def authority(self) -> str:
        """The host, with the port where it is not the usual one: the `Host` header."""
        host = f"[{self.host}]" if isinstance(self.address, IPv6Address) else self.host
        return host if self.port == _STANDARD_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL in its plainest form."""
        return f"{self.scheme}://{self.authority}{self.path}"


def target_of(url: str) -> Target:
    """The place that `url` names. Raises ToolError where it is not plainly one, or not one of the public internet."""
    url = url.strip(" ")
    shown = for_terminal_line(url)
    if len(url) > _LONGEST_URL:
        raise ToolError(f"the URL is longer than {_LONGEST_URL} characters")
    if re.search(r"[\x00-\x20\x7f-\xa0\\]", url) or not url.isprintable():
        raise ToolError(f"{shown!r} holds characters that no URL has (spaces, line breaks, backslashes)")
    shape = _SHAPE.fullmatch(url)
    if shape is None:
        raise ToolError(f"{shown!r} is not the URL of a web page", "it begins with https:// or http://")
    scheme, authority, path = shape[1].lower(), shape[2], shape[3]
    if "@" in authority:
        raise ToolError(f"{shown!r} holds a user name or password, which are never sent", "leave out what is before @")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or not parts[1]:
        raise ToolError(f"{shown!r} names no host, or no usable port")
    host, address = _host(parts[1], shown)
    what = refused_name(host) if address is None else refused_address(address)
    if what is not None:
        raise ToolError(
            f"{quoted_host(host)} is not fetched from: it is {what}", "only the public internet can be reached"
        )
    port = int(parts[2]) if parts[2] else _STANDARD_PORTS[scheme]
    if not _is_usable(port):
        raise ToolError(f"port {port} is not fetched from", "pages are on 80, 443 and most ports from 1024 up")
    escaped = quote(path if path.startswith("/") else f"/{path}", safe=_KEPT)
    return Target(scheme, host, port, escaped, address)


def quoted_host(host: str) -> str:
    """A host name in quotation marks; of a long one the end, which tells whose it is."""
    return repr(host if len(host) <= _LONGEST_HOST else f"…{host[1 - _LONGEST_HOST :]}")


def _host(text: str, shown: str) -> tuple[str, Address | None]:
    """A host name in ASCII, or an IP address and its usual form."""
    if text.startswith("["):
        address = address_of(text[1:-1])
        if not isinstance(address, IPv6Address):
            raise ToolError(f"{shown!r} names no IPv6 address between its brackets")
        return str(address), address
    name = _ascii(text, shown).removesuffix(".")
    address = address_of(name)
    if address is None and (len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split("."))):
        raise ToolError(f"{shown!r} names no usable host")
    return name, address


def _ascii(name: str, shown: str) -> str:
    """The name as it is looked up. Other scripts are mapped first: digits and dots of theirs become plain ones."""
    if name.isascii():
        return name.lower()
    import idna

    try:
        return idna.encode(name, uts46=True).decode("ascii").lower()
    except idna.IDNAError as error:
        raise ToolError(f"{shown!r} names no usable host") from error


def _is_usable(port: int) -> bool:
    return port in (80, 443) or (1024 <= port <= 65535 and port not in _BAD_PORTS)

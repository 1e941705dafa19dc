"""Where a server is, what it needs, and how long it may take: one frozen dataclass, and the rules for its key."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from fireside.errors import ModelError
from fireside.text import for_terminal_line

Kind = Literal["auto", "openai", "compatible", "vllm", "llama-server", "llama-cpp-python", "ollama", "fireside"]


@dataclass(frozen=True)
class RemoteServer:
    """An OpenAI-compatible server.

    url: up to and with `/v1`; an address without a path stands for one that ends so.
    model: the server's name for the model; "" takes the only one it has.
    key_variable: the environment variable that holds the key, or None where none is needed. The key itself is read for
        each request and kept nowhere.
    kind: what is known of the server beyond the common part of the API; "auto" finds out.
    context_length: in tokens, where the server does not tell it; 0 asks the server.
    allow_plain_http: send the key unencrypted to another machine.
    connect_s: seconds for a connection. first_s: until the reply's first piece; a long prompt on a slow machine takes
        its time. between_s: between two pieces. total_s: for a whole reply.
    retries: how often a request is sent again that failed before its reply began. backoff_s: the wait before the first
        of these; it doubles each time. longest_wait_s: where the server asks for a longer one, the request fails.
    """

    url: str
    model: str = ""
    key_variable: str | None = None
    kind: Kind = "auto"
    context_length: int = 0
    allow_plain_http: bool = False
    connect_s: float = 10.0
    first_s: float = 300.0
    between_s: float = 60.0
    total_s: float = 3600.0
    retries: int = 2
    backoff_s: float = 0.5
    longest_wait_s: float = 60.0

    @property
    def base(self) -> str:
        """The address that routes such as `/chat/completions` are added to. Raises ModelError for a wrong one."""
        parts = _parts(self.url)
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/v1'}"

    @property
    def root(self) -> str | None:
        """The address above `/v1`, where servers have routes of their own; None where it does not end so."""
        return self.base.removesuffix("/v1") if self.base.endswith("/v1") else None

    @property
    def host(self) -> str:
        """Host and port, as they are told to a person."""
        return for_terminal_line(_parts(self.url).netloc, 100)

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, and so out of reach of proxies and of anyone on the way."""
        name = _parts(self.url).hostname or ""
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost"

    def key(self) -> str | None:
        """The key to send, or None. Raises ModelError: it is not set, cannot be sent, or must not travel so."""
        if self.key_variable is None:
            return None
        if not self.is_loopback and not self.base.startswith("https:") and not self.allow_plain_http:
            raise ModelError(
                f"the key for {self.host} would travel unencrypted, for anyone on the way to read",
                "use an https:// address, or set allow_plain_http for this server",
            )
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise ModelError(
                f"the environment variable {self.key_variable}, which should hold the key for {self.host}, is not set",
                f"set it before Fireside is started: export {self.key_variable}=...",
            )
        if not re.fullmatch(r"[!-~]+", key):
            raise ModelError(
                f"what the environment variable {self.key_variable} holds cannot be a key: it has blanks or other "
                "characters that cannot be sent",
                "set it again, to the key alone",
            )
        return key


def _parts(url: str) -> SplitResult:
    """The parts of an address. Raises ModelError where requests cannot be sent there."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\x00-\x1f\x7f\\]", url):
        # What stands before an @ may be a password.
        shown = for_terminal_line(url.rpartition("@")[2], 100)
        raise ModelError(f"{shown!r} is not the address of a server", "write it as in http://localhost:8000/v1")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ModelError(
            "a server's address must not hold a name, a password, a query or a fragment",
            "put the key into an environment variable and name that as key_variable",
        )
    return parts

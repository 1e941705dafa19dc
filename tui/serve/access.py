"""Who may talk to the server: this machine alone, or whoever holds the token."""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from fireside.errors import FiresideError
from tui.serve.problems import ApiError

TOKEN_VARIABLE = "FIRESIDE_SERVE_TOKEN"
_SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Access:
    """token: what `Authorization: Bearer` must carry, or None. local: only this machine can connect."""

    token: str | None = field(repr=False)
    local: bool

    def check_host(self, host: str | None) -> None:
        """Refuse a foreign Host on a loopback server. Raises ApiError 403.

        A web page can have its own host name resolved to 127.0.0.1 (DNS rebinding) and would then be of the same
        origin as this server; the name it was reached by gives it away.
        """
        if self.local and not _names_this_machine(host or ""):
            raise ApiError(403, "this server answers to localhost alone", code="host_not_allowed")

    def check_origin(self, origin: str | None, host: str | None) -> None:
        """Refuse what a page of another origin sends, as `Origin` tells. Raises ApiError 403.

        Browsers hold no page back from opening a WebSocket to any server, and name the page's origin alone.
        """
        if origin is None or origin.lower() != f"http://{host or ''}".lower():
            raise ApiError(403, "pages of other origins are given no leave", code="origin_not_allowed")

    def check_token(self, authorization: str | None) -> None:
        """Raises ApiError 401 without the right token, where one is asked for."""
        if self.token is None:
            return
        scheme, _, given = (authorization or "").partition(" ")
        # Both are always compared.
        same = same_secret(given.strip(), self.token)
        if scheme.lower() != "bearer" or not same:
            raise ApiError(
                401,
                "a bearer token is needed: Authorization: Bearer TOKEN",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )


def same_secret(given: str, secret: str) -> bool:
    """Whether the two are equal, found in the same time whatever was given."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())


def read_token(file: Path | None) -> str | None:
    """The token in `file`, or else in the environment, from which it is taken out: no child process needs to see it.

    It never comes from the command line, which every user of a machine can read. Raises FiresideError.
    """
    given = os.environ.pop(TOKEN_VARIABLE, None)
    source = TOKEN_VARIABLE
    if file is not None:
        source = str(file)
        try:
            given = file.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise FiresideError(f"cannot read the token file {file}: {reason}", "check the path") from error
    if given is None:
        return None
    if not re.fullmatch(rf"[!-~]{{{_SHORTEST_TOKEN},}}", given):
        raise FiresideError(
            f"the token in {source} is not usable: it needs at least {_SHORTEST_TOKEN} printable characters, no spaces",
            "make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return given


def access_for(address: str, token: str | None) -> Access:
    """The rules for a server bound to the IP `address`. Raises FiresideError: open to others, and without a token."""
    local = is_loopback(address)
    if not local and token is None:
        raise FiresideError(
            f"a server on {address} can be reached from other machines, so it needs a token",
            f"set {TOKEN_VARIABLE}, or name a file with --token-file; without --host only this machine can connect",
        )
    return Access(token, local)


def is_loopback(address: str) -> bool:
    """Whether `address` is an IP address of this machine alone."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _names_this_machine(host: str) -> bool:
    """Whether a Host header (`NAME`, `NAME:PORT`, `[IPv6]:PORT`) names the loopback."""
    matched = re.fullmatch(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::\d{1,5})?", host.strip())
    if matched is None:
        return False
    name = (matched[1] or matched[2] or "").rstrip(".").lower()
    return name == "localhost" or is_loopback(name)

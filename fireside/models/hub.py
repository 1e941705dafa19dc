"""A Hugging Face hub over HTTP: which files a repository has, and one file's bytes from some place on.

`HF_ENDPOINT` names another hub; `HF_TOKEN` is sent to that hub alone, never to where it redirects to. huggingface_hub
is not used: it does not compare what it got with its sha256, its default transfer starts anew after a cut connection
and goes to another host than `HF_ENDPOINT`, and it takes tokens from files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urljoin, urlsplit

from fireside import __version__
from fireside.errors import ModelError

if TYPE_CHECKING:
    import httpx

_ENDPOINT = "https://huggingface.co"
_MOST_REDIRECTS, _MOST_PAGES, _LONGEST_LISTING = 5, 50, 64 * 1024 * 1024
_CONNECT_S, _READ_S = 10.0, 30.0
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubFile:
    """A file of a repository. path: within it. sha256: of a large file; of a small one, only git's `blob` is known."""

    path: str
    size: int
    sha256: str = ""
    blob: str = ""

    @property
    def identity(self) -> str:
        """What changes when the content does."""
        return self.sha256 or self.blob


@dataclass(frozen=True)
class Listing:
    """The files of a repository at one commit."""

    repository: str
    commit: str
    files: tuple[HubFile, ...]


class Interrupted(Exception):
    """The connection failed, or the hub asks to come back later: worth another try. wait_s: what it asked for."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass
class Hub:
    """The hub of this environment. `close` ends its connections.

    token: "" sends none.
    """

    endpoint: str
    token: str = field(default="", repr=False)
    _client: httpx.Client | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls) -> Hub:
        """By `HF_ENDPOINT` and `HF_TOKEN`. Raises ModelError where the endpoint is no http address."""
        endpoint = (os.environ.get("HF_ENDPOINT") or _ENDPOINT).strip().rstrip("/")
        try:
            scheme, host, _ = _origin(endpoint)
        except ValueError:
            scheme = host = ""
        if scheme not in ("http", "https") or not host or "@" in endpoint:
            raise ModelError("HF_ENDPOINT is not the address of a hub", f"set it to an address such as {_ENDPOINT}")
        token = os.environ.get("HF_TOKEN", "").strip()
        if not (token.isascii() and token.isprintable()):
            raise ModelError("HF_TOKEN holds characters that no token has", "copy the token again")
        return cls(endpoint, token)

    def close(self) -> None:
        """End the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def listing(self, repository: str, revision: str) -> Listing:
        """All files of `repository` at `revision`, the commit pinned. Raises ModelError, Interrupted."""
        checked_repository(repository)
        address = f"{self.endpoint}/api/models/{repository}/tree/{quote(revision, safe='')}?recursive=true"
        files: list[HubFile] = []
        commit, cursor = "", ""
        for _ in range(_MOST_PAGES):
            with self._get(address + (f"&cursor={quote(cursor)}" if cursor else ""), {}, repository) as response:
                files += _hub_files(_limited(response))
                commit = commit or _commit(response, revision)
                cursor = _next_cursor(response)
            if not cursor:
                break
        return Listing(repository, commit or revision, tuple(files))

    @contextmanager
    def reading(self, listing: Listing, file: HubFile, start: int, etag: str) -> Iterator[httpx.Response]:
        """The response with the bytes of `file` from `start` on, or all of them where it changed from `etag`.

        Status 200 (all), 206 (from `start` on) or 416 (there is no byte at `start`). Raises ModelError, Interrupted.
        """
        address = f"{self.endpoint}/{listing.repository}/resolve/{quote(listing.commit, safe='')}/{quote(file.path)}"
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if etag:
                headers["If-Range"] = etag
        with self._get(address, headers, listing.repository, file.path) as response:
            yield response

    @contextmanager
    def _get(self, address: str, headers: dict[str, str], repository: str, path: str = "") -> Iterator[httpx.Response]:
        """Ask, and follow redirects, none from https to http. The token goes to the hub's own host and port alone."""
        import httpx

        if self._client is None:
            agent = {"User-Agent": f"fireside/{__version__}"}
            self._client = httpx.Client(timeout=httpx.Timeout(_READ_S, connect=_CONNECT_S), headers=agent)
        try:
            for _ in range(_MOST_REDIRECTS + 1):
                own = dict(headers)
                if self.token and _origin(address) == _origin(self.endpoint):
                    own["Authorization"] = f"Bearer {self.token}"
                with self._client.stream("GET", address, headers=own, follow_redirects=False) as response:
                    if response.has_redirect_location:
                        address = redirected(address, response.headers["location"])
                        continue
                    self._check(response, repository, path)
                    yield response
                    return
            raise ModelError(f"{_host(address)} redirects without end", "try again later")
        except (httpx.TransportError, httpx.InvalidURL, UnicodeError) as error:
            reason = str(error) or type(error).__name__
            raise Interrupted(f"the connection to {_host(address)} failed: {reason}") from error

    def _check(self, response: httpx.Response, repository: str, path: str) -> None:
        """Raise what a status other than success means."""
        status, what = response.status_code, f"{path} of {repository}" if path else repository
        if status in (200, 206, 416):
            return
        if status in (401, 403):
            gated = response.headers.get("x-error-code") == "GatedRepo"
            reason = "its owner wants you to ask for access first" if gated else "it is private, or does not exist"
            have = "the token in HF_TOKEN does not allow it" if self.token else "no token is set"
            raise ModelError(
                f"{_host(self.endpoint)} refuses {what}: {reason}, and {have}",
                "check the name, ask for access on its page, and put a token that may read it into HF_TOKEN",
            )
        if status in (404, 410):
            code = response.headers.get("x-error-code", "")
            missing = "that revision of " if code == "RevisionNotFound" else ""
            raise ModelError(f"{_host(self.endpoint)} has no {missing}{what}", "check the name on its web page")
        if status in (408, 425, 429) or status >= 500:
            wait = response.headers.get("retry-after", "")
            raise Interrupted(
                f"{_host(str(response.url))} answers with status {status}", float(wait) if wait.isdecimal() else 0.0
            )
        raise ModelError(
            f"{_host(str(response.url))} answers with status {status} for {what}",
            "try again later, or check HF_ENDPOINT",
        )


def redirected(address: str, location: str) -> str:
    """Where `address` redirects to. Raises ModelError: to no web address, or from https to http."""
    try:
        following = urljoin(address, location)
        scheme, host, _ = _origin(following)
    except ValueError:
        scheme = host = following = ""
    if scheme not in ("http", "https") or not host:
        raise ModelError(f"{_host(address)} redirects to no web address", "check HF_ENDPOINT")
    if urlsplit(address).scheme == "https" and scheme == "http":
        raise ModelError(f"{_host(address)} redirects to an unencrypted address", "check HF_ENDPOINT")
    return following


def checked_repository(name: str) -> str:
    """`name` if it can be a repository's (ORG/NAME). Raises ModelError."""
    if not _REPOSITORY.fullmatch(name) or ".." in name:
        raise ModelError(f"{name!r} is not the name of a repository", "write hf:ORG/NAME, as on its web page")
    return name


def safe_path(path: str) -> bool:
    """Whether a repository's path stays inside the folder it is put into, on any system."""
    pure = PurePosixPath(path)
    return (
        bool(pure.parts)
        and path.isprintable()
        and "\\" not in path
        and ":" not in path
        and not pure.is_absolute()
        and str(pure) == path
        and all(part != ".." and not part.startswith(".") and len(part) <= 200 for part in pure.parts)
    )


def _limited(response: httpx.Response) -> Any:
    """The JSON of a response that is not endless."""
    import json

    data = bytearray()
    for piece in response.iter_bytes():
        data += piece
        if len(data) > _LONGEST_LISTING:
            raise ModelError("the hub's list of files is too long", "check HF_ENDPOINT")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ModelError("the hub's answer is not a list of files", "check HF_ENDPOINT") from None


def _hub_files(document: Any) -> list[HubFile]:
    """Files of one page. The shape: {"type": "file", "path", "size", "oid", "lfs": {"oid", "size"}}."""
    found = []
    try:
        for entry in document:
            if entry["type"] != "file":
                continue
            large = entry.get("lfs") or {}
            size, sha256 = large.get("size", entry["size"]), str(large.get("oid", "")).removeprefix("sha256:")
            if not isinstance(entry["path"], str) or not isinstance(size, int) or size < 0:
                raise ValueError
            if large and not _SHA256.fullmatch(sha256):
                raise ValueError
            found.append(HubFile(entry["path"], size, sha256, "" if large else str(entry["oid"])))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ModelError("the hub's answer is not a list of files", "check HF_ENDPOINT") from None
    return found


def _commit(response: httpx.Response, revision: str) -> str:
    named = str(response.headers.get("x-repo-commit", ""))
    return named if _COMMIT.fullmatch(named) else revision


def _next_cursor(response: httpx.Response) -> str:
    """Of the next page, "" where this is the last. Its host is not looked at: a mirror may hand on the original's."""
    following = response.links.get("next", {}).get("url", "")
    return parse_qs(urlsplit(following).query).get("cursor", [""])[0]


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _host(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

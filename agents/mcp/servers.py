"""The MCP servers the person has named: how each is started or reached, a folder each in `FIRESIDE_HOME/mcp`."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fireside import paths
from fireside.atomic import write_text
from fireside.configuration import explained, read_toml
from fireside.errors import StorageError, ToolError, did_you_mean

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Line = Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=10_000)]


class Server(BaseModel):
    """How one server is started (`command`) or reached (`url`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    command: tuple[Line, ...] = ()
    """A program and its arguments, which speaks MCP over its stdin and stdout. No shell reads them."""
    folder: Path | None = None
    """The folder that program is started in; the person's home folder where none is named."""
    environment: tuple[VariableName, ...] = ()
    """Environment variables that are passed on to that program, beside PATH, HOME and LANG. Values are kept nowhere."""
    url: Annotated[str, Field(max_length=2000)] = ""
    """The address of a server that speaks MCP over HTTP."""
    token_variable: VariableName | None = None
    """The environment variable that holds its bearer token. The token itself is kept nowhere."""
    trust_hints: bool = False
    """Believe what the server says its tools do (`readOnlyHint`...), and class them by that instead of as `network`."""
    timeout_s: float = Field(default=60.0, gt=0, le=3600)
    """Seconds for one call."""
    start_s: float = Field(default=30.0, gt=0, le=600)
    """Seconds until the server has to answer after its start."""

    @model_validator(mode="after")
    def _is_whole(self) -> Server:
        if bool(self.command) == bool(self.url):
            raise ValueError("a server has either a command or a url")
        if self.command and self.token_variable:
            raise ValueError("token_variable goes with a url; a command's variables stand in environment")
        if self.url:
            _check_url(self.url, with_token=self.token_variable is not None)
        return self

    @property
    def place(self) -> str:
        """The command line or the address, for the person."""
        return self.url or json.dumps(self.command, ensure_ascii=False)


def server_names() -> list[str]:
    """The names of all servers, in order."""
    folder = paths.home() / "mcp"
    if not folder.is_dir():
        return []
    return sorted(each.name for each in folder.iterdir() if (each / "server.toml").is_file())


def read_server(name: str) -> Server:
    """The server called `name`. Raises ToolError where there is none, SettingsError where its file is wrong."""
    file = server_folder(name) / "server.toml"
    try:
        fields = read_toml(file)
    except FileNotFoundError:
        raise _missing(name) from None
    try:
        return Server.model_validate(fields)
    except ValidationError as error:
        raise explained(error, Server, str(file)) from error


def add_server(name: str, server: Server, *, replace: bool = False) -> None:
    """Write the server down. Raises ToolError: there is one of this name. StorageError: the disk does not allow it."""
    folder = server_folder(name)
    if (folder / "server.toml").exists() and not replace:
        raise ToolError(f"there already is an MCP server {name!r}", "remove it first, or choose another name")
    given = server.model_dump(mode="json", exclude_defaults=True)
    write_text(folder / "server.toml", "".join(f"{key} = {_toml(value)}\n" for key, value in given.items()))


def remove_server(name: str) -> None:
    """Forget the server and what was pinned of it. Raises ToolError: there is none. StorageError."""
    folder = server_folder(name)
    if not (folder / "server.toml").exists():
        raise _missing(name)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StorageError(f"cannot remove {folder}: {error.strerror}", "check its permissions") from error


def server_folder(name: str) -> Path:
    """Where everything about the server called `name` is kept. Raises ToolError for a name that will not do."""
    if not _NAME.fullmatch(name):
        raise ToolError(
            f"{name!r} is not a usable name for an MCP server",
            "use 1 to 32 letters, digits, '_' or '-', beginning with a letter or digit",
        )
    return paths.home() / "mcp" / name


def variable(name: str, owner: str) -> str:
    """The environment variable `name` that the server `owner` needs. Raises ToolError where it is not set."""
    value = os.environ.get(name)
    if value is None:
        raise ToolError(f"the MCP server {owner} needs the environment variable {name}, which is not set", "set it")
    return value


def _missing(name: str) -> ToolError:
    known = server_names()
    otherwise = f"there are: {', '.join(known)}" if known else "add one: fireside mcp add NAME --command PROGRAM"
    return ToolError(f"there is no MCP server {name!r}", did_you_mean(name, known, otherwise))


def _check_url(url: str, *, with_token: bool) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"the url cannot be read: {error}") from error
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        raise ValueError("a url begins with http:// or https:// and a host")
    if "@" in parts.netloc:
        raise ValueError("a url holds no password; put a token into an environment variable, and its name here")
    if with_token and parts.scheme == "http" and host not in _LOOPBACK:
        raise ValueError("a token is sent over https alone, or to this machine")


def _toml(value: object) -> str:
    """A value of `Server` as TOML: JSON's notation, but for DEL, which TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")

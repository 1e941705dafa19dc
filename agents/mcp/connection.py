"""A session with one MCP server, held open by a task of its own; a server that died is named, with its last words."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from agents.mcp.last_words import LastWords
from agents.mcp.process import process_streams
from agents.mcp.quiet import keep_quiet
from agents.mcp.quoted import quoted
from agents.mcp.servers import Server
from agents.mcp.web import web_streams
from fireside import __version__
from fireside.errors import FiresideError, ToolError

if TYPE_CHECKING:
    from mcp.client.session import ClientSession
    from mcp_types import Request, ServerCapabilities
    from pydantic import BaseModel

    Answer = TypeVar("Answer", bound=BaseModel)

_CLOSE_S = 6.0
# With the last words on stderr and the last line that is no message, no more than 500 characters.
_LONGEST_PROBLEM = 200


class Connection:
    """One server. Its methods may be called from any task of the event loop that opened it."""

    def __init__(self, name: str, server: Server) -> None:
        self.name, self.server = name, server
        self._words = LastWords()
        self._task: asyncio.Task[None] | None = None
        self._session: ClientSession | None = None
        self._ended = False

    @property
    def alive(self) -> bool:
        """Whether it is open and nothing is known of its end."""
        return self._task is not None and not self._task.done() and not self._words.over

    @property
    def capabilities(self) -> ServerCapabilities:
        """What the server says it has: tools, prompts, resources."""
        found = self._session.server_capabilities if self._session else None
        assert found is not None, "open() comes first"
        return found

    async def open(self) -> None:
        """Start or reach the server, and agree on a version of the protocol. Raises ToolError."""
        if self._ended:
            raise self._failed("is no longer used here")
        await self.close()
        self._words = LastWords()
        opened: asyncio.Future[ClientSession] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold(opened, self._words))
        try:
            async with asyncio.timeout(self.server.start_s):
                self._session = await opened
        except TimeoutError:
            await self.close()
            heard = f"; {self._words.heard()}" if self._words.heard() else ""
            raise self._failed(f"did not answer within {self.server.start_s:g} seconds of its start{heard}") from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the session, and the server where it is a program of ours. Never raises."""
        if self._task is None:
            return
        self._task.cancel()
        done, _ = await asyncio.wait({self._task}, timeout=_CLOSE_S)
        if not done:
            self._task.cancel()  # a farewell that is not answered
            await asyncio.wait({self._task}, timeout=_CLOSE_S)

    async def end(self) -> None:
        """Close it for good: no call that is still to come starts it again. Never raises."""
        self._ended = True
        await self.close()

    async def request(self, request: Request[Any, Any], answer: type[Answer], seconds: float) -> Answer:
        """Send one request of the protocol; return what the server answers.

        Raises ToolError: it died (with its last words), did not answer in time, refused, or answered nonsense.
        """
        import anyio
        from mcp.shared.exceptions import MCPError
        from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT
        from pydantic import ValidationError

        assert self._session is not None, "open() comes first"
        try:
            return await self._session.send_request(request, answer, request_read_timeout_seconds=seconds)
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(str(part) for part in problem["loc"])
            said = quoted(f"{place}: {problem['msg']}")
            raise self._failed(f"answered with what is no valid result: {said}") from error
        except (anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            raise await self._died() from error
        except MCPError as error:
            if error.code == CONNECTION_CLOSED and await self._over():
                raise await self._died() from error
            if error.code == REQUEST_TIMEOUT:
                raise self._failed(f"did not answer within {seconds:g} seconds") from error
            raise self._failed(f"refused: {quoted(error.message)}") from error

    async def _hold(self, opened: asyncio.Future[ClientSession], words: LastWords) -> None:
        """Keep the session open until this task is cancelled or the server ends."""
        from mcp import Client
        from mcp_types import Implementation

        keep_quiet()
        streams = process_streams if self.server.command else web_streams
        us = Implementation(name="fireside", version=__version__)
        problem: FiresideError | None = None
        try:
            async with Client(streams(self.name, self.server, words), client_info=us, cache=None) as client:
                if not opened.done():
                    opened.set_result(client.session)
                await asyncio.Event().wait()
        except FiresideError as error:
            problem = error
        except Exception as error:
            first = _first(error)
            if not words.over:
                words.wrong = quoted(str(first) or type(first).__name__, _LONGEST_PROBLEM)
        finally:
            words.over = True
            if not opened.done():
                opened.set_exception(problem or self._failed(f"did not start: {words.told()}"))

    async def _over(self) -> bool:
        """Whether the server is gone for good; what ends the session is known a moment after what it says."""
        if self._words.over or self._task is None:
            return True
        done, _ = await asyncio.wait({self._task}, timeout=0.2)
        return bool(done)

    async def _died(self) -> ToolError:
        await self.close()
        return self._failed(f"died: {self._words.told()}")

    def _failed(self, what: str) -> ToolError:
        return ToolError(f"the MCP server {self.name} {what}", f"look at it: fireside mcp show {self.name}")


def _first(error: BaseException) -> BaseException:
    """What went wrong, out of the groups that the SDK's tasks put around it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

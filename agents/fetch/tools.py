"""The tool `fetch_page`: a web page as text."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from agents.fetch.urls import target_of
from agents.tools import Tool, Traits, tool_from_function
from fireside.errors import ToolError
from fireside.text import for_terminal_line

if TYPE_CHECKING:
    from agents.fetch.connect import Network

_TIMEOUT_S = 45.0
_MOST_CHARACTERS = 8000


def fetch_tools(network: Network | None = None) -> tuple[Tool, ...]:
    """`fetch_page`. network: how the internet is reached; None is the system's way."""

    async def fetch_page(url: Annotated[str, Field(max_length=2000)]) -> str:
        """Fetch a web page and return its text.

        Args:
            url: the address of the page, beginning with https:// or http://

        Examples:
            read https://example.com/news -> {"url": "https://example.com/news"}
            what does the page http://example.org say -> {"url": "http://example.org"}
            summarise https://example.com/a.html -> {"url": "https://example.com/a.html"}
        """
        from agents.fetch.client import fetch
        from agents.fetch.page import page_of

        fetched = await (fetch(url) if network is None else fetch(url, network))
        page = await asyncio.to_thread(page_of, fetched)
        title = for_terminal_line(page.title)
        return "\n".join([*([f"Title: {title}"] if title else []), f"URL: {page.url}", "", page.text])

    traits = Traits(
        risk="network",
        untrusted=True,
        timeout_s=_TIMEOUT_S,
        most_characters=_MOST_CHARACTERS,
        canonical=lambda arguments: {"url": target_of(arguments["url"]).url},
        preview=preview,
    )
    return (tool_from_function(fetch_page, traits),)


def preview(arguments: Mapping[str, Any]) -> str:
    """The exact URL that will be asked for, and its host by itself, or why there will be no request."""
    try:
        target = target_of(str(arguments["url"]))
    except ToolError as error:
        return f"nothing is fetched: {error.message}"
    return f"GET {target.url}\nfrom {target.authority}"

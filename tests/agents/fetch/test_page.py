"""From a fetched page to the tool's result."""

from __future__ import annotations

import asyncio

import pytest
from fetch_world import PUBLIC, World, reply, served
from made_pdfs import pdf_file

from agents.fetch.client import Fetched
from agents.fetch.page import page_of
from agents.fetch.tools import fetch_tools, preview
from agents.tools import run_tool
from fireside.errors import ToolError

URL = "https://public.example/a"
HTML = (
    "<html><head><title>On \x07warmth</title><script>alert(1)</script></head><body><nav>Home</nav><main>"
    "<h1>Fire</h1><p>Warm caf\u00e9.</p><!-- hidden --></main></body></html>"
)


def page(data: bytes, kind: str, charset: str = "") -> str:
    return page_of(Fetched(URL, kind, charset, data)).text


def test_the_main_text_of_html_in_the_encoding_that_the_server_names() -> None:
    read = page_of(Fetched(URL, "text/html", "ISO-8859-1", HTML.encode("latin-1")))
    assert read.text == "Fire\n\nWarm caf\u00e9."
    assert read.title.startswith("On")
    assert read.url == URL


def test_pdf_is_read_as_text() -> None:
    read = page_of(Fetched(URL, "application/pdf", "", pdf_file(["Keep the fire warm"])))
    assert "Keep the fire warm" in read.text
    assert read.title == ""


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "text/markdown", "application/json", "application/xml", "application/ld+json", "text/a+xml", ""],
)  # fmt: skip
def test_text_is_taken_as_it_is(kind: str) -> None:
    assert page(b'{"a": 1}\n', kind) == '{"a": 1}\n'


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        ("caf\u00e9".encode("cp1252"), "windows-1252", "caf\u00e9"), ("\u0436".encode("koi8_r"), "KOI8-R", "\u0436"),
        ("\u0436\u0436 \u00e9".encode(), "", "\u0436\u0436 \u00e9"), (b"caf\xff", "utf-8", "caf\ufffd"),
        (b"a+b", "punycode", "a+b"), (b"a\\u0041", "unicode_escape", "a\\u0041"), (b"plain", "nonsense", "plain"),
        (b"plain", "zip", "plain"),
    ],
)  # fmt: skip
def test_the_servers_encoding_is_followed_where_it_is_one_of_pages(data: bytes, charset: str, text: str) -> None:
    assert page(data, "text/plain", charset) == text


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"x", "image/png"), (b"x", "application/octet-stream"), (bytes(range(64)) * 4, "text/html"),
        (b"PK\x03\x04\x00\x00" + bytes(50), "text/html"), (b"\x89PNG\x00\x00", ""), (b"<html>", "application/pdf"),
        (b"%PDF-1.7\n", "text/html"), (b"GIF89a\x00", "text/plain"), (b"x", "multipart/mixed"), (b"x", "text/\x1b[31m"),
    ],
)  # fmt: skip
def test_what_is_no_page_is_refused_whatever_it_says_it_is(data: bytes, kind: str) -> None:
    with pytest.raises(ToolError, match="is not a page that can be read") as caught:
        page(data, kind)
    assert "\x1b" not in caught.value.message


def test_a_damaged_or_empty_page_is_one_error_about_the_host() -> None:
    for data, kind in ((b"%PDF-1.7\nbroken", "application/pdf"), (b"<html></html>", "text/html"), (b" ", "text/html")):
        with pytest.raises(ToolError, match=r"the page of 'public\.example' ") as caught:
            page(data, kind)
        assert "/tmp" not in caught.value.message


async def test_the_tool_gives_title_final_url_and_text() -> None:
    world = World()
    world.redirects["/old"] = "/new"

    async def html(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(HTML.encode(), "Content-Type: text/html; charset=utf-8"))

    world.answers["/new"] = html
    async with served(world):
        (tool,) = fetch_tools(world.network())
        result = await run_tool(tool, {"url": "http://public.example/old"})
        assert result == "Title: On warmth\nURL: http://public.example/new\n\nFire\n\nWarm caf\u00e9."
        with pytest.raises(ToolError, match="is this machine"):
            await run_tool(tool, {"url": "http://127.0.0.1/"})
    assert {address for address, _ in world.dialled} == {PUBLIC}


def test_the_tool_says_what_it_is_and_what_a_call_does() -> None:
    (tool,) = fetch_tools()
    assert (tool.name, tool.traits.risk, tool.traits.untrusted) == ("fetch_page", "network", True)
    for _, arguments in tool.examples:
        assert preview(tool.validate(arguments)).startswith("GET http")
    assert preview({"url": "https://B\u00fccher.example/a?b=c#d"}) == (
        "GET https://xn--bcher-kva.example/a?b=c\nfrom xn--bcher-kva.example"
    )
    assert preview({"url": "http://a@10.0.0.1/"}).startswith("nothing is fetched")

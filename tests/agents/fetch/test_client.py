"""What a reply may be: its size, its packing, its time, and what is sent to get it."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest
from fetch_world import ENOUGH, PUBLIC, World, reply, served

from agents.fetch.client import Limits, fetch
from agents.fetch.urls import target_of
from fireside.errors import ToolError

SMALL = Limits(bytes=100_000, total_s=5.0)
URL = "http://public.example/page"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served(World()) as running:
        yield running


def answers(world: World, *pieces: bytes) -> None:
    """The page is these bytes."""

    async def write(path: str, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    world.answers["/page"] = write


async def refused(world: World, limits: Limits = SMALL) -> str:
    with pytest.raises(ToolError) as caught:
        await fetch(URL, world.network(), limits)
    return caught.value.message


async def test_a_page_comes_with_its_kind_and_charset(world: World) -> None:
    answers(world, reply(b"warm", 'Content-Type: Text/HTML; a=b; CHARSET="UTF-8"'))
    fetched = await fetch(URL, world.network())
    assert (fetched.url, fetched.kind, fetched.charset, fetched.data) == (URL, "text/html", "UTF-8", b"warm")


async def test_what_is_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    await fetch("http://public.example:8080/a%20b/é?q=ü&r=1#part", world.network())
    lines = world.requests[0].decode().split("\r\n")
    assert lines[0] == "GET /a%20b/%C3%A9?q=%C3%BC&r=1 HTTP/1.1"
    names = [line.partition(":")[0] for line in lines[1:] if line]
    assert names == ["Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"]
    assert "Host: public.example:8080" in lines
    assert world.dialled == [(PUBLIC, 8080)]


async def test_a_cookie_is_not_sent_back(world: World) -> None:
    async def first(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(b"", "Set-Cookie: a=b", "Location: /second", status="307 Temporary Redirect"))

    world.answers["/page"] = first
    await fetch(URL, world.network())
    assert len(world.requests) == 2
    assert b"cookie" not in world.requests[1].lower()


async def test_the_next_address_is_tried_where_one_does_not_answer(world: World) -> None:
    world.names["public.example"] = [("2a00:1450:4001:80b::200e", PUBLIC)]
    world.down = {"2a00:1450:4001:80b::200e"}
    await fetch(URL, world.network())
    assert [address for address, _ in world.dialled] == ["2a00:1450:4001:80b::200e", PUBLIC]
    world.down.add(PUBLIC)
    assert "cannot be reached" in await refused(world)


async def test_a_body_without_end_is_given_up(world: World) -> None:
    async def endless(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    world.answers["/page"] = endless
    assert len(await world.naive_get(URL)) >= ENOUGH
    assert "longer than the 0.1 MB" in await refused(world)


async def test_a_length_that_is_too_much_is_believed(world: World) -> None:
    answers(world, b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n")
    assert "longer than" in await refused(world)


@pytest.mark.parametrize("window", [31, 15, -15])
async def test_a_bomb_is_not_unpacked(world: World, window: int) -> None:
    packing = zlib.compressobj(9, wbits=window)
    packed = packing.compress(bytes(20_000_000)) + packing.flush()
    assert len(packed) < 100_000  # it gets through a limit on what arrives
    answers(world, reply(packed, f"Content-Encoding: {'gzip' if window == 31 else 'deflate'}"))
    assert "longer than" in await refused(world)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "x-gzip"])
async def test_packed_bodies_are_unpacked(world: World, encoding: str) -> None:
    text = b"warm fire " * 1000
    answers(
        world,
        reply(zlib.compress(text) if encoding == "deflate" else gzip.compress(text), f"Content-Encoding: {encoding}"),
    )
    assert (await fetch(URL, world.network(), SMALL)).data == text


@pytest.mark.parametrize(
    "body", [gzip.compress(b"warm" * 99, mtime=0)[:-10], b"not packed", gzip.compress(b"warm", mtime=0)[:5]]
)
async def test_a_damaged_packing_is_said(world: World, body: bytes) -> None:
    answers(world, reply(body, "Content-Encoding: gzip"))
    assert "damaged" in await refused(world)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd", "compress"])
async def test_other_packings_are_refused(world: World, encoding: str) -> None:
    answers(world, reply(b"x", f"Content-Encoding: {encoding}"))
    assert "packed in a way" in await refused(world)


async def test_a_server_that_says_nothing_is_given_up(world: World) -> None:
    async def silent(path: str, writer: asyncio.StreamWriter) -> None:
        await writer.wait_closed()

    world.answers["/page"] = silent
    assert "does not answer" in await refused(world, Limits(read_s=0.1))
    assert "within 0.1 seconds" in await refused(world, Limits(total_s=0.1))


async def test_a_body_that_trickles_is_given_up_by_the_whole_time(world: World) -> None:
    sent = 0

    async def trickle(path: str, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x")
            sent += 1
            await writer.drain()
            await asyncio.sleep(0.01)

    world.answers["/page"] = trickle
    assert "within 0.2 seconds" in await refused(world, Limits(read_s=0.1, total_s=0.2))
    assert sent > 3


@pytest.mark.parametrize(
    "answer",
    [b"", b"\x00\xff\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50_000,
     b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nwarm", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
)  # fmt: skip
async def test_what_is_not_http_is_one_error(world: World, answer: bytes) -> None:
    answers(world, answer)
    assert "public.example" in await refused(world)


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "304 Not Modified", "401 Unauthorized"])
async def test_other_statuses_are_said(world: World, status: str) -> None:
    answers(world, reply(b"no", status=status))
    assert f"answered {status[:3]}" in await refused(world)


@pytest.mark.parametrize("location", ["http://[::1/", "http://public.example:99999/", "mailto:a@b.example"])
async def test_a_redirect_to_nowhere_is_one_error(world: World, location: str) -> None:
    world.redirects["/page"] = location
    assert "redirects to" in await refused(world)


async def test_a_name_that_is_not_found(world: World) -> None:
    with pytest.raises(ToolError, match=r"'missing\.example' was not found"):
        await fetch("http://missing.example/", world.network())
    world.names["empty.example"] = [()]
    with pytest.raises(ToolError, match="no usable addresses"):
        await fetch("http://empty.example/", world.network())


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("HTTPS://Example.COM", "https://example.com/"), ("http://example.com:80/a?b#c", "http://example.com/a?b"),
        ("https://example.com:8443/x y".replace(" ", "%20"), "https://example.com:8443/x%20y"),
        ("http://bücher.example/ß", "http://xn--bcher-kva.example/%C3%9F"), ("http://example.com.?q", "http://example.com/?q"),
        ("https://[2a00:1450:4001:80b:0::200e]/", "https://[2a00:1450:4001:80b::200e]/"), ("http://8.8.8.8", "http://8.8.8.8/"),
    ],
)  # fmt: skip
def test_urls_in_their_plainest_form(url: str, plain: str) -> None:
    assert target_of(url).url == plain
    assert target_of(plain).url == plain


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "http://", "http://a..example/", "http://-a.example/", "http://a b.example/", "http://[]/",
        "http://[8.8.8.8]/", "http://example.com:/:", "http://exa<mple.com/", "http://example.com:0x50/",
        "http://" + "a" * 64 + ".example/", "http://a.example/" + "x" * 2000, "http://example.com/\u202efdp",
    ],
)  # fmt: skip
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ToolError):
        target_of(url)

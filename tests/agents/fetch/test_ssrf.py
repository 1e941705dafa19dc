"""Addresses and redirects that must not be reached. Each case gets through without the guard, and not with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fetch_world import PUBLIC, PUBLIC_6, SECRET, World, served

from agents.fetch.client import Limits, fetch
from fireside.errors import ToolError

NEAR = ("127.0.0.1",)
HOSTS = [
    # IPv4: this machine, private networks, the link, metadata, what is reserved
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.254", "172.16.0.1", "172.31.255.1",
    "192.168.0.1", "192.168.255.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200",
    "100.127.255.254", "168.63.129.16", "192.0.0.192", "198.18.0.1", "198.19.255.1", "192.0.2.1", "198.51.100.1",
    "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    # forms that the C library understands
    "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1", "0x7f.1", "0",
    "127.0.0.1.", "2852039166",
    # other scripts' digits and dots, escapes
    "127。0。0。1", "①②⑦.⓪.⓪.①", "１２７.0.0.1", "%31%32%37.0.0.1", "127.0.0%2e1",
    # IPv6
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[fe80::1]", "[fe80::1%25lo]", "[fc00::1]", "[fd00:ec2::254]",
    "[fd20:ce::254]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[3fff::1]", "[100::1]", "[5f00::1]", "[4000::1]",
    # IPv6 that stands for IPv4: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]", "[::ffff:93.184.215.14]", "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::169.254.169.254]", "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001:0:5db8:d70e::80ff:fffe]", "[2a00:1450::5efe:127.0.0.1]",
    "[2a00:1450::200:5efe:10.0.0.1]",
]  # fmt: skip
NAMES = [
    "localhost", "LOCALHOST", "localhost.", "a.b.localhost", "ｌｏｃａｌｈｏｓｔ", "printer.local",
    "metadata.google.internal", "router.lan", "nas.home.arpa", "kubernetes.default.svc.cluster.local", "intranet",
    "metadata", "wiki.corp",
]  # fmt: skip
URLS = [
    "http://public.example@127.0.0.1/", "http://public.example:80@127.0.0.1/", "http://public.example%2f@127.0.0.1/",
    "http://a:b@127.0.0.1:8080/", "http://127.0.0.1\\@public.example/", "http:\\\\127.0.0.1\\", "http:///127.0.0.1/",
    "http:127.0.0.1/", "HTTP://127.0.0.1", "  http://127.0.0.1/", "http://127.0.\t0.1/", "ht\ntp://127.0.0.1/",
    "http://127.0.0.1?@public.example/", "http://127.0.0.1#@public.example/", "http://127.0.0.1:00080/",
    "gopher://127.0.0.1:6379/_FLUSHALL", "ftp://127.0.0.1/", "dict://127.0.0.1:11211/stat", "https://127.0.0.1:443/",
]  # fmt: skip
PORTS = [22, 25, 110, 1, 0, 6379, 11211, 2375, 5432, 9200, 6667, 27017]
# What a public name may stand for.
ANSWERS = [
    ("127.0.0.1",), ("10.0.0.7",), ("169.254.169.254",), ("100.100.100.200",), ("::1",), ("::ffff:10.0.0.7",),
    ("64:ff9b::a00:7",), ("fe80::1",), ("fd00:ec2::254",), ("2002:a00:7::",), ("0.0.0.0",),
    (PUBLIC, "10.0.0.7"), (PUBLIC_6, PUBLIC, "192.168.1.1"), ("127.0.0.1", PUBLIC),
]  # fmt: skip
REDIRECTS = [
    "http://127.0.0.1/", "//127.0.0.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://2130706433/",
    "http://0x7f.1/", "http://127.1:8080/", "http://169.254.169.254/latest/meta-data/", "http://near.example/",
    "http://localhost/", "http://public.example@10.0.0.1/", "http:\\\\127.0.0.1\\", "/\\127.0.0.1/",
    "http://public.example:6379/", "gopher://127.0.0.1:70/", "http://[64:ff9b::7f00:1]/",
]  # fmt: skip


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    world.names |= {name.lower().rstrip("."): [NEAR] for name in (*NAMES, "localhost", "near.example")}
    async with served(world) as running:
        yield running


async def gets_through(world: World, url: str) -> None:
    """Without the guard: the secret comes, and not from the public server."""
    assert SECRET in await world.naive_get(url)
    assert world.dialled[-1] != (PUBLIC, 80)
    world.forget()


async def is_stopped(world: World, url: str, hops: int = 0) -> ToolError:
    """With the guard: a clear error, and nobody was asked but the public server that redirects."""
    with pytest.raises(ToolError) as caught:
        await fetch(url, world.network())
    assert world.dialled == [(PUBLIC, 80)] * hops
    assert len(world.requests) == hops
    return caught.value


@pytest.mark.parametrize("host", [*HOSTS, *NAMES])
async def test_hosts_that_are_not_public(world: World, host: str) -> None:
    await gets_through(world, f"http://{host}/")
    await is_stopped(world, f"http://{host}/")


@pytest.mark.parametrize("url", URLS)
async def test_urls_that_hide_where_they_lead(world: World, url: str) -> None:
    await gets_through(world, url)
    await is_stopped(world, url)


@pytest.mark.parametrize("port", PORTS)
async def test_ports_where_no_pages_are(world: World, port: int) -> None:
    await gets_through(world, f"http://public.example:{port}/")
    await is_stopped(world, f"http://public.example:{port}/")


@pytest.mark.parametrize("addresses", ANSWERS, ids=str)
async def test_names_that_stand_for_an_address_nearby(world: World, addresses: tuple[str, ...]) -> None:
    world.names["evil.example"] = [addresses]
    # The public ones of them do not answer: who has no guard goes on to the next.
    world.down = {PUBLIC, PUBLIC_6}
    await gets_through(world, "http://evil.example/")
    error = await is_stopped(world, "http://evil.example/")
    assert "its address" in error.message


@pytest.mark.parametrize("first", [(PUBLIC,), (PUBLIC_6,)])
async def test_a_name_that_changes_between_check_and_use(world: World, first: tuple[str, ...]) -> None:
    def rebind() -> None:
        world.names["rebinding.example"] = [first, NEAR]

    rebind()
    assert await world.look_up("rebinding.example", 80) == first  # checked, then used:
    await gets_through(world, "http://rebinding.example/")
    rebind()
    fetched = await fetch("http://rebinding.example/page", world.network())
    assert fetched.url == "http://rebinding.example/page"
    assert world.dialled == [(first[0], 80)]


async def test_a_name_that_changes_between_two_redirects(world: World) -> None:
    def rebind() -> None:
        world.names["rebinding.example"] = [(PUBLIC,), NEAR]
        world.redirects["/again"] = "/secret"

    rebind()
    await gets_through(world, "http://rebinding.example/again")
    rebind()
    await is_stopped(world, "http://rebinding.example/again", hops=1)


@pytest.mark.parametrize("location", REDIRECTS)
@pytest.mark.parametrize("hops", [1, 3])
async def test_redirects_that_lead_nearby(world: World, location: str, hops: int) -> None:
    chain = [f"/hop{index}" for index in range(hops)]
    world.redirects = dict(zip(chain, [*chain[1:], location], strict=True))
    await gets_through(world, "http://public.example/hop0")
    error = await is_stopped(world, "http://public.example/hop0", hops)
    assert "redirects" in error.message or "its address" in error.message


@pytest.mark.parametrize("loop", [{"/a": "/a"}, {"/a": "/b", "/b": "/a"}, {"/a": "http://public.example/a"}])
async def test_redirects_in_circles(world: World, loop: dict[str, str]) -> None:
    world.redirects = loop
    assert await world.naive_get("http://public.example/a", 30) == b"redirected without end"
    world.forget()
    error = await is_stopped(world, "http://public.example/a", Limits().redirects + 1)
    assert "more than 5 times" in error.message


@pytest.mark.parametrize(
    "url",
    [
        "http://public.example/ HTTP/1.1\r\nX-Injected: 1\r\nA: b", "http://public.example/?q=\r\nX-Injected: 1",
        "http://public.example/\nX-Injected: 1\r\nA: b",
    ],
)  # fmt: skip
async def test_headers_in_a_url(world: World, url: str) -> None:
    await world.naive_get(url)
    assert b"\nX-Injected: 1" in world.requests[0]
    world.forget()
    await is_stopped(world, url)


async def test_headers_in_a_redirect_stay_escaped(world: World) -> None:
    world.redirects["/a"] = "/b%0d%0aX-Injected:%201"
    await fetch("http://public.example/a", world.network())
    assert world.requests[-1].startswith(b"GET /b%0d%0aX-Injected:%201 HTTP/1.1\r\n")


async def test_a_file_is_no_page(world: World, tmp_path: object) -> None:
    from pathlib import Path
    from urllib.request import urlopen

    file = Path(str(tmp_path)) / "secret.txt"
    file.write_bytes(SECRET)
    with urlopen(file.as_uri()) as opened:  # the standard library reads it
        assert opened.read() == SECRET
    for url in (file.as_uri(), f"file://public.example{file}"):
        await is_stopped(world, url)


async def test_the_system_resolver_is_checked_too() -> None:
    from agents.fetch.client import INTERNET

    assert "127.0.0.1" in await INTERNET.look_up("localhost", 80)
    listening = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    import ipaddress

    # An address of this machine that is a public one, as servers have, is found out when the connection stands.
    with pytest.raises(ToolError, match="this machine"):
        await INTERNET.dial(ipaddress.ip_address("127.0.0.1"), port, 5.0)
    listening.close()
    await listening.wait_closed()

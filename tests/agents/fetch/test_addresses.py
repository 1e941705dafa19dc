from __future__ import annotations

import ipaddress
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

import httpx
import pytest
from fetch_world import loosely_read
from hypothesis import given
from hypothesis import strategies as st

from agents.fetch.addresses import Address, refused_address, refused_name
from agents.fetch.urls import target_of
from fireside.errors import ToolError

V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
V6 = st.integers(0, 2**128 - 1).map(IPv6Address)
# A random IPv6 address is almost never one of those that matter.
SPECIAL = st.sampled_from(
    [
        "::",
        "64:ff9b::",
        "64:ff9b:1::",
        "2001::",
        "2001:db8::",
        "2002::",
        "fc00::",
        "fe80::",
        "fec0::",
        "ff00::",
        "2a00::",
    ]
)
NEAR_6 = st.builds(lambda start, rest: IPv6Address(int(IPv6Address(start)) | rest), SPECIAL, st.integers(0, 2**70))


def is_plainly_public(address: Address) -> bool:
    """By the flags of the standard library."""
    return address.is_global and not (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or getattr(address, "is_site_local", False)
    )


@given(st.one_of(V4, V6, NEAR_6))
def test_what_is_allowed_is_public_by_every_flag(address: Address) -> None:
    if refused_address(address) is None:
        assert is_plainly_public(address)


@given(V4)
def test_a_refused_address_is_special_or_stands_for_another(address: IPv4Address) -> None:
    if refused_address(address) is not None:
        relays = ("192.88.99.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24", "168.63.129.16/32")
        also = any(address in ipaddress.ip_network(network) for network in relays)
        assert also or not is_plainly_public(address) or address in ipaddress.ip_network("192.0.0.0/24")


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**16 - 1))
def test_no_form_of_an_ipv4_address_in_ipv6_is_allowed(inner: int, network: int, more: int) -> None:
    forms = (
        inner,
        0xFFFF << 32 | inner,
        0xFFFF << 48 | inner,
        int(IPv6Address("64:ff9b::")) | inner,
        int(IPv6Address("64:ff9b:1::")) | more << 32 | inner,
        0x2002 << 112 | inner << 80 | network,
        0x20010000 << 96 | network,
        network << 64 | 0x5EFE << 32 | inner,
        network << 64 | 0x02005EFE << 32 | inner,
    )
    assert all(refused_address(IPv6Address(form)) is not None for form in forms)


@pytest.mark.parametrize(
    "text",
    [
        "8.8.8.8", "1.1.1.1", "93.184.215.14", "172.15.255.255", "172.32.0.1", "100.128.0.1", "192.167.255.255",
        "223.255.255.254", "2a00:1450:4001:80b::200e", "2606:4700::1111",
    ],
)  # fmt: skip
def test_public_addresses_are_allowed(text: str) -> None:
    assert refused_address(ipaddress.ip_address(text)) is None


def test_an_address_of_one_interface_is_refused() -> None:
    assert refused_address(IPv6Address("2a00::1%eth0")) is not None


@pytest.mark.parametrize(
    "name", ["example.com", "a.b.example", "localhost.example", "x--y.example", "local.example.org"]
)
def test_public_names_are_allowed(name: str) -> None:
    assert refused_name(name) is None


@pytest.mark.parametrize(
    "name", ["localhost", "a.localhost", "x.local", "x.internal", "x", "1.2.3.4.5", "a.0x1f", "a.7"]
)
def test_names_nearby_are_refused(name: str) -> None:
    assert refused_name(name) is not None


HOSTS = "public.example a.example localhost 127.0.0.1 8.8.8.8 0x7f.1 10.1 2130706433 [::1] [2606:4700::1111] é.example"
TRICKS = ": :// / \\ @ # ? % %40 %2f [ ] . 。 ． ① １２７ ß x - _ .. :80 :8080 :22 http:// //"
PARTS = st.sampled_from([*HOSTS.split(), *TRICKS.split(), " ", "\t", "\n", "\u200b", "\xad"])


@given(st.builds("".join, st.tuples(st.sampled_from(HOSTS.split()), st.lists(PARTS, max_size=4).map("".join))))
def test_an_accepted_url_leads_every_program_to_the_same_public_host(text: str) -> None:
    url = f"http://{text}"
    try:
        target = target_of(url)
    except ToolError:
        return
    assert target_of(target.url) == target
    assert httpx.URL(target.url).raw_host.decode() == target.host
    with suppress(httpx.InvalidURL):
        assert httpx.URL(url.strip(" ")).raw_host.decode().rstrip(".") == target.host
    scheme, host, port, _ = loosely_read(target.url)
    assert (scheme, host, port) == (target.scheme, target.host, target.port)
    assert target.address is not None or not refused_name(target.host)
    assert target.address is None or is_plainly_public(target.address)

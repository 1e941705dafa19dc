"""Which IP addresses and host names a page may be fetched from: those of the public internet, and no others.

An address is allowed only where it is known to be a public one. The networks below are those of the IANA registries of
special-purpose addresses (RFC 6890, as of 2025) and of older standards whose addresses stand for another one.
"""

from __future__ import annotations

import ipaddress
import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

_REFUSED_4 = {
    "0.0.0.0/8": "this host or this network",
    "10.0.0.0/8": "a private network",
    "100.64.0.0/10": "a provider's own network (RFC 6598), with cloud metadata in it",
    "127.0.0.0/8": "this machine",
    "168.63.129.16/32": "a cloud's metadata service",
    "169.254.0.0/16": "the local link, with cloud metadata in it",
    "172.16.0.0/12": "a private network",
    "192.0.0.0/24": "reserved for protocols",
    "192.0.2.0/24": "for documentation",
    "192.31.196.0/24": "reserved for protocols (AS112)",
    "192.52.193.0/24": "reserved for protocols (AMT)",
    "192.88.99.0/24": "a 6to4 relay",
    "192.168.0.0/16": "a private network",
    "192.175.48.0/24": "reserved for protocols (AS112)",
    "198.18.0.0/15": "for benchmarks",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
_REFUSED_6 = {
    "::/128": "this host",
    "::1/128": "this machine",
    "::ffff:0:0/96": "an IPv4 address in IPv6 form",
    "::ffff:0:0:0/96": "an IPv4 address in IPv6 form (translated, RFC 2765)",
    "::/96": "an IPv4 address in IPv6 form (compatible, RFC 4291)",
    "64:ff9b::/96": "an IPv4 address behind a translator (NAT64)",
    "64:ff9b:1::/48": "an IPv4 address behind a translator (NAT64)",
    "100::/64": "a black hole",
    "2001::/32": "an IPv4 address in a tunnel (Teredo)",
    "2001::/23": "reserved for protocols",
    "2001:db8::/32": "for documentation",
    "2002::/16": "an IPv4 address in a tunnel (6to4)",
    "2620:4f:8000::/48": "reserved for protocols (AS112)",
    "3ffe::/16": "the former 6bone",
    "3fff::/20": "for documentation",
    "fc00::/7": "a private network",
    "fe80::/10": "the local link",
    "fec0::/10": "a private network (site-local)",
    "ff00::/8": "multicast",
}
_NETWORKS_4 = {IPv4Network(network): what for network, what in _REFUSED_4.items()}
_NETWORKS_6 = {IPv6Network(network): what for network, what in _REFUSED_6.items()}
# All that IANA has given to the public internet lies in here.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# The middle of an ISATAP address, before the IPv4 address (RFC 5214, 6.1); the second bit 7 set.
_ISATAP = (0x00005EFE, 0x02005EFE)
# Names for machines that are near (RFC 6761, RFC 6762, RFC 8375, and what routers, firms and clouds use).
_LOCAL_DOMAINS = frozenset(
    [
        "localhost",
        "local",
        "localdomain",
        "internal",
        "intranet",
        "private",
        "corp",
        "home",
        "lan",
        "host",
        "onion",
        "arpa",
        "invalid",
    ]
)
# WHATWG URL, "ends in a number": browsers and the C library read a host like this as an IPv4 address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def refused_address(address: Address) -> str | None:
    """What the address stands for, where it must not be connected to; None for one of the public internet."""
    if isinstance(address, IPv4Address):
        return next((what for network, what in _NETWORKS_4.items() if address in network), None)
    if address.scope_id is not None:
        return "an address of one network interface"
    for network, what in _NETWORKS_6.items():
        if address in network:
            return what
    if address not in _GLOBAL_UNICAST:
        return "not an address of the public internet"
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return "an IPv4 address in a tunnel (ISATAP)"
    return None


def refused_name(host: str) -> str | None:
    """What is wrong with a host name (lower case, ASCII, without a dot at its end), where it must not be asked for.

    Only the first line of defence: what a name stands for is decided by the addresses it has.
    """
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return "an IP address in an unusual form"
    if labels[-1] in _LOCAL_DOMAINS:
        return "the name of a machine nearby"
    if len(labels) == 1:
        return "a name without a domain, which only a machine nearby has"
    return None


def address_of(text: str) -> Address | None:
    """`text` as an IP address in its usual form, or None where it is none. Zone ids are kept, to be refused."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None

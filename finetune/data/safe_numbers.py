"""IBANs, card numbers, IP addresses and e-mail addresses in a text, each checked: by checksum, length, range."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

# From the SWIFT IBAN registry: the length of a country's IBAN.
_IBANS = (
    "AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 DE:22 DK:18 DO:28 "
    "EE:20 EG:29 ES:24 FI:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HR:21 HU:28 IE:22 IL:23 IQ:23 IS:26 "
    "IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 LU:20 LV:21 LY:25 MC:27 MD:24 ME:22 MK:19 MR:27 MT:31 MU:30 "
    "NL:18 NO:15 PK:24 PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 SA:24 SC:31 SE:24 SI:19 SK:24 SM:27 ST:25 SV:28 TL:23 "
    "TN:24 TR:26 UA:29 VA:22 VG:24 XK:20"
)
_IBAN_LENGTHS = {each[:2]: int(each[3:]) for each in _IBANS.split()}
_IBAN = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2})\d{2}(?:[ \u00a0-]?+[A-Za-z0-9]){11,30}", re.ASCII)

_CARD = re.compile(r"(?<![\w.,+-])\d(?:[ \u00a0-]?+\d){11,18}+(?![\w]|[.,-]\d)", re.ASCII)
# First digits from ISO/IEC 7812 as the issuers publish them (low, high), and the lengths they issue.
_ISSUERS: tuple[tuple[int, int, frozenset[int]], ...] = (
    (4, 4, frozenset({13, 16, 19})),  # Visa
    (51, 55, frozenset({16})),  # Mastercard
    (2221, 2720, frozenset({16})),
    (34, 34, frozenset({15})),  # American Express
    (37, 37, frozenset({15})),
    (6011, 6011, frozenset({16, 19})),  # Discover
    (644, 659, frozenset({16, 19})),
    (3528, 3589, frozenset({16, 17, 18, 19})),  # JCB
    (1800, 1800, frozenset({15})),
    (2131, 2131, frozenset({15})),
    (300, 305, frozenset({14, 16})),  # Diners Club
    (36, 36, frozenset({14, 16})),
    (38, 39, frozenset({14, 16})),
    (62, 62, frozenset({16, 17, 18, 19})),  # UnionPay
    (2200, 2204, frozenset({16})),  # Mir
    (5018, 5038, frozenset({12, 13, 14, 15, 16, 17, 18, 19})),  # Maestro
    (56, 58, frozenset({12, 13, 14, 15, 16, 17, 18, 19})),
    (6304, 6304, frozenset({12, 13, 14, 15, 16, 17, 18, 19})),
    (6759, 6763, frozenset({12, 13, 14, 15, 16, 17, 18, 19})),
)

_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d|/\d)", re.ASCII)
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{3,39}+(?:\.\d{1,3}){0,3}+(?![\w:])", re.ASCII)
_VERSION = re.compile(r"(?:\bv|\bver(?:sion|\.)?|\brelease|\bbuild|\bfirmware|[=~<>^]=?)\s{0,2}$", re.IGNORECASE)
_BEFORE = 20

_EMAIL = re.compile(
    r"(?<![\w.+%'-])(?![.'-])[\w.+%'-]{1,64}+@(?:[^\W_][\w-]{0,62}+\.){1,6}"
    r"(?=([^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})(?![\w-]))"
)
_FILE_ENDINGS = frozenset(
    {
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "ico",
        "css",
        "js",
        "ts",
        "py",
        "rb",
        "md",
        "json",
        "html",
        "txt",
        "pdf",
    }
)


def find_emails(text: str) -> Iterator[tuple[int, int]]:
    """The spans of e-mail addresses, also those in other scripts; `git@host` and `icon@2x.png` are none."""
    for match in _EMAIL.finditer(text):
        ending = match[1].lower()
        if ending not in _FILE_ENDINGS and not match[0].startswith("git@"):
            yield match.start(), match.end() + len(ending)


def find_ibans(text: str) -> Iterator[tuple[int, int]]:
    """The spans of IBANs: the country's length, and 1 modulo 97 (ISO 13616)."""
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match[1].upper(), 0)
        end, count = match.start(), 0
        while end < match.end() and count < length:
            count += text[end].isalnum()
            end += 1
        if not length or count < length or (end < len(text) and text[end].isalnum() and text[end - 1].isalnum()):
            continue
        characters = "".join(filter(str.isalnum, text[match.start() : end]))
        if int("".join(str(int(each, 36)) for each in characters[4:] + characters[:4])) % 97 == 1:
            yield match.start(), end


def find_cards(text: str) -> Iterator[tuple[int, int]]:
    """The spans of payment card numbers: an issuer's range and length, and Luhn's sum (ISO/IEC 7812-1)."""
    for match in _CARD.finditer(text):
        digits = "".join(filter(str.isdigit, match[0]))
        if _issued(digits) and _luhn(digits):
            yield match.span()


def find_ips(text: str) -> Iterator[tuple[int, int]]:
    """The spans of IP addresses that can belong to someone: no loopback, netmask, network, nor a version's number."""
    for match in _IPV4.finditer(text):
        if max(map(len, match[0].split("."))) > 1 and _address(match[0]) and not _is_version(text, match.start()):
            yield match.span()
    for match in _IPV6.finditer(text):
        value = match[0] if match[0].endswith("::") else match[0].rstrip(":")
        if (
            value.count(":") >= 2
            and len(value.replace(":", " ").split()) >= 2
            and any(map(str.isdigit, value))
            and _address(value)
        ):
            yield match.start(), match.start() + len(value)


def _issued(digits: str) -> bool:
    return any(
        low <= int(digits[: len(str(low))]) <= high and len(digits) in lengths for low, high, lengths in _ISSUERS
    )


def _luhn(digits: str) -> bool:
    """Whether every second digit from the right, doubled, makes a sum that ends in 0."""
    values = [int(digit) for digit in reversed(digits)]
    return sum(values[::2] + [value * 2 - 9 * (value > 4) for value in values[1::2]]) % 10 == 0


def _address(value: str) -> bool:
    """Whether this is an IP address of a host."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or value.startswith("255."))


def _is_version(text: str, start: int) -> bool:
    return _VERSION.search(text[max(0, start - _BEFORE) : start]) is not None

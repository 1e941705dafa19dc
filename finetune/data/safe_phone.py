"""Phone numbers in a text: groups of digits that a country's numbering plan allows and that are written as phones are.

The plans are those of libphonenumber. What is a phone number by its digits alone (ten digits in the US) may be an order
number too, so the way it is written and the words before it decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "PL", "BR", "MX", "IN", "JP", "CN", "AU")
"""Countries (ISO 3166) whose numbers are found where they are written without the country's code."""

_FEWEST, _MOST = 7, 15  # digits; ITU-T E.164 allows 15
_MOST_GROUPS = 7
_LONGEST_BARE = 11  # digits with a leading 0 and no gap; an EAN has 13
# Between groups: a space, a hyphen, a dot, a bracket or a slash. " - " is a minus sign or a dash between two numbers.
_GAP = r"(?:[ \u00a0]?[()/][ \u00a0]?-?\(?|[ \u00a0.\-\u2010\u2011\u2013])"
_NUMBER = re.compile(
    rf"(?<![\w.,:+#@/=<>*-])(?<!\w-)(?:\(?\+|\()?+\d++(?:{_GAP}\d++){{0,8}}+"
    r"(?:\s{0,2}(?:x|ext\.?|extension|poste|int\.?|Durchwahl)\s{0,2}\d{1,6})?(?![\w@]|[.,:]\d|-\w| ?[=*\u00d7^<+])",
)
_EXTENSION = re.compile(r"\s{0,2}(?:x|ext|poste|int|Durchwahl).*", re.DOTALL)
_GROUP = re.compile(r"\d+")
_NATIONAL_GROUPS = frozenset(
    {(3, 3, 4), (1, 3, 3, 4), (3, 3, 3), (3, 2, 2, 2), (2, 4, 4), (2, 5, 4), (5, 5), (3, 4, 4), (4, 3, 3), (5, 3, 3)}
)
_NOT_PHONE = re.compile(
    r"(?:\d{4}([-./ ])\d{1,2}\1\d{1,2}|\d{1,2}([-./ ])\d{1,2}\2(?:\d{4}|\d{2})|\d{4} ?[-\u2013] ?\d{4}|\d\.\d+)"
)
_ISBN = re.compile(r"97[89](?:[- ]?\d){10}|(?=.{13}$)\d{1,5}([- ])\d{1,7}\1\d{1,7}\1\d")
_CUE = re.compile(
    r"(?P<phone>phone|\btel\b|t[eé]l[eé]?f|t[eé]l[eé]phone|\bcell|\bcall|\bmobil|m[oó]vil|portable|\bhandy|\bfax|"
    r"whatsapp|signal|\bsms\b|\btext (?:me|us|him|her)|reach|\bring|\bruf|appel|joindre|llam|\bchiam|\bligue|celular|"
    r"contact|hotline|\u96fb\u8a71|\u7535\u8bdd|\u624b\u673a|\u643a\u5e2f|\u0442\u0435\u043b)"
    r"|(?P<other>isbn|issn|order|invoice|bestell|rechnung|commande|facture|pedido|factura|ordine|fattura|version|build|"
    r"serial|serie|\bref|ticket|\bcase\b|\bsku|\bpart|artikel|art\.|item|tracking|sendung|parcel|colis|article|"
    r"number of|\bid\b|batch|lot\b|model|\biso\b|\brfc|\bpage|vol\.|\bdoi|[ug]uid|"
    r"patent|barcode|\bean\b|kunden|client n|"
    r"n[\u00b0\u00ba]|#|\$|\u20ac|\u00a3|account|konto)",
    re.IGNORECASE,
)
_BEFORE = 40


def find_phones(text: str, regions: Sequence[str] = REGIONS) -> Iterator[tuple[int, int]]:
    """The spans of phone numbers, in order. regions: whose numbers are known without a country's code."""
    for match in _NUMBER.finditer(text):
        number = match[0]
        start = match.start()
        if number.startswith("(") and number.count("(") > number.count(")"):
            number = number[1:]
            start += 1
        if not _FEWEST <= len("".join(_GROUP.findall(_EXTENSION.sub("", number)))) <= _MOST + 2:
            continue
        if len(_GROUP.findall(number)) <= _MOST_GROUPS and _is_phone(number, _cue(text, start), tuple(regions)):
            yield start, match.end()


def _cue(text: str, start: int) -> str | None:
    """What the last telling word of the line before `start` speaks of: "phone", "other", or None."""
    before = text[max(0, start - _BEFORE) : start].rpartition("\n")[2]
    cues = [match.lastgroup for match in _CUE.finditer(before)]
    return cues[-1] if cues else None


def _is_phone(number: str, cue: str | None, regions: tuple[str, ...]) -> bool:
    """Whether a run of digits is a phone number, by its form and the cue."""
    national = _EXTENSION.sub("", number)
    groups = _GROUP.findall(national)
    digits = "".join(groups)
    if number.lstrip("(").startswith("+"):
        return _possible("+" + digits, None) or _possible(number, None)
    if cue == "other" or _NOT_PHONE.fullmatch(national) or _ISBN.fullmatch(national):
        return False
    if cue == "phone":
        return any(_possible(number, region) for region in regions)
    if len(groups) == 1 and not (digits.startswith("00") or (digits.startswith("0") and len(digits) <= _LONGEST_BARE)):
        return False
    shape = tuple(map(len, groups))
    if "/" in national and ("." in national or not national.startswith(("0", "(0")) or shape[0] < 3):
        return False
    if (
        digits.startswith("00")
        or national.startswith("(")
        or (shape in {(3, 3, 4), (1, 3, 3, 4)} and digits[-10] not in "01")
    ):
        return any(_possible(number, region) for region in regions)
    if digits.startswith("0") or shape in _NATIONAL_GROUPS:
        return any(_valid(number, region) for region in regions)
    return False


@lru_cache(maxsize=4096)
def _possible(number: str, region: str | None) -> bool:
    """Whether the region has numbers of this length."""
    import phonenumbers

    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


@lru_cache(maxsize=4096)
def _valid(number: str, region: str) -> bool:
    """Whether the region's plan assigns this number."""
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False

"""Keys and tokens in a text: known forms of services, private keys, and random values given to names like `api_key`.

The forms are those the services publish (AWS: IAM identifiers; GitHub: token formats of 2021; Slack: token types; JWT:
RFC 7519; PEM: RFC 7468). Every pattern is bounded or possessive, so that time grows with the length of the text.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

_FORMS = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"  # AWS access keys
    r"|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}|glpat-[\w-]{20,64}"  # GitHub, GitLab
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,255}|xapp-[A-Za-z0-9-]{10,255}"  # Slack
    r"|eyJ[\w-]{5,4096}+\.eyJ[\w-]{5,8192}+\.[\w-]{10,4096}"  # JWT: two JSON objects, in base64url, and a signature
    r"|AIza[\w-]{35}|hf_[A-Za-z0-9]{30,64}|npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,255}"
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{20,128}|sk-(?:[a-z]{2,10}-)?[\w-]{32,200}"  # Stripe; OpenAI, Anthropic
    r"|SG\.[\w-]{22}\.[\w-]{43}|dop_v1_[a-f0-9]{64}"
    r")(?![A-Za-z0-9_])"
)
_HOOK = re.compile(r"https://hooks\.slack\.com/services/[A-Z0-9]{6,16}/[A-Z0-9]{6,16}/[A-Za-z0-9]{16,40}")
_PEM = re.compile(r"-----BEGIN ([A-Z ]{0,30})PRIVATE KEY-----")
_LONGEST_PEM = 20_000
_IN_URL = re.compile(r"://[^\s/:@\[\]]{1,64}+:([^\s/@\[\]]{3,128}+)@")
_NAMED = re.compile(
    r"(?:secret|token|passw(?:or)?d|passphrase|pwd|credential|(?:api|access|private|signing|encryption|auth)[ _-]?key)"
    r"""[A-Za-z0-9_-]{0,24}+["'`]?\s{0,3}+(?::=|=>|[:=]|\bis\b)\s{0,3}+["'`]?([^\s"'`<>,;(){}\[\]]{12,512}+)""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\bbearer\s{1,3}+([A-Za-z0-9._~+/-]{20,2048}+=*)", re.IGNORECASE)

_PASSWORD_WORDS = frozenset({"password", "passwd", "pass", "pwd", "pw", "secret", "token"})
_LEAST_BITS = 3.0  # a character; words and repeated fillers have less, 12 random characters of base64 have 3.4
_FILLER = re.compile(r"x{4}|\*{3}|\.{3}|example|changeme|placeholder|your[_-]|environ", re.IGNORECASE)


def find_secrets(text: str) -> Iterator[tuple[int, int]]:
    """The spans of keys and tokens, those of one form after those of another; they may overlap."""
    for begin in _PEM.finditer(text):
        end_line = f"-----END {begin[1]}PRIVATE KEY-----"
        end = text.find(end_line, begin.end(), begin.end() + _LONGEST_PEM)
        yield begin.start(), end + len(end_line) if end >= 0 else begin.end()
    for pattern in (_HOOK, _FORMS):
        for match in pattern.finditer(text):
            yield match.span()
    for match in _IN_URL.finditer(text):
        if match[1].casefold() not in _PASSWORD_WORDS:
            yield match.span(1)
    for pattern in (_BEARER, _NAMED):
        for match in pattern.finditer(text):
            if _random(match[1]):
                yield match.span(1)


def _random(value: str) -> bool:
    """Whether a value looks drawn at random: letters and digits, many different ones, and no filler."""
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return mixed and _bits(value) >= _LEAST_BITS and not _FILLER.search(value)


def _bits(value: str) -> float:
    """Shannon's entropy of the value's characters, in bits a character."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())

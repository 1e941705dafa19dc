"""The string formats of JSON Schema that are kept, as regular expressions; every other format is a note."""

from __future__ import annotations

from collections.abc import Mapping

_YEAR = r"([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_DAY = (
    r"((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
)  # fmt: skip
# Years divisible by 4, those by 100 only where by 400 (the Gregorian calendar); there is no year 0.
_LEAP = r"([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
_DATE = rf"({_YEAR}-{_DAY}|{_LEAP}-02-29)"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?"
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"

FORMATS: Mapping[str, str] = {
    "date": f"^{_DATE}$",  # RFC 3339
    "time": f"^{_TIME}$",
    "date-time": f"^{_DATE}T{_TIME}$",
    "duration": r"^P([0-9]{1,4}W|[0-9]{1,4}[DMY](T[0-9]{1,4}[HMS])?|T[0-9]{1,4}[HMS])$",  # RFC 3339, appendix A
    "email": rf"^[A-Za-z0-9_+-]{{1,24}}(\.[A-Za-z0-9_+-]{{1,24}})?@({_LABEL}\.){{1,3}}[A-Za-z]{{2,8}}$",
    "hostname": rf"^{_LABEL}(\.{_LABEL}){{0,3}}$",
    "ipv4": rf"^{_OCTET}(\.{_OCTET}){{3}}$",
    "ipv6": "^[0-9a-f]{1,4}(:[0-9a-f]{1,4}){7}$",
    "uri": rf"^https?://{_LABEL}(\.{_LABEL}){{0,3}}(:[1-9][0-9]{{0,3}})?(/[A-Za-z0-9._~-]+)*/?(\?[A-Za-z0-9._~=&-]+)?$",
    "uuid": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
}

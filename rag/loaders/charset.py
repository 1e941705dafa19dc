"""Text from bytes, in whatever encoding the file was saved."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from fireside.errors import DocumentError
from rag.loaders.limits import check_length

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Control characters that text files do hold: tab, line feed, vertical tab, form feed, carriage return, escape.
_TEXT_CONTROLS = frozenset(b"\t\n\x0b\x0c\r\x1b")
# The escapes by which ISO-2022-JP enters JIS X 0208 (RFC 1468); its bytes are otherwise plain ASCII.
_JIS_ESCAPES = (b"\x1b$B", b"\x1b$@")
# What a file that is not Unicode may be in, of each script what is usual: with all of Python's 100 codecs to choose
# from, a short text is taken for a rare one too often.
_LEGACY_TEXT = "cp1252 cp1250 cp1251 koi8_r cp1253 cp1254 cp1255 cp1256 cp932 euc_jp gb18030 big5 euc_kr cp874"
_LEGACY = _LEGACY_TEXT.split()
# Letters and marks that Western European text is full of. A text with no others reads the same, or nearly, in a
# neighbouring code page, and a short one is often taken for it.
_WESTERN = frozenset("äöüÄÖÜßéáíóúñçàâêîïôëÉ–—‘’“”…€°§«»¿¡ ")
_SAMPLE = 20_000


def decoded(path: str, data: bytes) -> str:
    """The text in `data`: by its byte order mark, else UTF-8, else UTF-16, else what its bytes look most like.

    Newlines stay as they are. Raises DocumentError where the bytes are not text, or are more of it than is indexed.
    """
    text = _marked(path, data)
    if text is None:
        text = _unmarked(path, data)
    check_length(path, len(text))
    return text


def is_text(data: bytes) -> bool:
    """Whether the beginning of a file is text in some encoding."""
    head = data[:65536]
    if any(head.startswith(mark) for mark, _ in _BYTE_ORDER_MARKS) or _utf16(head):
        return True
    controls = sum(head.count(byte) for byte in range(32) if byte not in _TEXT_CONTROLS)
    return b"\x00" not in head and controls <= len(head) // 50


def _marked(path: str, data: bytes) -> str | None:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            try:
                # A NUL would end the text in SQLite.
                return data.decode(encoding).replace("\x00", " ")
            except UnicodeDecodeError as error:
                raise DocumentError(
                    f"{path} begins as {encoding} but does not go on so: it is damaged", "save it again as UTF-8"
                ) from error
    return None


def _unmarked(path: str, data: bytes) -> str:
    utf16 = _utf16(data)
    if utf16:
        try:
            return data.decode(utf16).replace("\x00", " ")
        except UnicodeDecodeError:
            pass
    # A NUL anywhere: no text file has one.
    if b"\x00" in data or not is_text(data):
        raise DocumentError(f"{path} is not a text file: its content is binary", "save it as UTF-8 text")
    encodings: Iterator[str] = iter(("utf-8",))
    if any(escape in data for escape in _JIS_ESCAPES):
        encodings = iter(("iso2022_jp", "utf-8"))
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    repaired = data.decode("utf-8", "replace")
    marks = repaired.count("\ufffd")
    # UTF-8 with a few damaged places: other encodings do not make so many valid sequences by chance.
    if sum(1 for character in repaired if character > "\x7f") > 20 * marks:
        return repaired
    for encoding in (_likeliest(data), "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _utf16(data: bytes) -> str | None:
    """UTF-16 without a mark shows by the NULs of its ASCII characters, all on one side."""
    head = data[:4096]
    half = len(head) // 2
    if half == 0 or len(data) % 2:
        return None
    even, odd = head[::2].count(0), head[1::2].count(0)
    if odd > 0.3 * half and even * 20 < odd:
        return "utf-16-le"
    if even > 0.3 * half and odd * 20 < even:
        return "utf-16-be"
    return None


def _likeliest(data: bytes) -> str:
    """The encoding that charset-normalizer finds; it judges by the bytes around those that are not ASCII."""
    from charset_normalizer import from_bytes

    first = next(index for index, byte in enumerate(data) if byte > 0x7F)
    start = max(0, first - _SAMPLE // 2)
    # From a line's start to a line's end, so that no character of two bytes is cut.
    start = data.rfind(b"\n", 0, start) + 1
    end = data.find(b"\n", min(start + _SAMPLE, len(data)))
    found = from_bytes(data[start : end if end > 0 else len(data)], cp_isolation=_LEGACY, preemptive_behaviour=False)
    best = found.best()
    western = {character for character in data.decode("cp1252", "replace") if character > "\x7f"} <= _WESTERN
    return best.encoding if best and not (western and best.encoding in ("cp1250", "cp1254")) else "cp1252"

"""PDF files made for tests: text at places, pictures, an outline, a password."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

Text = tuple[float, float, float, str]
"""Left, bottom and size in points, and the words."""

PAGE_WIDTH, PAGE_HEIGHT = 600, 800


def pdf_file(
    pages: Sequence[str | Sequence[Text] | None],
    password: bytes | None = None,
    outline: Sequence[tuple[str, int]] = (),
) -> bytes:
    """A page each: one line of text, texts at places, or a picture (None) and nothing else.

    password: the file is encrypted (40-bit RC4) under that user password, which may be empty. outline: titles with
    the index of their page.
    """
    key, encryption = b"", b""
    if password is not None:
        padding = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
        owner = _rc4(hashlib.md5(padding).digest()[:5], (password + padding)[:32])
        key = hashlib.md5((password + padding)[:32] + owner + b"\xfc\xff\xff\xff" + b"id").digest()[:5]
        user = _rc4(key, padding)
        encryption = b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (
            owner.hex().encode(),
            user.hex().encode(),
        )
    first_page = 5
    first_mark = first_page + 2 * len(pages)
    kids = b" ".join(b"%d 0 R" % (first_page + 2 * index) for index in range(len(pages)))
    marks = b"/Outlines %d 0 R" % first_mark if outline else b""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % marks,
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        _stream(4, b"\x80", key, b"/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray "
                b"/BitsPerComponent 8"),
    ]  # fmt: skip
    for page in pages:
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> /XObject << /I1 4 0 R >> >> >>"
            % (PAGE_WIDTH, PAGE_HEIGHT, len(objects) + 2)
        )
        objects.append(_stream(len(objects) + 1, _content(page), key))
    if outline:
        last = first_mark + len(outline)
        objects.append(
            b"<< /Type /Outlines /First %d 0 R /Last %d 0 R /Count %d >>" % (first_mark + 1, last, len(outline))
        )
        for number, (title, page_index) in enumerate(outline, start=first_mark + 1):
            following = b"/Next %d 0 R" % (number + 1) if number < last else b""
            objects.append(
                b"<< /Title (%s) /Parent %d 0 R /Dest [%d 0 R /Fit] %s >>"
                % (title.encode(), first_mark, first_page + 2 * page_index, following)
            )
    if encryption:
        objects.append(encryption)
    return _written(objects, b"/Encrypt %d 0 R /ID [<6964> <6964>]" % len(objects) if encryption else b"")


def _content(page: str | Sequence[Text] | None) -> bytes:
    if page is None:
        return b"q 500 0 0 700 50 50 cm /I1 Do Q"
    texts: Sequence[Text] = [(20, 100, 12, page)] if isinstance(page, str) else page
    shown = [b"/F1 %.1f Tf 1 0 0 1 %.1f %.1f Tm (%s) Tj" % (size, x, y, text.encode()) for x, y, size, text in texts]
    return b"BT %s ET" % b" ".join(shown)


def _stream(number: int, content: bytes, key: bytes, entries: bytes = b"") -> bytes:
    if key:
        content = _rc4(hashlib.md5(key + number.to_bytes(3, "little") + b"\0\0").digest()[:10], content)
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (entries, len(content), content)


def _written(objects: Sequence[bytes], trailer: bytes) -> bytes:
    data, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return data + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF"
        % (size, table, size, trailer, len(data))
    )


def _rc4(key: bytes, data: bytes) -> bytes:
    box, at = list(range(256)), 0
    for index in range(256):
        at = (at + box[index] + key[index % len(key)]) % 256
        box[index], box[at] = box[at], box[index]
    out, first, second = bytearray(), 0, 0
    for byte in data:
        first = (first + 1) % 256
        second = (second + box[first]) % 256
        box[first], box[second] = box[second], box[first]
        out.append(byte ^ box[(box[first] + box[second]) % 256])
    return bytes(out)

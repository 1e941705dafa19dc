"""Outlook messages (.msg): headers, text and the attachments that can be read."""

from __future__ import annotations

from email.errors import HeaderParseError
from email.header import decode_header, make_header

from rag.loaders import html
from rag.loaders.archive import OLE_MAGIC
from rag.loaders.assemble import Assembly
from rag.loaders.email import add_body
from rag.loaders.enclosed import add_enclosed
from rag.loaders.limits import Allowance, damaged
from rag.types import Document


def load(path: str, data: bytes, allowance: Allowance) -> Document:
    """A `Document` of the message, its subject as the title. Raises DocumentError where it is no Outlook message."""
    if not data.startswith(OLE_MAGIC):
        raise damaged(path, "an Outlook message")
    from oxmsg import Message

    message = Message.load(data)
    sent = message.sent_date
    shown = {
        "From": _unencoded(message.sender or ""),
        "To": "; ".join(filter(None, (_shown(each.name, each.email_address) for each in message.recipients))),
        "Date": sent.strftime("%Y-%m-%d %H:%M") if sent else "",
        "Subject": message.subject,
    }
    assembly = Assembly(path)
    assembly.add("\n".join(f"{name}: {' '.join(value.split())}" for name, value in shown.items() if value))
    if message.body:
        add_body(assembly, message.body)
    elif message.html_body:
        html.add_page(assembly, message.html_body)
    for attachment in message.attachments:
        content = attachment.file_bytes
        if attachment.file_name and content:
            allowance.spend(path, len(content))
            add_enclosed(assembly, attachment.file_name, content, allowance)
    return assembly.document(message.subject)


def _shown(name: str | None, address: str | None) -> str:
    if name and address and name != address:
        return f"{name} <{address}>"
    return name or address or ""


def _unencoded(header: str) -> str:
    """A header that Outlook took over as it came: `=?UTF-8?B?...?=` (RFC 2047)."""
    try:
        return str(make_header(decode_header(header)))
    except (HeaderParseError, ValueError, LookupError):
        return header

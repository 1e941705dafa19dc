"""Mail: single messages (.eml) and mailboxes (.mbox), with headers, text and the attachments that can be read."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage, Message

from fireside.errors import DocumentError
from rag.loaders import html
from rag.loaders.assemble import Assembly
from rag.loaders.charset import decoded
from rag.loaders.enclosed import add_enclosed
from rag.loaders.limits import Allowance, damaged
from rag.loaders.plain import paragraphs
from rag.types import Document

SHOWN_HEADERS = ("From", "To", "Cc", "Date", "Subject")
# "From sender date" begins a message in a mailbox; within a message such a line is quoted (RFC 4155).
_MBOX_BORDER = re.compile(rb"(?:\A|\r?\n)From [^\r\n]{5,}\r?\n")
_ATTACHED_MESSAGE = "message/rfc822"


def load(path: str, data: bytes, allowance: Allowance) -> Document:
    """A `Document` of one message, its subject as the title. Raises DocumentError where it is no mail."""
    message = _parsed(data)
    if not message.keys():
        raise damaged(path, "a mail")
    assembly = Assembly(path)
    _add_message(assembly, message, allowance)
    return assembly.document(header(message, "Subject"))


def load_mailbox(path: str, data: bytes, allowance: Allowance) -> Document:
    """A `Document` of all messages of a mailbox, each under its subject. Raises DocumentError."""
    borders = list(_MBOX_BORDER.finditer(data))
    if not borders or borders[0].start() != 0:
        raise damaged(path, "a mailbox")
    assembly = Assembly(path)
    for border, following in zip(borders, [*borders[1:], None], strict=True):
        message = _parsed(data[border.end() : following.start() if following else len(data)])
        _include_message(assembly, message, allowance)
    return assembly.document()


def header(message: Message, name: str) -> str:
    """A header's text on one line, decoded; empty where it is missing."""
    try:
        return " ".join(str(message.get(name, "")).split())
    except Exception:  # the parser of structured headers stumbles over broken ones in many ways
        return ""


def add_body(assembly: Assembly, text: str) -> None:
    """The paragraphs of a mail's text."""
    for start, end in paragraphs(text, 0, len(text)):
        assembly.add(text[start:end])


def _parsed(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data.lstrip(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _add_message(assembly: Assembly, message: EmailMessage, allowance: Allowance) -> None:
    found = [(name, header(message, name)) for name in SHOWN_HEADERS]
    assembly.add("\n".join(f"{name}: {value}" for name, value in found if value))
    # Alternatives carry the same words; the plain one is written by the sender's program from the other.
    body = message.get_body(("plain", "html"))
    if body is not None:
        _add_part(assembly, body)
    for part in message.iter_attachments():
        if part.get_content_type() == _ATTACHED_MESSAGE:
            inner = part.get_payload(0)
            if isinstance(inner, EmailMessage):
                _include_message(assembly, inner, allowance)
            continue
        for leaf in part.walk():
            name, content = leaf.get_filename(), leaf.get_payload(decode=True)
            if name and isinstance(content, bytes):
                allowance.spend(assembly.path, len(content))
                add_enclosed(assembly, name, content, allowance)
            elif leaf.get_content_type() == "text/plain":
                _add_part(assembly, leaf)


def _include_message(assembly: Assembly, message: EmailMessage, allowance: Allowance) -> None:
    inner = Assembly(assembly.path)
    _add_message(inner, message, allowance)
    assembly.include(inner.document(), header(message, "Subject") or "(no subject)")


def _add_part(assembly: Assembly, part: Message) -> None:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return
    charset = part.get_content_charset()
    try:
        text = content.decode(charset) if charset else decoded(assembly.path, content)
    except (LookupError, UnicodeDecodeError):
        text = decoded(assembly.path, content)
    except DocumentError:
        return
    if part.get_content_type() == "text/html":
        html.add_page(assembly, text)
    else:
        add_body(assembly, text)

"""Mail: headers, the text once, attachments that can be read, messages within messages."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from made_documents import outline, word_file, zip_file
from made_mail import message_file

from fireside.errors import DocumentError
from rag.loaders import email, msg
from rag.loaders.limits import MAX_DEPTH, Allowance


def mail(subject: str = "Früher Frost", text: str = "Drain the pump.\n\nBring birch.\n") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ada <ada@example.org>", "grace@example.org", subject
    message.set_content(text)
    return message


HEADERS = "From: Ada <ada@example.org>\nTo: grace@example.org\nSubject: "


def test_a_mail_has_its_plain_text_and_not_also_its_html() -> None:
    message = mail()
    message.add_alternative("<p>Drain the <b>pump</b>.</p>", subtype="html")
    document = email.load("a.eml", message.as_bytes(), Allowance())
    assert document.title == "Früher Frost"
    assert outline(document) == [(0, f"{HEADERS}Früher Frost"), (0, "Drain the pump."), (0, "Bring birch.")]


def test_a_mail_of_html_alone_is_read_as_a_page() -> None:
    message = EmailMessage()
    message["Subject"] = "News"
    message.set_content("<h1>News</h1><p>Café</p>", subtype="html", charset="cp1252")
    document = email.load("a.eml", message.as_bytes(), Allowance())
    assert outline(document) == [(0, "Subject: News"), (1, "News"), (0, "Café")]


def test_attachments_are_parts_under_their_names() -> None:
    message = mail()
    message.add_attachment(word_file(), maintype="application", subtype="octet-stream", filename="rules.docx")
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="photo.png")
    message.add_attachment(b"PK\x03\x04 broken", maintype="application", subtype="zip", filename="old.docx")
    message.add_attachment(mail("Forwarded", "Said before.\n"))
    document = email.load("a.eml", message.as_bytes(), Allowance())
    assert [text for level, text in outline(document) if level == 1] == ["rules.docx", "Forwarded"]
    assert ("rules.docx", "Cabin", "After") in [block.heading for block in document.blocks]
    assert document.text.endswith("Said before.")
    assert document.notes == ("a.eml/old.docx is not a Word document that can be read: it is damaged; it was left out",)


def test_a_mailbox_has_a_heading_for_each_message() -> None:
    messages = [mail("One", "First.\n>From here on\n"), mail("", "Second.\n"), mail("Three", "<Third>\n")]
    box = b"".join(b"From ada@example.org Thu Jan  1 00:00:00 2024\n" + each.as_bytes() + b"\n" for each in messages)
    document = email.load_mailbox("a.mbox", box, Allowance())
    assert [text for level, text in outline(document) if level] == ["One", "(no subject)", "Three"]
    assert document.blocks[-1].heading == ("Three",)


def test_an_outlook_message_with_an_attachment() -> None:
    made = message_file("Firewood", "Birch only.\r\n\r\nBye", attachment=("list.csv", b"part,price\npump,12\n"))
    document = msg.load("a.msg", made, Allowance())
    assert document.title == "Firewood"
    assert outline(document) == [
        (0, "Subject: Firewood"),
        (0, "Birch only."),
        (0, "Bye"),
        (1, "list.csv"),
        (0, "part: pump | price: 12"),
    ]


@pytest.mark.parametrize(
    ("load", "name", "data"),
    [
        (email.load, "a.eml", b"\n\nno headers"),
        (email.load_mailbox, "a.mbox", b"Subject: no border\n\ntext"),
        (msg.load, "a.msg", b"no compound file"),
    ],
)
def test_what_is_no_mail_is_refused(load: object, name: str, data: bytes) -> None:
    assert callable(load)
    with pytest.raises(DocumentError, match="is damaged"):
        load(name, data, Allowance())


def test_mail_in_mail_without_end_is_left_out() -> None:
    data = b"Deep down."
    for level in range(MAX_DEPTH + 2):
        message = mail(f"level {level}")
        message.add_attachment(
            zip_file({"next.eml" if level else "next.txt": data}), "application", "zip", filename="n.zip"
        )
        data = message.as_bytes()
    document = email.load("a.eml", data, Allowance())
    assert "Deep down." not in document.text
    assert any(f"more than {MAX_DEPTH} files deep" in note for note in document.notes)

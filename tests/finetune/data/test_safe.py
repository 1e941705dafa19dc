"""Personal data is found by its checks, masked the same way twice, and nothing else is touched."""

import random
import time
from itertools import pairwise

import personal_data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.data.conversation import Conversation
from finetune.data.report import apply
from finetune.data.safe import ALL_KINDS, Placeholders, drop_personal, find_personal, mask, mask_personal, tag_toxic
from finetune.data.safe_toxic import find_toxic
from fireside.models.types import Message, ToolCall

FOUND = {
    "email": ["a@b.com", "jürgen.groß@müller-bau.de", "x+y@mail.example.co.uk", "o'neil@school.edu", "用户@例子.公司"],
    "phone": [
        "+49 30 901820",
        "(415) 555-2671 x12",
        "01 23 45 67 89",
        "0049 89 636-48018",
        "+81-3-1234-5678",
        "+1 (212) 555-0100",
        "020 7946 0018",
    ],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "fr14 2004 1010 0505 0001 3m02 606"],
    "card": ["4111 1111 1111 1111", "378282246310005", "5555-5555-5555-4444"],
    "ip": ["10.1.2.30", "93.184.216.34", "2001:db8::8a2e:370:7334", "fe80::1ff:fe23:4567:890a"],
    "secret": [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "aB3" * 12,
        "xoxb-123456789012-abcdefGHIJ",
        "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjMifQ.dBjftJeZ4CVPmB92K27uhbUJU1p1r",
    ],
}
UNTOUCHED = [
    "DE89 3704 0044 0532 0130 01",
    "4111 1111 1111 1112",
    "9111 1111 1111 1111",
    "999.1.2.3",
    "version 10.1.2.30",
    "127.0.0.1",
    "::1",
    "255.255.255.0",
    "12:30:45",
    "std::vector<int>",
    "a::b",
    "2024-01-02",
    "24.12.2024",
    "1914-1918",
    "978-3-16-148410-0",
    "0-306-40615-2",
    "order no. 4155552671",
    "836 + 9852 - 796 = 2896",
    "3.14159265358979",
    "icon@2x.png",
    "git@github.com:a/b",
    "@override",
    "user@host",
    "api_key=None",
    "password: required",
    "token = get_token()",
    "API_KEY=your_api_key_here_123",
    "28.540424, 0.011067",
    "1000 - 200 - 400 = 400",
    "<<1000-200-400=400>>",
    "left 960-480-120 = 360",
    "(100000 - 5038) × 5",
    "161.86 / 74.99",
    "84/100 (20/22/21)",
    "150 (99150)",
    "120 * 50 * 0.87 / 1000",
    "with UUID '0987654321'",
    "34.64.0.0/10",
    "'abc'[::2]",
    "ftp://username:password@host",
    "",
]


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in FOUND.items() for value in values])
@pytest.mark.parametrize("frame", ["{}", "It is {}.", "メモ：「{}」", "({})", "a\n{}\nb"])
def test_a_value_is_found_with_its_kind_and_span(kind: str, value: str, frame: str) -> None:
    text = frame.format(value)
    (found,) = find_personal(text)
    assert (found.kind, text[found.start : found.end]) == (kind, value)


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert mask(text, Placeholders()) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('api_key = "sk9fj2l3kfj20dkf93jf"', "sk9fj2l3kfj20dkf93jf"),
        ('{"client_secret": "Zm9vYmFyMTIzNDU2Nzg5"}', "Zm9vYmFyMTIzNDU2Nzg5"),
        ("Authorization: Bearer 8xLOxBtZp8k2Jq4rT7vY9w", "8xLOxBtZp8k2Jq4rT7vY9w"),
        ("postgres://admin:hunter22@db/prod", "hunter22"),
    ],
)
def test_of_an_assignment_the_value_alone_is_found(text: str, value: str) -> None:
    (found,) = find_personal(text)
    assert (found.kind, text[found.start : found.end]) == ("secret", value)


def test_the_words_before_decide_about_bare_digits() -> None:
    assert mask("Call me: 4155552671", Placeholders()) == "Call me: [PHONE_1]"
    assert mask("Invoice 4155552671", Placeholders()) == "Invoice 4155552671"
    assert mask("4155552671", Placeholders()) == "4155552671"


def test_only_the_kinds_asked_for_are_masked() -> None:
    assert mask("a@b.com 10.1.2.30", Placeholders(), ("ip",)) == "a@b.com [IP_1]"


def row(*contents: str, **more: object) -> Conversation:
    roles = ("user", "assistant")
    messages = tuple(Message(roles[n % 2], content) for n, content in enumerate(contents))  # type: ignore[arg-type]
    return Conversation(messages, 1, **more)  # type: ignore[arg-type]


def test_one_value_has_one_placeholder_throughout_a_row() -> None:
    masked, other = mask_personal([row("I am a@b.com", "A@B.com and c@d.org, 10.1.2.30"), row("c@d.org", "ok")])
    assert [message.content for message in masked.messages] == ["I am [EMAIL_1]", "[EMAIL_1] and [EMAIL_2], [IP_1]"]
    assert masked.tags == ("personal:email", "personal:ip")
    assert other.messages[0].content == "[EMAIL_1]"


def test_a_new_value_does_not_take_the_number_of_one_masked_before() -> None:
    (masked,) = mask_personal([row("x@y.de", "write to [EMAIL_3]")])
    assert masked.messages[0].content == "[EMAIL_4]"


def test_the_arguments_of_calls_are_masked_too() -> None:
    call = ToolCall("send", {"to": ["a@b.com"], "n": 3})
    (masked,) = mask_personal([Conversation((Message("user", "Mail a@b.com"), Message("assistant", "", (call,))), 1)])
    assert masked.messages[1].calls[0].arguments == {"to": ["[EMAIL_1]"], "n": 3}


def test_rows_can_be_dropped_instead() -> None:
    rows = [row("I am a@b.com", "10.1.2.30"), row("Hi", "Hello")]
    result, report = apply("personal", drop_personal, rows)
    assert [each.dropped for each in result] == ["personal data (email, ip)", None]
    assert report.dropped == {"personal data": 1}
    assert result[1] is rows[1]


def test_rows_without_personal_data_and_dropped_ones_are_the_same_objects() -> None:
    rows = [row("Hi", "Hello"), row("a@b.com", "x", dropped="empty")]
    for step in (mask_personal, drop_personal, tag_toxic):
        assert all(new is old for new, old in zip(step(rows), rows, strict=True))


PIECES = st.sampled_from(
    [
        *(value for values in FOUND.values() for value in values),
        *UNTOUCHED,
        "tel ",
        "order ",
        "[EMAIL_1]",
        "[PHONE_2]",
        "é",
        "🔥",
        "\n",
        " ",
        "=",
        "+",
        "0",
        "12",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=8).map("".join))
def test_masking_twice_is_masking_once_and_spans_are_right(text: str) -> None:
    found = find_personal(text)
    assert all(0 <= each.start < each.end <= len(text) for each in found)
    assert all(before.end <= after.start for before, after in pairwise(found))
    masked = mask(text, Placeholders.after([text]))
    assert mask(masked, Placeholders.after([masked])) == masked
    assert (masked == text) == (not found)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=("Nd", "Cs"), exclude_characters="@:=_-"), max_size=200))
def test_text_without_digits_and_signs_is_unchanged(text: str) -> None:
    assert mask(text, Placeholders()) == text


def test_made_items_are_found_and_decoys_are_not() -> None:
    result = personal_data.score(personal_data.make(180, 180, personal_data.LOCALES, seed=3))
    assert result.recall >= personal_data.RECALL, result.missed
    assert result.precision >= personal_data.PRECISION, result.wrongly


HOSTILE = [
    "a",
    "1",
    "1 ",
    "0123 456 ",
    "a@",
    "a.b@c.d-",
    "1.",
    ":",
    "fe:",
    "://a:",
    "eyJ",
    "eyJaaaaaa.",
    "token ",
    "token=",
    "DE12 ",
    "a1-",
    "+",
    "(",
    "@a1",
    "-----BEGIN PRIVATE KEY-----",
    "you are a ",
    "i will kill ",
    "you a a a a ",
    "tel 0",
    "\u0301",
    "bearer ",
    "[EMAIL_1",
    "+1 ",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_time_grows_with_the_length_of_hostile_text(unit: str) -> None:
    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        began = time.process_time()
        find_personal(text)
        list(find_toxic(text))
        return time.process_time() - began

    # Eight times as long may take eight times as long, not 64 times; a little is allowed for what takes no time.
    short = min(seconds(8_000) for _ in range(3))
    assert seconds(64_000) < 24 * short + 0.1


def test_a_row_of_a_megabyte() -> None:
    rng = random.Random(1)
    text = " ".join(rng.choice(("the", "fire", "was", "warm", "1987", "and", "é")) for _ in range(250_000)) + " a@b.com"
    assert len(text) > 1_000_000
    masked = mask(text, Placeholders())
    assert masked == text.removesuffix("a@b.com") + "[EMAIL_1]"


TOXIC = [
    "You are such a worthless idiot.",
    "Go kill yourself.",
    "I will find and kill you.",
    "Shut the fuck up, moron",
    "All immigrants are vermin",
    "n1gger",
    "You're a p4thetic loser",
    "Fick dich, du bist nur Abschaum",
    "Ta gueule, connard",
    "Eres un idiota, vete a la mierda",
    "Je vais te tuer",
    "send me nudes now",
    "I hope you die",
    "YOU STUPID BITCH",
    "I know where you live",
    "Du Hurensohn!",
    "Te voy a matar",
    "nobody likes you",
    "kys",
    "Muslims should be deported",
    "death to gays",
    "you @$$hole, asshole",
    "You're nothing but garbage and everyone knows it",
    "I'm going to beat you to death",
    "These refugees are subhuman filth",
    "you people are disgusting animals",
    "he's a filthy kike",
    "you deserve to be raped",
    "Verpiss dich, du Wichser",
    "T'es vraiment qu'une sale conne",
    "Cállate, pendejo",
    "nobody would miss you if you were dead",
    "gas the jews",
    "I will burn your house down",
    "women are too stupid to vote",
]
CLEAN = [
    "How do I kill a process on Linux?",
    "Which poison kills weeds?",
    "Scunthorpe is in England.",
    "That was a damn good film.",
    "He was shot in 1865.",
    "This class is abstract.",
    "You are not alone.",
    "You are so kind!",
    "Le train est en retard.",
    "Ein Schwein hat vier Beine.",
    "I could murder a curry.",
    "The paper says immigrants are often underpaid.",
    "Is this a stupid question?",
    "You just have to beat the eggs.",
    "Egg whites are beaten first.",
    "Der Hund ist tot.",
    "Suicide prevention: call a helpline.",
    "Puta is a word in Spanish.",
    "We will bury the cable.",
    "My cat is an idiot.",
    "I will beat your record.",
    "a chink in the armour",
    "Are you dead tired?",
    "Rape is a crime in every country.",
    "The game's dead man mode",
    "Growth was retarded by the war.",
    "Through the chink in the wall they whispered.",
    "Kill the lights.",
    "Black people are a third of the town.",
    "",
]


def test_toxic_language_is_told_from_what_only_sounds_like_it() -> None:
    missed = [text for text in TOXIC if not list(find_toxic(text))]
    wrong = [text for text in CLEAN if list(find_toxic(text))]
    assert len(missed) <= 0.1 * len(TOXIC), missed
    assert len(wrong) <= 0.05 * len(CLEAN), wrong


def test_toxic_rows_are_tagged_and_kept() -> None:
    rows = [row("Hi", "Kill yourself, you idiot"), row("Hi", "Hello")]
    result, report = apply("toxic", tag_toxic, rows)
    assert result[0].tags == ("toxic:insult", "toxic:threat")
    assert report.dropped == {}
    assert report.kept == 2


def test_every_kind_has_a_finder() -> None:
    assert set(FOUND) == set(ALL_KINDS)

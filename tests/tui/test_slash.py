"""Slash commands: how a line is read, and what completion offers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.errors import FiresideError
from tui.slash import COMMANDS, Choices, UnknownCommand, complete, is_command, parse


def _choices(kind: Choices) -> list[str]:
    return {"libraries": ["default", "house-rules", "off"], "themes": ["dark", "light"]}.get(kind, [])


@pytest.mark.parametrize("text", ["/help", "/docs house", "  /new ", "/frobnicate"])
def test_a_slash_and_a_word_is_a_command(text: str) -> None:
    assert is_command(text)


@pytest.mark.parametrize("text", ["", "/", "hello", "/etc/hosts is missing", "/help\nme", "a /help", "/1"])
def test_anything_else_is_a_message(text: str) -> None:
    assert not is_command(text)


def test_the_argument_is_everything_behind_the_name() -> None:
    command, argument = parse("/system  You are a  pirate. ")
    assert (command.name, argument) == ("system", "You are a  pirate.")


def test_names_are_read_in_any_case() -> None:
    assert parse("/HELP")[0].name == "help"


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(UnknownCommand) as caught:
        parse("/adaptor x")
    assert caught.value.hint == "did you mean /adapter?"


def test_an_unknown_name_far_from_all_points_to_the_help() -> None:
    with pytest.raises(UnknownCommand) as caught:
        parse("/zzzzzz")
    assert caught.value.hint == "/help lists the commands"


def test_a_missing_argument_says_how_it_is_written() -> None:
    with pytest.raises(FiresideError) as caught:
        parse("/export")
    assert caught.value.hint == "write /export FILE"


def test_a_slash_alone_offers_every_command() -> None:
    assert [completion.label for completion in complete("/", _choices)] == [command.usage for command in COMMANDS]


def test_a_beginning_offers_the_commands_that_begin_so() -> None:
    found = complete("/do", _choices)
    assert [(completion.line, completion.final) for completion in found] == [("/docs ", True)]


def test_arguments_that_begin_as_typed_come_before_those_that_contain_it() -> None:
    assert [completion.line for completion in complete("/docs ", _choices)] == [
        "/docs default", "/docs house-rules", "/docs off",
    ]  # fmt: skip
    assert [completion.label for completion in complete("/docs u", _choices)] == ["default", "house-rules"]
    assert [completion.label for completion in complete("/docs o", _choices)] == ["off", "house-rules"]


def test_a_finished_argument_is_not_offered_again() -> None:
    assert complete("/theme dark", _choices) == []


@pytest.mark.parametrize("text", ["", "hello", "/nosuch x", "/export x", "/docs a\nb"])
def test_nothing_is_offered_where_nothing_can_follow(text: str) -> None:
    assert complete(text, _choices) == []


@given(st.text())
def test_any_text_can_be_completed_and_every_completion_is_a_command(text: str) -> None:
    for completion in complete("/" + text, _choices):
        assert is_command(completion.line)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_any_command_line_is_read_or_refused_with_a_hint(text: str) -> None:
    line = "/" + text
    if is_command(line):
        refusal: FiresideError | None = None
        try:
            command, argument = parse(line)
        except FiresideError as error:
            refusal = error
        assert refusal.hint if refusal else (command in COMMANDS and argument == argument.strip())

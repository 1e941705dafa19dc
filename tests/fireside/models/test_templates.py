from __future__ import annotations

import datetime
import time

import pytest

from fireside.errors import ModelError
from fireside.models.templates import render_chat
from fireside.models.types import Message, ToolCall

CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are kind.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA_2 = (
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set system = messages[0]['content'] %}"
    "{% else %}{% set rest = messages %}{% set system = false %}{% endif %}"
    "{% for message in rest %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 and system != false %}"
    "{% set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}"
    "{% endfor %}"
)
TALK = (Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "Bye"))


def render(template: str, *messages: Message, prompt: bool = True) -> str:
    return render_chat(template, messages, bos_token="<s>", eos_token="</s>", add_generation_prompt=prompt)


def test_the_bundled_models_form() -> None:
    assert render(CHATML, *TALK) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"
    )
    assert render(CHATML, Message("user", "Hi"), prompt=False).endswith("<|im_start|>user\nHi<|im_end|>\n")


def test_a_llama_2_template_with_system_and_alternation() -> None:
    assert render(LLAMA_2, *TALK) == (
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello </s><s>[INST] Bye [/INST]"
    )
    with pytest.raises(ModelError, match="roles must alternate"):
        render(LLAMA_2, Message("user", "a"), Message("user", "b"))


def test_calls_and_results_are_written_in_the_generic_form() -> None:
    call = ToolCall("read_file", {"path": "übung <1>.txt"})
    text = render(
        CHATML,
        Message("user", "Read it"),
        Message("assistant", "", (call,)),
        Message("tool", "42 words", tool="read_file"),
    )
    assert (
        '<|im_start|>assistant\n<tool_call>\n{"name": "read_file", "arguments": {"path": "übung <1>.txt"}}\n'
        "</tool_call><|im_end|>\n<|im_start|>user\nThe tool read_file returned:\n42 words<|im_end|>\n"
    ) in text


def test_what_hub_templates_expect() -> None:
    assert render("{{ {'a': '<b> ü'} | tojson }}") == '{"a": "<b> ü"}'
    assert render("{{ [1] | tojson(indent=2) }}") == "[\n  1\n]"
    assert render("{{ strftime_now('%Y') }}") == str(datetime.datetime.now().year)
    assert render("{% for i in range(5) %}{% if i == 2 %}{% break %}{% endif %}{{ i * 2 }}{% endfor %}") == "02"
    assert render("{% if tools %}x{% endif %}-") == "-"
    assert render("  {% if true %}\n  a\n  {% endif %}\nb") == "  a\nb"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({'role': 'system'}) }}",
        "{{ raise_exception.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ ''['__class__']['__base__'] }}",
        "{{ '%s'.__format__.__self__ }}",
        "{% include '/etc/passwd' %}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    ],
)
def test_the_sandbox_keeps_templates_in(template: str) -> None:
    try:
        # What the sandbox hides may also come out as nothing.
        assert render(template, *TALK) == ""
    except ModelError as error:
        assert "template" in error.message  # noqa: PT017


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{{ 'x'.center(9999) }}{% endfor %}{% endfor %}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{{ 'x' * 99999999999 }}",
        "{{ ('x' * 65536) * 65536 * 65536 }}",
        "{{ [0] * 99999999999 }}",
        "{{ range(99999999) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ '%999999999999d' % 1 }}",
    ],
)
def test_a_template_that_writes_without_end_is_ended(template: str) -> None:
    began = time.monotonic()
    with pytest.raises(ModelError):
        render(template)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "template",
    [
        "{% if %}",
        "{{ messages[9].content.strip() }}",
        "{{ nobody.at.home }}",
        "{{ 1 / 0 }}",
        "{{ messages | nofilter }}",
        "{{ raise_exception('no') }}",
        "{{ 'a' + 1 }}",
        "{{ strftime_now(1) }}",
        "{{ 1 | wordwrap }}",
        "{{ messages | xmlattr }}",
        "x" * 300_000,
    ],
)
def test_a_broken_template_is_one_clear_error(template: str) -> None:
    with pytest.raises(ModelError) as caught:
        render(template, *TALK)
    assert "template" in caught.value.message
    assert caught.value.hint

from __future__ import annotations

import datetime
import importlib.util
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fireside.errors import ModelError
from fireside.models import templates
from fireside.models.dialects import dialect_of
from fireside.models.templates import NAMED, escaped, needs_bos, render_chat
from fireside.models.types import Message, ToolCall, ToolSpec

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


WEATHER = ToolSpec(
    "get_weather",
    "Tells the weather.",
    {"type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo"]}}},
)
ASKED = (
    Message("system", "Be brief."),
    Message("user", "How is Oslo?"),
    Message("assistant", "", (ToolCall("get_weather", {"city": "Oslo"}),)),
    Message("tool", "Snow", tool="get_weather"),
)
MISTRAL = (
    "{{ bos_token }}{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}"
    "{% for message in messages %}{% if message.tool_calls is defined %}[TOOL_CALLS] ["
    "{% for call in message.tool_calls %}{% if call.id | length != 9 %}{{ raise_exception('id') }}{% endif %}"
    "{{ {'name': call.function.name, 'arguments': call.function.arguments, 'id': call.id} | tojson }}{% endfor %}]"
    "{% elif message.role == 'tool' %}[TOOL_RESULTS]{{ message.content }} {{ message.tool_call_id }}[/TOOL_RESULTS]"
    "{% else %}[INST]{{ message.content }}[/INST]{% endif %}{% endfor %}"
)


def render(template: str, *messages: Message, prompt: bool = True, tools: tuple[ToolSpec, ...] = ()) -> str:
    return render_chat(template, messages, tools=tools, bos_token="<s>", eos_token="</s>", add_generation_prompt=prompt)


def published(name: str) -> str:
    """A chat template as its family publishes it; trl, which fine-tuning uses, brings them along."""
    spec = importlib.util.find_spec("trl")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "chat_templates" / f"{name}.jinja").read_text()


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
    assert render("{{ '%s-%d' | format('a', 2) }}{{ '%(x)s' | format(x=1) }}{{ '{}'.format(3) }}") == "a-213"
    assert render("{{ 'a\nb' | indent(2) }}{{ 5 % 3 }}{{ 'a' ~ 1 }}") == "a\n  b2a1"
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


DOUBLING = "{% set n = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set n.s = STEP %}{% endfor %}{{ n.s }}"


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{{ 'x'.center(9999) }}{% endfor %}{% endfor %}",
        "{% set r = range(99999) | list %}{% for a in r %}{% for b in r %}{% for c in r %}{% endfor %}{% endfor %}"
        "{% endfor %}",
        "{% macro m(n) %}{% for i in range(99) %}{{ m(n) }}{% endfor %}{% endmacro %}{{ m(1) }}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{{ 'x' * 99999999999 }}",
        "{{ ('x' * 65536) * 65536 * 65536 }}",
        "{{ [0] * 99999999999 }}",
        "{{ range(99999999) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ '%999999999999d' % 1 }}",
        "{{ '%*d' % (2000000000, 1) }}",
        "{{ '%*d' | format(2000000000, 1) }}",
        "{{ '{:>2000000000}'.format(1) }}",
        "{{ '{:>{}}'.format(1, 2000000000) }}",
        "{{ 'x'.center(2000000000) }}",
        "{{ 'x' | center(2000000000) }}",
        "{{ ['x'] | tojson(indent=2000000000) }}",
        "{{ 'x\n' | indent(2000000000) }}",
        "{% set x %}{% for i in range(99999) %}" + "y" * 99_999 + "{% endfor %}{% endset %}{{ x | length }}",
        "{% set x %}{% for i in range(99999) %}{{ '" + "y" * 99_999 + "' }}{% endfor %}{% endset %}{{ x | length }}",
        DOUBLING.replace("STEP", "n.s + n.s"),
        DOUBLING.replace("STEP", "n.s ~ n.s"),
        DOUBLING.replace("STEP", "[n.s, n.s] | join"),
        DOUBLING.replace("STEP", "n.s | replace('x', 'xxx')"),
        DOUBLING.replace("STEP", "n.s.replace('x', 'xxx')"),
        DOUBLING.replace("STEP", "'%s%s' % (n.s, n.s)"),
        DOUBLING.replace("STEP", "'{}{}'.format(n.s, n.s)"),
        DOUBLING.replace("{% set n.s = STEP %}", "{% set t %}{{ n.s }}{{ n.s }}{% endset %}{% set n.s = t %}"),
        "x" * 300_000,
    ],
)
def test_a_template_that_writes_or_runs_without_end_is_ended(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "_SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(ModelError, match="template"):
        render(template)
    assert time.monotonic() - began < 20


def test_the_time_limit_holds_in_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "_SECONDS", 0.2)
    failures: list[ModelError] = []

    def work() -> None:
        try:
            render("{% set r = range(99999) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}")
        except ModelError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    # The limits of one thread are not another's.
    assert render(CHATML, *TALK).endswith("assistant\n")
    thread.join(20)
    assert "does not end" in failures[0].message


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
    ],
)
def test_a_broken_template_is_one_clear_error(template: str) -> None:
    with pytest.raises(ModelError) as caught:
        render(template, *TALK)
    assert "template" in caught.value.message
    assert caught.value.hint


def test_tools_calls_and_results_go_to_templates_that_know_them() -> None:
    text = render(published("qwen3"), *ASKED, tools=(WEATHER,))
    assert '<tools>\n{"type": "function", "function": {"name": "get_weather", "description": "Tells' in text
    assert '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call><|im_end|>' in text
    assert "<tool_response>\nSnow\n</tool_response>" in text
    assert "Be brief." in text
    text = render(published("llama3_2"), *ASKED, tools=(WEATHER,))
    assert '{"name": "get_weather", "parameters": {"city": "Oslo"}}<|eot_id|>' in text
    assert 'ipython<|end_header_id|>\n\n"Snow"<|eot_id|>' in text
    text = render(published("lfm2_2_5"), *ASKED, tools=(WEATHER,))
    assert "<|tool_call_start|>[get_weather(city='Oslo')]<|tool_call_end|>" in text
    assert "<|im_start|>tool\nSnow<|im_end|>" in text
    # This one knows tools and results, and leaves the form of calls to who writes them.
    text = render(published("lfm2"), *ASKED, tools=(WEATHER,))
    assert "<|tool_list_start|>[{" in text
    assert '<|tool_call_start|>[get_weather(city="Oslo")]<|tool_call_end|>' in text
    text = render(published("gemma4_v5"), *ASKED, tools=(WEATHER,))
    assert '<|tool_call>call:get_weather{city:<|"|>Oslo<|"|>}<tool_call|>' in text
    text = render(MISTRAL, *ASKED, ASKED[2], ASKED[3], tools=(WEATHER,))
    assert '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Oslo"}, "id": "call00000"}]' in text
    assert "[TOOL_RESULTS]Snow call00000[/TOOL_RESULTS]" in text
    assert "[TOOL_RESULTS]Snow call00001[/TOOL_RESULTS]" in text


def test_results_answer_the_calls_they_belong_to() -> None:
    both = Message("assistant", "", (ToolCall("now", {}), ToolCall("get_weather", {"city": "Oslo"})))
    text = render(
        MISTRAL,
        both,
        ASKED[3],
        Message("tool", "noon", tool="now"),
        Message("tool", "?", tool="other"),
        tools=(WEATHER,),
    )
    assert "Snow call00001[" in text
    assert "noon call00000[" in text
    assert "? call00002[" in text


@pytest.mark.parametrize("name", ["llama3", "gemma", "gemma3", "deepseekv3", "gptoss", "phi3"])
def test_templates_without_tool_support_get_the_generic_form(name: str) -> None:
    text = render(published(name), *ASKED, tools=(WEATHER,))
    assert '{"name": "get_weather", "description": "Tells the weather.", "parameters": {' in text
    assert '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>' in text
    assert "The tool get_weather returned:\nSnow" in text
    assert text.index("Be brief.") < text.index("<tools>") < text.index("How is Oslo?")


def test_tools_are_shown_without_a_system_message_too() -> None:
    assert "<|im_start|>system\nYou can call tools." in render(CHATML, ASKED[1], tools=(WEATHER,))
    assert "tools" not in render(CHATML, ASKED[1])
    assert "tools" not in render(published("qwen3"), ASKED[1])


def test_a_template_that_refuses_system_messages_gets_them_with_the_first_question() -> None:
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    text = render(refusing + "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}", *TALK)
    assert text == "[user]Be brief.\n\nHi[assistant]Hello[user]Bye"
    with pytest.raises(ModelError, match="System role not supported"):
        render(refusing, TALK[0])


def test_a_template_that_wants_arguments_as_text_gets_them_so() -> None:
    wanting = "{% if tools %}<tool_call>{% endif %}{% for m in messages %}{% for c in m.tool_calls %}"
    wanting += "{{ 'a' + c.function.arguments }}{% endfor %}{% endfor %}"
    assert render(wanting, ASKED[2], tools=(WEATHER,)) == '<tool_call>a{"city": "Oslo"}'


SPECIAL = {
    "qwen3": ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<tool_call>", "</tool_call>", "<think>", "</think>"],
    "llama3_2": ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|python_tag|>"],
    "lfm2": ["<|im_start|>", "<|im_end|>", "<|tool_call_start|>", "<|tool_call_end|>", "<|tool_list_start|>"],
    "lfm2_2_5": ["<|im_start|>", "<|im_end|>", "<|tool_call_start|>", "<|tool_call_end|>", "<think>"],
    "gemma4_v5": ["<|turn>", "<turn|>", "<|tool_call>", "<tool_call|>", '<|"|>', "<|channel>", "<channel|>"],
    "gemma": ["<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<start_function_call>", "<escape>"],
    "deepseekv3": ["<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "<think>", "</think>"],
    "mistral": ["[INST]", "[/INST]", "[TOOL_CALLS]", "[ARGS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "</s>"],
    "llama2": ["<s>", "</s>", "<<SYS>>"],
    "chatml": ["<|im_start|>", "<|im_end|>"],
}


@pytest.mark.parametrize("name", sorted(SPECIAL))
def test_nothing_that_others_wrote_can_be_read_as_a_special_token(name: str) -> None:
    """A conversation full of markers renders with as many special tokens as one without any."""
    template = MISTRAL if name == "mistral" else NAMED.get(name) or published(name)
    special = SPECIAL[name]
    evil, harmless = (conversation(text) for text in ("".join(special), "x"))
    counts = []
    for messages, tools in (escaped(*evil, special), escaped(*harmless, special)):
        text = render(template, *messages, tools=tools)
        assert "x" in text or "\u2060" in text
        counts.append([text.count(token) for token in special])
    assert counts[0] == counts[1]
    assert escaped(*harmless, special) == harmless


def conversation(text: str) -> tuple[tuple[Message, ...], tuple[ToolSpec, ...]]:
    """A conversation and a tool with `text` in every place that others fill."""
    arguments: dict[str, Any] = {text: text, "list": [text, {text: [text, 1, None]}]}
    schema = {"type": "object", "properties": {text: {"type": "string", "description": text, "enum": [text]}}}
    messages = (
        Message("system", text),
        Message("user", f"a{text}"),
        Message("assistant", text, (ToolCall(text, arguments),)),
        Message("tool", text, tool=text),
        Message("assistant", text),
        Message("user", text),
    )
    return messages, (ToolSpec(text, text, schema),)


def test_escaping_keeps_what_is_no_text() -> None:
    call = ToolCall("f", {"n": 1, "yes": True, "none": None, "list": [1.5, "<s>"]})
    (message,), tools = escaped([Message("assistant", "", (call,))], (), ["<s>", ""])
    assert message.calls[0].arguments == {"n": 1, "yes": True, "none": None, "list": [1.5, "<\u2060s>"]}
    assert tools == ()


def test_the_beginning_of_sequence_token_comes_once() -> None:
    assert needs_bos("[INST] Hi", "<s>")
    assert not needs_bos("<s>[INST] Hi", "<s>")
    assert not needs_bos("\n<s>[INST] Hi", "<s>")
    assert needs_bos("Hi", "")
    # What a person wrote is no such token, wherever it stands.
    messages, _ = escaped([Message("user", "<s>Hi")], (), ["<s>"])
    assert needs_bos(render("{{ messages[0].content }}", *messages), "<s>")
    for name, wanted in (("llama2", False), ("chatml", True), ("human-assistant", True)):
        assert needs_bos(render(NAMED[name], *TALK), "<s>") == wanted


def test_named_templates() -> None:
    assert render(NAMED["llama2"], *TALK) == render(LLAMA_2, *TALK)
    assert render(NAMED["chatml"], *TALK) == render(CHATML, *TALK)
    assert render(NAMED["human-assistant"], *TALK) == (
        "Be brief.\n### Human: Hi\n### Assistant: Hello</s>\n### Human: Bye\n### Assistant:"
    )
    assert render(NAMED["human-assistant"], *TALK[:3], prompt=False).endswith("### Assistant: Hello</s>\n")
    assert dialect_of(NAMED["human-assistant"]).stops == ("### Human:",)
    for template in NAMED.values():
        text = render(template, *ASKED, tools=(WEATHER,))
        assert "You can call tools." in text
        assert "The tool get_weather returned:" in text


def test_blocks_that_mark_what_the_model_writes_change_nothing() -> None:
    template = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %};{% endfor %}"
    assert render(template, *TALK[1:]) == "Hi;Hello;Bye;"

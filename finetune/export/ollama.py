"""An Ollama Modelfile beside an export: what to run, how to write a conversation, where a reply stops."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finetune.export.turns import CHATS
from fireside import atomic
from fireside.errors import ModelError
from fireside.models.sampling import Sampling
from fireside.models.templates import render_chat

_SYSTEM_FIRST = "{{ if .System }}"


@dataclass(frozen=True)
class _Known:
    """A conversation format in jinja (only to recognise it by what it writes) and in Ollama's own language, Go's
    templates; stops: what ends a reply."""

    jinja: str
    go: str
    stops: tuple[str, ...]


def _turns(opening: str, closing: str, roles: tuple[str, str, str]) -> str:
    """jinja for the formats in which every turn is opened and closed alike; roles: system, user, assistant."""
    system, user, assistant = (opening.replace("ROLE", role) for role in roles)
    return (
        "{% for m in messages %}"
        f"{{% if m['role'] == 'system' %}}{system}{{% elif m['role'] == 'user' %}}{user}"
        f"{{% else %}}{assistant}{{% endif %}}"
        f"{{{{ m['content'] }}}}{closing}{{% endfor %}}{{% if add_generation_prompt %}}{assistant}{{% endif %}}"
    )


def _go(opening: str, closing: str, roles: tuple[str, str, str]) -> str:
    """The same in Ollama's language."""
    system, user, assistant = (opening.replace("ROLE", role) for role in roles)
    return (
        f"{_SYSTEM_FIRST}{system}{{{{ .System }}}}{closing}{{{{ end }}}}"
        '{{ range .Messages }}{{ if eq .Role "user" }}'
        f'{user}{{{{ .Content }}}}{closing}{{{{ else if eq .Role "assistant" }}}}'
        f"{assistant}{{{{ .Content }}}}{closing}{{{{ end }}}}{{{{ end }}}}{assistant}"
    )


_ROLES = ("system", "user", "assistant")
_FORMATS = {
    "chatml": ("<|im_start|>ROLE\n", "<|im_end|>\n", _ROLES),
    "llama3": ("<|start_header_id|>ROLE<|end_header_id|>\n\n", "<|eot_id|>", _ROLES),
    "phi3": ("<|ROLE|>\n", "<|end|>\n", _ROLES),
    "zephyr": ("<|ROLE|>\n", "</s>\n", _ROLES),
}
_GEMMA_GO = (
    '{{ range $i, $m := .Messages }}{{ if eq .Role "user" }}<start_of_turn>user\n'
    "{{ if and (eq $i 0) $.System }}{{ $.System }}\n\n{{ end }}{{ .Content }}<end_of_turn>\n"
    '{{ else if eq .Role "assistant" }}<start_of_turn>model\n{{ .Content }}<end_of_turn>\n{{ end }}{{ end }}'
    "<start_of_turn>model\n"
)
_GEMMA_JINJA = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}<start_of_turn>"
    "{{ 'model' if m['role'] == 'assistant' else 'user' }}\n{{ m['content'] }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
_MISTRAL_GO = (
    '{{ range $i, $m := .Messages }}{{ if eq .Role "user" }}[INST] '
    "{{ if and (eq $i 0) $.System }}{{ $.System }}\n\n{{ end }}{{ .Content }} [/INST]"
    '{{ else if eq .Role "assistant" }}{{ .Content }}</s>{{ end }}{{ end }}'
)
_MISTRAL_JINJA = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}"
    "{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]{% else %}{{ m['content'] }}</s>"
    "{% endif %}{% endfor %}"
)
_LLAMA2_GO = (
    '{{ range $i, $m := .Messages }}{{ if eq .Role "user" }}{{ if $i }}<s>{{ end }}[INST] '
    "{{ if and (eq $i 0) $.System }}<<SYS>>\n{{ $.System }}\n<</SYS>>\n\n{{ end }}{{ .Content }} [/INST]"
    '{{ else if eq .Role "assistant" }} {{ .Content }} </s>{{ end }}{{ end }}'
)
_LLAMA2_JINJA = (
    "{% set ns = namespace(system='') %}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{% set ns.system = '<<SYS>>\\n' + m['content'] + '\\n<</SYS>>\\n\\n' %}{% elif m['role'] == 'user' %}"
    "<s>[INST] {{ ns.system }}{{ m['content'] }} [/INST]{% set ns.system = '' %}"
    "{% else %} {{ m['content'] }} </s>{% endif %}{% endfor %}"
)
KNOWN: dict[str, _Known] = {
    **{name: _Known(_turns(*parts), _go(*parts), (parts[1].strip(),)) for name, parts in _FORMATS.items()},
    "gemma": _Known(_GEMMA_JINJA, _GEMMA_GO, ("<end_of_turn>",)),
    "mistral": _Known(_MISTRAL_JINJA, _MISTRAL_GO, ("</s>",)),
    "llama2": _Known(_LLAMA2_JINJA, _LLAMA2_GO, ("</s>",)),
}
"""The formats by name. Ollama puts the beginning-of-sequence token first by itself."""


def format_of(template: str, bos: str, eos: str) -> str:
    """Which of KNOWN the chat template (jinja) writes like, "" for none.

    Compared by what it writes of the same conversations, white space at the edges of a turn aside, and without a
    system message of the template's own.
    """
    written = _written(template, bos, eos)
    if written is None:
        return ""
    for name, known in KNOWN.items():
        if _written(known.jinja, bos, eos) == written:
            return name
    return ""


def _written(template: str, bos: str, eos: str) -> list[str] | None:
    """The conversations that begin with a system message, which no template has to add one to."""
    found = []
    for chat in CHATS:
        if chat[0].role != "system":
            continue
        try:
            text = render_chat(template, chat, bos_token=bos, eos_token=eos, add_generation_prompt=True)
        except ModelError:
            return None
        found.append(text.removeprefix(bos).strip())
    return found


def modelfile(
    source: str, *, adapter: str, template: str, bos: str, eos: str, stop: str, sampling: Sampling
) -> tuple[str, str]:
    """The Modelfile's text, and why it has no TEMPLATE ("" where it has one).

    source, adapter: paths for FROM and ADAPTER; adapter is "" for a whole model. template: the model's, jinja. stop:
    what ends a reply, "" where unknown. sampling: what the model is recommended with.
    """
    name = format_of(template, bos, eos)
    lines = [f"FROM {source}"]
    if adapter:
        lines.append(f"ADAPTER {adapter}")
    reason = ""
    if name:
        lines.append(f'TEMPLATE """{KNOWN[name].go}"""')
    else:
        reason = "the chat template is none of " + ", ".join(KNOWN)
        lines.append(f"# No TEMPLATE: {reason}. Ollama takes the one in the file where it understands it.")
    stops = dict.fromkeys([*(KNOWN[name].stops if name else ()), *([stop] if stop else [])])
    lines += [f'PARAMETER stop "{each}"' for each in stops]
    settings = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repeat_penalty": sampling.repeat_penalty,
    }
    lines += [f"PARAMETER {key} {value:g}" for key, value in settings.items() if value is not None]
    return "\n".join(lines) + "\n", reason


def write_modelfile(path: Path, text: str) -> None:
    """Write it. Raises StorageError."""
    atomic.write_text(path, text)

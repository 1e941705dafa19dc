"""Prompt formats by name, for models without a chat template of their own: jinja sources."""

from __future__ import annotations

from collections.abc import Mapping

# Meta's llama repository, llama/generation.py (chat_completion): every question begins a sequence of its own, and the
# system message stands inside the first. A system message further on joins the question that follows it.
_LLAMA_2 = """\
{%- set ns = namespace(system='') -%}
{%- for message in messages -%}
    {%- if message['role'] == 'system' -%}
        {%- set ns.system = ns.system + '<<SYS>>\\n' + message['content'] | trim + '\\n<</SYS>>\\n\\n' -%}
    {%- elif message['role'] == 'user' -%}
        {{- bos_token + '[INST] ' + ns.system + message['content'] | trim + ' [/INST]' -}}
        {%- set ns.system = '' -%}
    {%- else -%}
        {{- ' ' + message['content'] | trim + ' ' + eos_token -}}
    {%- endif -%}
{%- endfor -%}
"""

# The form of the OpenAssistant conversations as QLoRA's authors trained on them (arXiv:2305.14314, appendix B). The
# end-of-sequence token behind a reply is what a tuned model stops at.
_HUMAN_ASSISTANT = """\
{%- for message in messages -%}
    {%- if message['role'] == 'system' -%}
        {{- message['content'] | trim + '\\n' -}}
    {%- elif message['role'] == 'user' -%}
        {{- '### Human: ' + message['content'] | trim + '\\n' -}}
    {%- else -%}
        {{- '### Assistant: ' + message['content'] | trim + eos_token + '\\n' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '### Assistant:' -}}{%- endif -%}
"""

# OpenAI's ChatML, as most models that use it have it.
_CHATML = """\
{%- for message in messages -%}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""

NAMED: Mapping[str, str] = {"llama2": _LLAMA_2, "human-assistant": _HUMAN_ASSISTANT, "chatml": _CHATML}
"""What `model.template` may name."""

"""The Modelfile: known chat templates are written in Ollama's language, others left out with the reason."""

from __future__ import annotations

import pytest
import tiny_families

from finetune.export.ollama import KNOWN, format_of, modelfile
from fireside.models.named_templates import NAMED
from fireside.models.sampling import Sampling

LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


@pytest.mark.parametrize(
    ("template", "bos", "name"),
    [
        (tiny_families.CHATML, "", "chatml"),
        (NAMED["chatml"], "<|im_start|>", "chatml"),
        (tiny_families.GEMMA, "<bos>", "gemma"),
        (tiny_families.MISTRAL, "<s>", "mistral"),
        (tiny_families.PHI3, "<s>", "phi3"),
        (NAMED["llama2"], "<s>", "llama2"),
        (LLAMA3, "<|begin_of_text|>", "llama3"),
        (NAMED["human-assistant"], "<s>", ""),
        ("{{ broken", "<s>", ""),
    ],
)
def test_templates_are_recognised_by_what_they_write(template, bos, name):
    assert format_of(template, bos, "</s>") == name


def test_a_modelfile_says_what_to_run_how_to_write_and_where_to_stop():
    text, reason = modelfile(
        "./kitchen-Q8_0.gguf",
        adapter="",
        template=tiny_families.CHATML,
        bos="",
        eos="<|im_end|>",
        stop="<|im_end|>",
        sampling=Sampling(temperature=0.2, top_k=50),
    )
    assert reason == ""
    assert text.startswith('FROM ./kitchen-Q8_0.gguf\nTEMPLATE """{{ if .System }}<|im_start|>system\n')
    assert text.count('PARAMETER stop "<|im_end|>"') == 1
    assert "PARAMETER temperature 0.2\n" in text
    assert "PARAMETER top_k 50\n" in text
    assert "ADAPTER" not in text


def test_a_template_that_ollama_cannot_be_told_is_left_out_with_the_reason():
    text, reason = modelfile(
        "base.gguf",
        adapter="./adapter.gguf",
        template=NAMED["human-assistant"],
        bos="",
        eos="</s>",
        stop="</s>",
        sampling=Sampling(),
    )
    assert "chatml" in reason
    assert "ADAPTER ./adapter.gguf\n" in text
    assert "\nTEMPLATE" not in text
    assert 'PARAMETER stop "</s>"' in text


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_every_template_opens_what_it_closes(known):
    opened = known.go.count("{{ if ") + known.go.count("{{ range ")
    assert known.go.count("{{ end }}") == opened

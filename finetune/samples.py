"""What the model being trained says to fixed prompts, so that a person can read how it changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from finetune.data.conversation import Conversation
from finetune.data.render import Vocabulary, render
from finetune.status import SAMPLES
from fireside.models.types import Message
from fireside.text import for_prompt

MOST_TOKENS = 64


def sampler(prompts: Sequence[str], vocabulary: Any) -> Callable[[Any], list[str]]:
    """A function that lets a transformers model answer each of `prompts`: the most likely tokens, 64 at most.

    vocabulary: a `Vocabulary` that also knows `written(tokens)`; it must stay open.
    """
    rows = [prompt_ids(prompt, vocabulary) for prompt in prompts]

    def answers(model: Any) -> list[str]:
        import torch

        if not rows:
            return []
        ends = [token for token in range(model.get_input_embeddings().num_embeddings) if vocabulary.ends_turn(token)]
        was_training = model.training
        model.eval()
        longest = max(map(len, rows))
        # On the left, so that all rows end where their answers begin.
        padding = [longest - len(row) for row in rows]
        with torch.no_grad():
            written = model.generate(
                input_ids=torch.tensor([[0] * pad + row for pad, row in zip(padding, rows, strict=True)]).to(
                    model.device
                ),
                attention_mask=torch.tensor(
                    [[0] * pad + [1] * len(row) for pad, row in zip(padding, rows, strict=True)]
                ).to(model.device),
                max_new_tokens=MOST_TOKENS,
                do_sample=False,
                eos_token_id=ends,
                pad_token_id=ends[0] if ends else 0,
            )
        model.train(was_training)
        return [vocabulary.written(_before(ends, row[longest:].tolist())).strip() for row in written]

    return answers


def prompt_ids(prompt: str, vocabulary: Vocabulary) -> list[int]:
    """The tokens of a question and the opening of its answer; without a chat template, of the text alone."""
    if not vocabulary.chat_template:
        text = for_prompt(prompt, [token for token in vocabulary.special_tokens if token])
        return vocabulary.tokenize(text, begins=True)
    # The answer is a placeholder: training renders questions with their answers, and this must be the same rendering.
    (example,) = render(Conversation((Message("user", prompt), Message("assistant", "...")), 1), vocabulary)
    return list(example.input_ids[: example.prompt_length()])


def _before(ends: Sequence[int], tokens: list[int]) -> list[int]:
    """The tokens before the first that ends a turn."""
    return next((tokens[:index] for index, token in enumerate(tokens) if token in ends), tokens)


def read_samples(folder: Path) -> list[dict[str, Any]]:
    """What the model said in the run of `folder`: `step`, `prompt` and `answer` of each.

    A line that is none, as the last one of a run that was cut off, is passed over.
    """
    try:
        # Only LF ends a line: an answer may hold other Unicode separators.
        lines = (folder / SAMPLES).read_text("utf-8", "replace").split("\n")
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            sample = json.loads(line)
        except ValueError:
            continue
        if isinstance(sample, dict) and {"step", "prompt", "answer"} <= sample.keys():
            found.append(sample)
    return found

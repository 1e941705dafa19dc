"""Many greedy replies at once: transformers' continuous batching over a paged KV cache; and any other, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fireside.errors import ModelError
from fireside.models.detokenizer import Detokenizer
from fireside.models.hf.generation import Task
from fireside.models.hf.tokenizer import HfTokenizer
from fireside.models.types import Delta, Finished, ReplyEvent, Timings, Usage

_PAGE = 256  # tokens a block of the paged cache holds, transformers' own default
_MOST_TOKENS = 65536  # in the paged cache on a CPU, where transformers would take most of the memory


def pageable(task: Task) -> bool:
    """Whether transformers' batching writes what the engine would: only the likeliest tokens, and no scores."""
    return task.sampler.plain_greedy and task.constraint is None and task.scores is None and task.limit > 0


def paged_replies(model: Any, tokenizer: HfTokenizer, tasks: Sequence[Task]) -> list[list[ReplyEvent]]:
    """The events of the replies to `tasks`, all `pageable` and with the adapters that are applied now.

    Raises ModelError.
    """
    import transformers

    library: Any = transformers  # its classes have no types

    # One limit for the batch: transformers gives all requests the same; longer replies are cut below.
    limit = max(task.limit for task in tasks)
    config = library.GenerationConfig(
        max_new_tokens=limit, do_sample=False, eos_token_id=tokenizer.ends or None, pad_token_id=0
    )
    # Without the second setting, transformers may ask its hub for attention kernels.
    paging: dict[str, Any] = {"page_size": _PAGE, "auto_switch_to_flash": False}
    if model.device.type == "cpu":
        needed = sum(len(task.tokens) + limit + _PAGE for task in tasks)
        longest = max(len(task.tokens) + limit + _PAGE for task in tasks)
        paging |= {"num_blocks": -(-max(min(needed, _MOST_TOKENS), longest) // _PAGE), "max_batch_tokens": 2 * _PAGE}
    results = model.generate_batch(
        [list(task.tokens) for task in tasks],
        generation_config=config,
        continuous_batching_config=transformers.ContinuousBatchingConfig(**paging),
        progress_bar=False,
    )
    # Requests are numbered in the order they were given; answers come in the order they were finished.
    outputs = sorted(results.values(), key=lambda result: int(result.request_id.rpartition("_")[2]))
    if len(outputs) != len(tasks):
        raise ModelError("the batch was not finished", "give fewer requests at once")
    failed = next((output.error for output in outputs if output.error), None)
    if failed is not None:
        raise ModelError(f"the batch failed: {failed}", "give fewer requests at once")
    return [_events(tokenizer, task, output.generated_tokens) for task, output in zip(tasks, outputs, strict=True)]


def _events(tokenizer: HfTokenizer, task: Task, tokens: Sequence[int]) -> list[ReplyEvent]:
    """What `tokens` say, up to an end-of-turn token, a stop string or the limit: the text in one piece."""
    detokenizer = Detokenizer(task.stop)
    events: list[ReplyEvent] = []
    written, stopped = 0, False
    for token in tokens[: task.limit]:
        if tokenizer.ends_turn(token):
            stopped = True
            break
        written += 1
        events += task.parser.push(detokenizer.push(tokenizer.piece(token)))
        if detokenizer.stopped:
            stopped = True
            break
    events += task.parser.push(detokenizer.close())
    events += task.parser.close()
    text = "".join(event.text for event in events if isinstance(event, Delta))
    others = [event for event in events if not isinstance(event, Delta)]
    end = Finished("stop" if stopped else "length", Usage(len(task.tokens), 0, written), Timings())
    return [*([Delta(text)] if text else []), *others, end]

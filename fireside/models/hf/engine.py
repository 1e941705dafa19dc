"""The transformers engine as the worker process drives it: requests in, events out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fireside.cores import usable_cores
from fireside.errors import FiresideError, ModelError, PromptTooLong, ToolError, did_you_mean
from fireside.models.constrained import ConstraintState, Vocabulary
from fireside.models.constraints import Constraint
from fireside.models.dialects import ReplyParser, dialect_of
from fireside.models.gguf_header import read_header
from fireside.models.hf import devices
from fireside.models.hf.adapters import Adapters
from fireside.models.hf.batcher import Batcher
from fireside.models.hf.caches import Caches
from fireside.models.hf.generation import Generation, Task
from fireside.models.hf.loading import HfLoading
from fireside.models.hf.many import pageable, paged_replies
from fireside.models.hf.samplers import TokenSampler, usable
from fireside.models.hf.tokenizer import HfTokenizer
from fireside.models.hf.weights import load_failure, load_model
from fireside.models.prompting import ReadyPrompt, prompt_tokens, ready_prompt
from fireside.models.recommended import recommended
from fireside.models.sampling import NEUTRAL, Sampling
from fireside.models.templates import NAMED
from fireside.models.types import Foreseen, ModelInfo, Prompt, ReplyEvent, Request

_SPARE = 1  # sequences beside those in use whose keys and values are kept for the next prompt


class HfEngine:
    """A model in transformers that writes several replies at once. See `engine.Engine` for the methods."""

    def __init__(self, loading: HfLoading, sha256: str = "") -> None:
        """Load the model. sha256: of a GGUF file, "" where unknown; adapters made for another are refused.

        Sets torch's threads, and transformers' voice, for the whole process. Raises ModelError.
        """
        if not loading.path.exists():
            raise ModelError(f"there is no model {loading.path}", "check the path")
        import torch
        import transformers

        voice: Any = transformers.logging  # its functions have no types
        voice.set_verbosity_error()
        voice.disable_progress_bar()
        torch.set_num_threads(loading.threads or usable_cores())
        if loading.template and loading.template not in NAMED:
            known = did_you_mean(loading.template, NAMED, f"known: {', '.join(NAMED)}")
            raise ModelError(f"there is no template called {loading.template!r}", known)
        self._path, self._sha256 = loading.path, sha256
        self.placement = devices.place(devices.detect(), loading.device, loading.dtype)
        self.model: Any = load_model(loading, self.placement)
        config = self.model.config.get_text_config(decoder=True)
        size = int(self.model.get_output_embeddings().weight.shape[0])
        self.tokenizer = HfTokenizer(loading.path, size, _ends(self.model.generation_config, config))
        self._template = NAMED[loading.template] if loading.template else self.tokenizer.chat_template
        self._dialect = dialect_of(self._template, self.tokenizer.special_tokens())
        self.tokenizer.write_out(self._dialect.markers)
        self._length = min(loading.context_length, getattr(config, "max_position_embeddings", loading.context_length))
        self._recommended = self._recommendation()
        self._vocabulary: Vocabulary | None = None
        self._adapters = Adapters(self.model, sha256)
        self._caches = Caches(config, loading.sequences + _SPARE)
        self._batcher = Batcher(self.model, self._caches, self._adapters, most_at_once=loading.sequences)

    def info(self, name: str) -> ModelInfo:
        """See `Engine.info`."""
        return ModelInfo(
            name,
            self._path,
            str(self.model.config.model_type),
            self._sha256,
            self._length,
            int(self.model.num_parameters()),
            self._recommended,
        )

    def submit(self, number: int, request: Request) -> None:
        """See `Engine.submit`. Raises PromptTooLong where the context has no room for the prompt and one token."""
        self._batcher.submit(Generation(number, self._task(request), self.tokenizer))

    def cancel(self, number: int) -> None:
        """See `Engine.cancel`."""
        self._batcher.cancel(number)

    @property
    def busy(self) -> bool:
        """See `Engine.busy`."""
        return self._batcher.busy

    def step(self) -> list[tuple[int, ReplyEvent | FiresideError]]:
        """See `Engine.step`."""
        return self._batcher.step()

    def generate_many(self, requests: Sequence[Request]) -> list[list[ReplyEvent] | FiresideError]:
        """The events of the replies to all of `requests`, or why there are none, in their order.

        For evaluation, when no reply is under way. Greedy ones without constraint and scores go through transformers'
        continuous batching, whose paged KV cache takes in as many at once as there is memory for; the others go step
        by step.
        """
        assert not self.busy
        outcomes: list[list[ReplyEvent] | FiresideError] = [[] for _ in requests]
        paged: dict[object, list[tuple[int, Task]]] = {}
        for number, request in enumerate(requests):
            try:
                task = self._task(request)
            except FiresideError as error:
                outcomes[number] = error
                continue
            if self._caches.rewinds and pageable(task):
                paged.setdefault(task.adapters, []).append((number, task))
            else:
                self._batcher.submit(Generation(number, task, self.tokenizer))
        for group in paged.values():
            replies = self._paged([task for _, task in group])
            for (number, _), reply in zip(group, replies, strict=True):
                outcomes[number] = reply
        while self.busy:
            for number, event in self.step():
                before = outcomes[number]
                if isinstance(event, FiresideError):
                    outcomes[number] = event
                elif not isinstance(before, FiresideError):
                    before.append(event)
        return outcomes

    def _paged(self, tasks: Sequence[Task]) -> Sequence[list[ReplyEvent] | FiresideError]:
        """The replies to tasks with the same adapters, in one batch, which fails as a whole."""
        try:
            self._adapters.apply(tasks[0].adapters)
            return paged_replies(self.model, self.tokenizer, tasks)
        except FiresideError as error:
            return [error] * len(tasks)
        except RuntimeError as error:
            return [load_failure(self._path, error)] * len(tasks)

    def count(self, prompt: Prompt) -> int:
        """See `Engine.count`."""
        return len(prompt_tokens(self.tokenizer, self._template, self._dialect, prompt)[0])

    def foresee(self, request: Request) -> Foreseen:
        """See `Engine.foresee`."""
        tokens = self._ready(request).tokens
        return Foreseen(len(tokens), self._caches.known(tokens, self._adapters.prepare(request.adapters)))

    def idle(self) -> None:
        """See `Engine.idle`. Nothing waits here: keys and values stay in memory."""

    def close(self) -> None:
        """See `Engine.close`."""
        self._caches.clear()
        self.model = None

    def _task(self, request: Request) -> Task:
        """What the reply is made from. Raises FiresideError where it cannot be written."""
        ready = self._ready(request)
        tokens = ready.tokens
        if not tokens:
            raise ModelError("the prompt is empty", "write something for the model to continue")
        if len(tokens) >= self._length:
            raise PromptTooLong(
                f"the prompt has {len(tokens)} tokens and the model's context holds {self._length}",
                "shorten it, begin a new conversation, or raise model.context_length",
            )
        limit = min(request.max_tokens, self._length - len(tokens))
        settings, size = request.sampling.over(self._recommended), self.tokenizer.vocabulary_size
        wrong = next((token for token in settings.logit_bias if not 0 <= token < size), None)
        if wrong is not None:
            raise ModelError(f"{wrong} in the logit bias is not a token of this model", f"tokens are below {size}")
        parser = ReplyParser(self._dialect, ready.callable_tools, thinking=ready.thinking)
        parser.push(ready.opening)
        return Task(
            tokens=tokens,
            adapters=self._adapters.prepare(request.adapters),
            limit=limit,
            sampler=TokenSampler(settings, size, str(self.model.device)),
            parser=parser,
            stop=(*request.stop, *self._dialect.stops),
            constraint=self._constraint(ready.constraint, limit, request),
            scores=request.scores,
            score_prompt=request.score_prompt and request.scores is not None,
        )

    def _ready(self, request: Request) -> ReadyPrompt:
        return ready_prompt(self.tokenizer, self._template, self._dialect, request)

    def _constraint(self, constraint: Constraint | None, limit: int, request: Request) -> ConstraintState | None:
        """The constraint, ready. Tools that the model is free not to call do not fail where they cannot be held to."""
        if constraint is None:
            return None
        if self._vocabulary is None:
            self._vocabulary = Vocabulary.from_transformers(self.tokenizer.native, self.tokenizer.ends)
        try:
            return ConstraintState(self._vocabulary, constraint, limit)
        except ToolError:
            if request.constraint is None and request.tool_choice == "auto":
                return None
            raise

    def _recommendation(self) -> Sampling:
        """The settings the model's makers recommend, as far as they can be had here."""
        if self._path.is_file():
            return usable(recommended(read_header(self._path).metadata))
        given = self.model.generation_config
        if given.do_sample:
            return Sampling(
                repeat_penalty=given.repetition_penalty,
                top_k=given.top_k,
                typical_p=given.typical_p,
                top_p=given.top_p,
                min_p=given.min_p,
                temperature=given.temperature,
            ).over(NEUTRAL)
        # In the hub's cache, a folder `snapshots/REVISION` lies below the one with the model's name.
        folder = self._path.parents[1] if self._path.parent.name == "snapshots" else self._path
        known = {"general.name": folder.name, "general.architecture": self.model.config.model_type}
        return usable(recommended(known))


def _ends(generation: Any, config: Any) -> list[int]:
    """The end tokens that a model's own files name."""
    found: list[int] = []
    for ends in (getattr(generation, "eos_token_id", None), getattr(config, "eos_token_id", None)):
        found += ends if isinstance(ends, list) else [] if ends is None else [ends]
    return found

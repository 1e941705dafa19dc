"""The llama.cpp engine as the worker process drives it: requests in, events out."""

from __future__ import annotations

import secrets
from pathlib import Path

from fireside.errors import FiresideError, ModelError, PromptTooLong, ToolError, did_you_mean
from fireside.models.constrained import ConstraintState, Vocabulary
from fireside.models.constraints import Constraint
from fireside.models.dialects import ReplyParser, dialect_of
from fireside.models.gguf.bans import PhraseBans
from fireside.models.gguf.batcher import Batcher
from fireside.models.gguf.context import Context, adapter_set
from fireside.models.gguf.draft import DraftModel
from fireside.models.gguf.generation import Generation, Task
from fireside.models.gguf.loading import GgufLoading
from fireside.models.gguf.lookup import Guessing, Pace
from fireside.models.gguf.model import Model
from fireside.models.gguf.samplers import TokenSampler
from fireside.models.gguf.slots import Slots
from fireside.models.gguf.states import StateFiles
from fireside.models.gguf_header import read_header
from fireside.models.memory import check_fits
from fireside.models.prompting import ReadyPrompt, prompt_tokens, ready_prompt
from fireside.models.recommended import recommended
from fireside.models.templates import NAMED
from fireside.models.types import Foreseen, ModelInfo, Prompt, ReplyEvent, Request


class GgufEngine:
    """A loaded GGUF model that writes several replies at once. See `engine.Engine` for the methods."""

    def __init__(self, loading: GgufLoading, sha256: str = "") -> None:
        """Load the model. sha256: of its file, "" where unknown. Raises ModelError, also where memory is short."""
        self._path, self._sha256 = loading.path, sha256
        check_fits(loading.path, read_header(loading.path, long_arrays=False), loading)
        self.model = Model(loading.path, gpu_layers=loading.gpu_layers, mmap=loading.mmap, sha256=sha256)
        self._draft: DraftModel | None = None
        self._vocabulary: Vocabulary | None = None
        try:
            self.context = Context(self.model, loading)
        except ModelError:
            self.model.free()
            raise
        try:
            self._template = _template(loading.template) or self.model.chat_template
            if loading.draft is not None:
                self._draft = DraftModel(loading.draft, loading, self.model)
        except ModelError:
            self.close()
            raise
        self._dialect = dialect_of(self._template, self.model.special_tokens())
        self.model.write_out(self._dialect.markers)
        files = None
        # Streams are copied late, over what was read from disk meanwhile; conversations are kept one at a time only.
        if loading.kv_folder is not None and loading.kv_bytes > 0 and loading.unified:
            files = StateFiles(loading.kv_folder, self._origin(loading), loading.kv_bytes)
        self._slots = Slots(self.context, files, can_rewind=self.model.can_rewind)
        self._pace = Pace()
        self._guessing = Guessing(self._pace)
        self._batcher = Batcher(
            self.context, self._slots, self._pace, most_at_once=loading.sequences, speculate=loading.speculate
        )
        self._recommended = recommended(self.model.header.metadata)

    def info(self, name: str) -> ModelInfo:
        """See `Engine.info`."""
        return ModelInfo(
            name,
            self._path,
            self.model.architecture,
            self._sha256,
            self.context.length,
            self.model.parameters,
            self._recommended,
        )

    def submit(self, number: int, request: Request) -> None:
        """See `Engine.submit`. Raises PromptTooLong where the context has no room for a token behind the prompt."""
        ready = self._ready(request)
        tokens = ready.tokens
        if not tokens:
            raise ModelError("the prompt is empty", "write something for the model to continue")
        if len(tokens) >= self.context.length:
            raise PromptTooLong(
                f"the prompt has {len(tokens)} tokens and the model's context holds {self.context.length}",
                "shorten it, begin a new conversation, or raise model.context_length",
            )
        limit = min(request.max_tokens, self.context.length - len(tokens))
        adapters = adapter_set([(use.path, use.scale) for use in request.adapters])
        for path, _, _ in adapters:
            self.model.adapter(path)
        state = self._constraint(ready.constraint, limit, request)
        settings = request.sampling.over(self._recommended)
        for token in settings.logit_bias:
            if not 0 <= token < self.model.vocabulary_size:
                raise ModelError(
                    f"{token} in the logit bias is not a token of this model",
                    f"tokens are below {self.model.vocabulary_size}",
                )
        parser = ReplyParser(self._dialect, ready.callable_tools, thinking=ready.thinking)
        parser.push(ready.opening)
        task = Task(
            tokens=tokens,
            adapters=adapters,
            limit=limit,
            sampler=TokenSampler(self.model, settings, secrets.randbits(32), tokens, self.context.length),
            parser=parser,
            stop=(*request.stop, *self._dialect.stops),
            constraint=state,
            bans=PhraseBans(settings.banned_phrases),
            scores=request.scores,
            score_prompt=request.score_prompt and request.scores is not None,
            keep=request.keep,
        )
        self._batcher.submit(Generation(number, task, self.model, self._guessing, self._draft))

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

    def foresee(self, request: Request) -> Foreseen:
        """See `Engine.foresee`."""
        tokens = self._ready(request).tokens
        adapters = adapter_set([(use.path, use.scale) for use in request.adapters])
        return Foreseen(len(tokens), self._slots.known(tokens, adapters))

    def count(self, prompt: Prompt) -> int:
        """See `Engine.count`."""
        return len(prompt_tokens(self.model, self._template, self._dialect, prompt)[0])

    def idle(self) -> None:
        """See `Engine.idle`."""
        self._slots.save_all()

    def close(self) -> None:
        """See `Engine.close`."""
        if self._draft is not None:
            self._draft.free()
            self._draft = None
        self.context.free()
        self.model.free()

    def _ready(self, request: Request) -> ReadyPrompt:
        return ready_prompt(self.model, self._template, self._dialect, request)

    def _constraint(self, constraint: Constraint | None, limit: int, request: Request) -> ConstraintState | None:
        """The constraint, ready. Tools that the model is free not to call do not fail where they cannot be held to."""
        if constraint is None:
            return None
        if self._vocabulary is None:
            self._vocabulary = Vocabulary.from_llama(self.model.vocabulary)
        try:
            return ConstraintState(self._vocabulary, constraint, limit)
        except ToolError:
            if request.constraint is None and request.tool_choice == "auto":
                return None
            raise

    def _origin(self, loading: GgufLoading) -> str:
        """What KV states depend on, beside tokens and adapters."""
        import llama_cpp

        known: list[object] = [llama_cpp.__version__, self._sha256 or str(Path(loading.path)), loading.cache_type]
        return repr([*known, loading.flash_attention, self.context.cells, self.context.sequences])


def _template(name: str) -> str:
    """The named template, "" for none. Raises ModelError."""
    if not name:
        return ""
    if name not in NAMED:
        raise ModelError(
            f"there is no template called {name!r}", did_you_mean(name, NAMED, f"known: {', '.join(NAMED)}")
        )
    return NAMED[name]

"""What the engine is compared with, each in a process of its own: `python engine_children.py KIND MODEL THREADS`.

KIND is `bare` (llama_decode and a native sampler, nothing else), `python` (llama-cpp-python's own streaming) or
`server` (llama.cpp's server, through xllamacpp). Questions come as lines of JSON on stdin, answers go to stdout.
Between two questions a child waits for its pipe and uses no core.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from typing import Any

CONTEXT = 4096
TOGETHER = 512
"""Tokens of context for each of several sequences at once."""


class Bare:
    """A loop around llama_decode and llama_sampler_sample with a greedy chain."""

    def __init__(self, model: str, threads: int) -> None:
        import llama_cpp

        self.lib = llama_cpp
        self._quiet = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self._quiet, None)
        llama_cpp.llama_backend_init()
        self.threads = threads
        self.model = llama_cpp.llama_model_load_from_file(model.encode(), llama_cpp.llama_model_default_params())
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.context = self._context(CONTEXT, 1)
        self.memory = llama_cpp.llama_get_memory(self.context)
        self.sampler = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        llama_cpp.llama_sampler_chain_add(self.sampler, llama_cpp.llama_sampler_init_greedy())

    def _context(self, length: int, sequences: int) -> Any:
        parameters = self.lib.llama_context_default_params()
        parameters.n_ctx, parameters.n_seq_max = length, sequences
        parameters.n_threads = parameters.n_threads_batch = self.threads
        return self.lib.llama_init_from_model(self.model, parameters)

    def tokens(self, text: str) -> list[int]:
        """The tokens of `text`."""
        data = text.encode()
        buffer = (self.lib.llama_token * (len(data) + 8))()
        count = self.lib.llama_tokenize(self.vocabulary, data, len(data), buffer, len(buffer), True, True)
        return list(buffer[:count])

    def ends(self) -> list[int]:
        """The tokens that end a reply."""
        count = self.lib.llama_vocab_n_tokens(self.vocabulary)
        return [token for token in range(count) if self.lib.llama_vocab_is_eog(self.vocabulary, token)]

    def _prefill(self, tokens: list[int]) -> None:
        self.lib.llama_memory_clear(self.memory, True)
        for begin in range(0, len(tokens), 512):
            part = tokens[begin : begin + 512]
            array = (self.lib.llama_token * len(part))(*part)
            self.lib.llama_decode(self.context, self.lib.llama_batch_get_one(array, len(part)))

    def decode(self, tokens: list[int], count: int) -> dict[str, Any]:
        """Write `count` tokens; the rate is taken from the first to the last."""
        lib, context, sampler = self.lib, self.context, self.sampler
        self._prefill(tokens)
        one = (lib.llama_token * 1)()
        written = [lib.llama_sampler_sample(sampler, context, -1)]
        began = time.perf_counter()
        for _ in range(count - 1):
            one[0] = written[-1]
            lib.llama_decode(context, lib.llama_batch_get_one(one, 1))
            written.append(lib.llama_sampler_sample(sampler, context, -1))
        return {"rate": (count - 1) / (time.perf_counter() - began)}

    def batches(self, tokens: list[int], sizes: list[int], runs: int) -> dict[str, Any]:
        """How many times as fast k tokens in one batch are as k single ones, behind `tokens`, by k."""
        self._prefill(tokens)
        past = len(tokens)
        many, single = self.lib.llama_batch_init(max(sizes), 0, 1), self.lib.llama_batch_init(1, 0, 1)
        ratios: dict[str, float] = {}
        for size in sizes:
            pairs = []
            for run in range(runs + 1):
                began = time.perf_counter()
                for index in range(size):
                    self._put(single, [(tokens[index], past + index, 0)])
                    self.lib.llama_decode(self.context, single)
                    self.lib.llama_sampler_sample(self.sampler, self.context, -1)
                middle = time.perf_counter()
                self.lib.llama_memory_seq_rm(self.memory, 0, past, -1)
                begin = time.perf_counter()
                self._put(many, [(tokens[index], past + index, 0) for index in range(size)])
                self.lib.llama_decode(self.context, many)
                for row in range(size):
                    self.lib.llama_sampler_sample(self.sampler, self.context, row)
                if run:  # the first is for warming up
                    pairs.append((middle - began) / (time.perf_counter() - begin))
                self.lib.llama_memory_seq_rm(self.memory, 0, past, -1)
            ratios[str(size)] = statistics.median(pairs)
        self.lib.llama_batch_free(many)
        self.lib.llama_batch_free(single)
        return {"ratios": ratios}

    def together(self, prompts: list[list[int]], count: int) -> dict[str, Any]:
        """Write `count` tokens in each of several sequences at once; the rate of all of them."""
        lib = self.lib
        context = self._context(TOGETHER * len(prompts), len(prompts))
        batch = lib.llama_batch_init(max(len(prompts), *map(len, prompts)), 0, 1)
        last = []
        for sequence, prompt in enumerate(prompts):
            self._put(batch, [(token, place, sequence) for place, token in enumerate(prompt)])
            lib.llama_decode(context, batch)
            last.append(lib.llama_sampler_sample(self.sampler, context, -1))
        began = time.perf_counter()
        for step in range(count - 1):
            rows = [(token, len(prompts[at]) + step, at) for at, token in enumerate(last)]
            self._put(batch, rows)
            lib.llama_decode(context, batch)
            last = [lib.llama_sampler_sample(self.sampler, context, row) for row in range(len(prompts))]
        seconds = time.perf_counter() - began
        lib.llama_batch_free(batch)
        lib.llama_free(context)
        return {"rate": (count - 1) * len(prompts) / seconds}

    def _put(self, batch: Any, rows: list[tuple[int, int, int]]) -> None:
        """Fill a batch with (token, position, sequence), the logits of each wanted."""
        batch.n_tokens = len(rows)
        for at, (token, position, sequence) in enumerate(rows):
            batch.token[at], batch.pos[at] = token, position
            batch.n_seq_id[at], batch.seq_id[at][0] = 1, sequence
            batch.logits[at] = 1


class Python:
    """llama-cpp-python's high-level class, streaming."""

    def __init__(self, model: str, threads: int) -> None:
        import llama_cpp

        self.model = llama_cpp.Llama(
            model_path=model, n_ctx=CONTEXT, n_threads=threads, n_threads_batch=threads, verbose=False
        )

    def decode(self, tokens: list[int], count: int) -> dict[str, Any]:
        """Write `count` tokens; the rate is taken from the first chunk to the last."""
        times, reason = [], None
        for chunk in self.model.create_completion(tokens, max_tokens=count, temperature=0.0, stream=True):
            times.append(time.perf_counter())
            reason = chunk["choices"][0]["finish_reason"] or reason
        return _rate(times, count if reason == "length" else len(times) - 1)


class Server:
    """llama.cpp's server, asked without HTTP."""

    def __init__(self, model: str, threads: int) -> None:
        import xllamacpp

        parameters = xllamacpp.CommonParams()
        parameters.model.path = model
        parameters.n_ctx, parameters.n_parallel, parameters.n_gpu_layers = CONTEXT, 1, 0
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
        parameters.verbosity = -1
        self.server = xllamacpp.Server(parameters)

    def decode(self, tokens: list[int], count: int) -> dict[str, Any]:
        """Write `count` tokens; the rate is taken from the first chunk to the last."""
        times: list[float] = []
        usage: dict[str, Any] = {}

        def take(chunk: Any) -> None:
            times.append(time.perf_counter())
            usage.update(chunk.get("usage") or {})

        # The cheapest greedy chain it has.
        asked = {"prompt": tokens, "max_tokens": count, "temperature": 0, "samplers": ["top_k"], "top_k": 1}
        self.server.handle_completions({**asked, "stream": True}, take)
        return _rate(times, usage["completion_tokens"])


def _rate(times: list[float], written: int) -> dict[str, Any]:
    return {"rate": (written - 1) / (times[-1] - times[0]), "written": written}


def main() -> None:
    kind, model, threads = sys.argv[1:]
    answers = os.dup(1)
    os.dup2(2, 1)
    child: Any = {"bare": Bare, "python": Python, "server": Server}[kind](model, int(threads))
    os.write(answers, b"{}\n")
    for line in sys.stdin:
        asked = json.loads(line)
        answer = getattr(child, asked.pop("do"))(**asked)
        os.write(answers, json.dumps(answer).encode() + b"\n")
    # The server's threads do not end by themselves.
    os._exit(0)


if __name__ == "__main__":
    main()

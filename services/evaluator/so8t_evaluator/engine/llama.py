"""llama.cpp in this process, through xllamacpp: one model, one slot."""

from __future__ import annotations

import http.client
import json
import secrets
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import xllamacpp

from so8t_evaluator.engine.prompt_cache import PromptCache, shared_length
from so8t_shared.processes import peak_memory_bytes


class TooLongError(Exception):
    """The prompt plus the maximum answer exceeds the context."""

    def __init__(self, tokens: int) -> None:
        super().__init__(tokens)
        self.tokens = tokens


class Llama:
    """A loaded model; `so8t_evaluator.engine.embedded` explains the settings."""

    def __init__(self, path: str, context: int, threads: int, batch: int, warm_up: list[str]) -> None:
        self._context = context
        self._key = secrets.token_urlsafe(24)
        parameters = _parameters(path, context, threads, batch, self._key)
        self._server = xllamacpp.Server(parameters)
        self._address = self._server.listening_address.removeprefix("http://")
        self._tokens: tuple[str, list[int]] = ("", [])
        prompts = [self._tokenize(prompt) for prompt in warm_up]
        self._cache = PromptCache(prompts[0][: shared_length(prompts)] if prompts else [], self._evaluate)

    def settings(self) -> dict[str, Any]:
        """Return settings that are only known once the model is loaded."""
        return {"prefix_cache": self._cache.usable}

    def complete(self, prompt: str, options: dict[str, Any]) -> dict[str, Any]:
        """Answer one prompt; see `Completion` for the fields.

        Raises:
            TooLongError: it does not fit the context.
        """
        started = time.perf_counter()
        tokens = self._tokenize(prompt)
        if len(tokens) + options["max_tokens"] > self._context:
            raise TooLongError(len(tokens))
        before_s = time.perf_counter() - started
        self._cache.rewind(tokens)
        started = time.perf_counter() - before_s
        self._cache.prefill(tokens)
        text, first, last = self._generate(tokens, options)
        ended = time.perf_counter()
        return {
            "text": text,
            "prompt_tokens": len(tokens),
            "completion_tokens": last["usage"]["completion_tokens"],
            "latency_ms": (ended - started) * 1e3,
            "ttft_ms": (first - started) * 1e3,
            "decode_ms": (ended - first) * 1e3,
            "peak_memory_bytes": peak_memory_bytes(),
            "cut": last["choices"][0]["finish_reason"] == "length",
        }

    def _generate(self, tokens: list[int], options: dict[str, Any]) -> tuple[str, float, dict[str, Any]]:
        """Return (text, time of the first token, last chunk); there is one chunk per token."""
        moments: list[float] = []
        chunks: list[dict[str, Any]] = []

        def receive(chunk: dict[str, Any]) -> None:
            moments.append(time.perf_counter())
            chunks.append(chunk)

        body = {**options, "prompt": tokens, "stream": True, "cache_prompt": self._cache.usable}
        refused = self._server.handle_completions(body, receive)
        for answer in (refused, *chunks):
            _check(answer)
        return "".join(chunk["choices"][0]["text"] for chunk in chunks), moments[0], chunks[-1]

    def _evaluate(self, tokens: Sequence[int], use_cache: bool) -> int:
        body = {"prompt": list(tokens), "max_tokens": 1, "temperature": 0.0, "stream": False}
        answer = self._server.handle_completions({**body, "cache_prompt": use_cache})
        _check(answer)
        return int(answer["timings"]["cache_n"])

    def _tokenize(self, text: str) -> list[int]:
        """Return token ids; nothing is prepended, and control tokens in the text are recognized."""
        if self._tokens[0] != text:
            body = json.dumps({"content": text, "add_special": False, "parse_special": True})
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
            connection = http.client.HTTPConnection(self._address, timeout=60)
            with closing(connection):
                connection.request("POST", "/tokenize", body.encode("utf-8"), headers)
                answer = json.loads(connection.getresponse().read())
            _check(answer)
            self._tokens = (text, [int(token) for token in answer["tokens"]])
        return self._tokens[1]


def _parameters(path: str, context: int, threads: int, batch: int, key: str) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.n_ctx = context
    parameters.n_parallel = 1
    parameters.n_ubatch = batch
    parameters.cache_ram_mib = 0
    parameters.n_ctx_checkpoints = 0
    parameters.swa_full = True
    parameters.ctx_shift = False
    parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    parameters.fit_params = False
    parameters.warmup = False
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    parameters.api_keys = [key]  # it opens a port on the loopback interface, which no other process may use
    parameters.verbosity = 1  # errors only: prompts and answers are never logged
    return parameters


def _check(answer: dict[str, Any] | None) -> None:
    if answer and "error" in answer:
        raise RuntimeError(answer["error"].get("message", "llama.cpp rejected the request"))

"""llama.cpp in process, as far as the tests need it: tokens, greedy continuation, log probabilities."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import xllamacpp as xlc


class LlamaCpp:
    """A GGUF file loaded by llama.cpp: one thread, one slot, no flash attention, float32 cache."""

    def __init__(self, path: Path, vocabulary: int) -> None:
        parameters = xlc.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = 512
        parameters.n_parallel = 1
        parameters.cpuparams.n_threads = 1
        parameters.cpuparams_batch.n_threads = 1
        parameters.warmup = False
        parameters.cache_ram_mib = 0
        parameters.flash_attn_type = xlc.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        parameters.cache_type_k = xlc.ggml_type.GGML_TYPE_F32
        parameters.cache_type_v = xlc.ggml_type.GGML_TYPE_F32
        self._server = xlc.Server(parameters)
        self._vocabulary = vocabulary

    def tokens(self, text: str) -> list[int]:
        """Ids of a text, control tokens recognized, beginning-of-text added if the file says so."""
        answer = self._ask("/tokenize", content=text, add_special=True, parse_special=True)
        return list(answer["tokens"])

    def logprobs(self, ids: list[int]) -> np.ndarray:
        """Log probabilities [vocabulary] of the token after `ids`.

        The probabilities are those of the raw logits, whatever is chosen; a letter is made to be
        chosen because the server reports nothing for an end of text or half a character.
        """
        letter = self.tokens("a")[-1]
        answer = self._ask(
            "/completion",
            prompt=ids,
            n_predict=1,
            temperature=0,
            cache_prompt=False,
            n_probs=self._vocabulary,
            logit_bias=[[letter, 1000.0]],
        )
        values = np.full(self._vocabulary, np.nan)
        for entry in answer["completion_probabilities"][0]["top_logprobs"]:
            values[entry["id"]] = entry["logprob"]
        return values

    def greedy(self, ids: list[int], count: int) -> list[int]:
        """The `count` most likely tokens after `ids`; an end of text does not stop it."""
        found: list[int] = []
        for _ in range(count):
            found.append(int(np.nanargmax(self.logprobs(ids + found))))
        return found

    def answer(self, ids: list[int], favored: int, grammar: str, limit: int) -> list[int]:
        """At most `limit` greedy tokens within the grammar, of a model that says `favored` wherever it may."""
        asked = {"prompt": ids, "n_predict": limit, "temperature": 0, "return_tokens": True, "cache_prompt": False}
        found = self._ask("/completion", **asked, grammar=grammar, logit_bias=[[favored, 1000.0]])
        return list(found["tokens"])

    def _ask(self, path: str, **body: object) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._server.listening_address + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

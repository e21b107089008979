"""llama.cpp in this process, through xllamacpp: one model, one slot."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

import xllamacpp

from so8t_engines.embedded.parameters import parameters
from so8t_engines.likelihood import score, split
from so8t_engines.prompt_cache import PromptCache, shared_length
from so8t_engines.tokens import Tokenizer
from so8t_shared.processes import peak_memory_bytes

_LIKELY = 500
"""First tokens to look at; more cost time, and those beyond are asked for by ID."""

_TEXTS = 256
"""How many of the likeliest tokens come with their texts, by which engines that tell no ids are compared."""

_CERTAIN = 1e6
"""Bias of a token that must be chosen, so that its log-probability is reported."""

_WHOLE = "a"
"""A whole character, chosen where a piece of one is asked for: llama.cpp reports nothing where it wrote a piece."""

_EVERY = 1 << 20
"""More tokens than any vocabulary has."""

_AROUND = 3
"""Tokens that a model file may add before and after a text, and the next one."""

_LEAST = -104.0
"""Log of the smallest float32; llama.cpp rounds a smaller probability to 0."""


class TooLongError(Exception):
    """The prompt plus the maximum answer exceeds the context."""

    def __init__(self, tokens: int) -> None:
        super().__init__(tokens)
        self.tokens = tokens


class Llama:
    """A loaded model; `so8t_engines.embedded.engine` explains the settings."""

    def __init__(
        self, path: str, context: int, threads: int, batch: int, warm_up: list[str], *, gpu: bool = False
    ) -> None:
        self._context = context
        key = secrets.token_urlsafe(24)
        self._server = xllamacpp.Server(parameters(path, context, threads, batch, key, gpu=gpu))
        self._tokenizer = Tokenizer(self._server.listening_address, key)
        prompts = [self._tokenizer.ids(prompt) for prompt in warm_up]
        self._cache = PromptCache(prompts[0][: shared_length(prompts)] if prompts else [], self._evaluate)

    def settings(self) -> dict[str, Any]:
        """Return settings that are only known once the model is loaded."""
        return {"prefix_cache": self._cache.usable}

    def complete(self, prompt: str, options: dict[str, Any]) -> dict[str, Any]:
        """Answer one prompt; see `Completion` for the fields.

        Raises:
            TooLongError: it does not fit the context.
        """
        tokens = self._tokens(prompt, options["max_tokens"])
        started = self._rewind(tokens)
        text, decode_ms, last = self._generate(tokens, options)
        latency_ms = (time.perf_counter() - started) * 1e3
        return {
            "text": text,
            "prompt_tokens": len(tokens),
            **_ending(last),
            "latency_ms": latency_ms,
            "ttft_ms": latency_ms - decode_ms,
            "decode_ms": decode_ms,
            "peak_memory_bytes": peak_memory_bytes(),
        }

    def score(
        self, prompt: str, choices: Sequence[str], think_until: str, options: dict[str, Any], thought: str = ""
    ) -> dict[str, Any]:
        """Score the choices after a prompt, or after what the model writes up to `think_until` if that is given.

        `thought` is what it has written before, in an answer to the same prompt.

        Raises:
            TooLongError: it does not fit the context.
        """
        longest = max(len(self._tokenizer.ids(choice)) for choice in choices)
        tokens = self._tokens(prompt, options["max_tokens"] + (longest if think_until else 0))
        thinking = {"text": thought, "completion_tokens": 0, "cut": False}
        if think_until:
            started = self._rewind(tokens)
            text, _, last = self._generate(tokens, {**options, "stop": [*options["stop"], think_until]})
            thinking = {"text": text.removeprefix(" "), **_ending(last)}  # sentencepiece's space is no part of a text
        given, scored = split([self._tokenizer.ids(f"{thinking['text']}{choice}") for choice in choices])
        if not think_until:
            started = self._hold(tokens, given)
        start = [*tokens, *given]
        if given and self._cache.usable:
            self._evaluate(start[:-1], True)
        scores = score(start, scored, self._next_token)
        best = max(range(len(choices)), key=lambda number: scores.logprobs[number])
        latency_ms = (time.perf_counter() - started) * 1e3
        return {
            **thinking,
            "text": f"{thinking['text']}{choices[best]}",
            "prompt_tokens": len(tokens),
            "latency_ms": latency_ms,
            "ttft_ms": None,
            "peak_memory_bytes": peak_memory_bytes(),
            "logprobs": scores.logprobs,
            "second_look": scores.second_look,
        }

    def measure(self, prompt: str, answers: Sequence[str], correct: int, likely: int) -> dict[str, Any]:
        """Score the answers as `score` does, and tell what a ladder compares; see `EmbeddedModel.measure`.

        Raises:
            TooLongError: it does not fit the context.
        """
        tokens, ids = self._tokenizer.whole(prompt), [self._tokenizer.ids(answer) for answer in answers]
        if len(tokens) + max(map(len, ids)) > self._context:
            raise TooLongError(len(tokens))
        given, scored = split(ids)
        self._hold(tokens, given)
        start = [*tokens, *given]
        if given and self._cache.usable:
            self._evaluate(start[:-1], True)
        seen: list[dict[str, Any]] = []

        def next_token(tokens: Sequence[int], wanted: int, *, likeliest: bool = False) -> dict[int, float]:
            found = self._look(tokens, wanted, likely if likeliest else 1)
            if likeliest:
                seen.extend(found["top_logprobs"])
            return {one["id"]: max(one["logprob"], _LEAST) for one in (*found["top_logprobs"], found)}

        scores = score(start, scored, next_token)
        end = self._look([*tokens, *ids[correct][:-1]], ids[correct][-1], 1)
        return {
            "prompt": tokens,
            "answers": ids,
            "logprobs": scores.logprobs,
            "ids": [one["id"] for one in seen],
            "likely": [max(one["logprob"], _LEAST) for one in seen],
            "texts": [one["token"] for one in seen[:_TEXTS]],
            "end": max(end["logprob"], _LEAST),
            "ends_turn": end["ends"],
            "peak_memory_bytes": peak_memory_bytes(),
        }

    def follow(self, prompt: str, text: str, likely: int) -> dict[str, Any]:
        """Tell how likely each token of a text is after a prompt; see `EmbeddedModel.follow`.

        Raises:
            TooLongError: it does not fit the context.
        """
        pieces = self._tokenizer.pieces(text)
        ids = [token for token, _ in pieces]
        tokens = self._tokens(prompt, len(ids))
        self._hold(tokens, ids)
        shown: list[list[dict[str, Any]]] = []
        logprobs: list[float] = []
        for place, (token, piece) in enumerate(pieces):
            start = [*tokens, *ids[:place]]
            seen = self._look(start, token if piece else self._tokenizer.ids(_WHOLE)[0], likely)
            shown.append(seen["top_logprobs"][:likely])
            logprobs.append(seen["logprob"] if piece else self._of_piece(start, token, seen))
        return {
            "tokens": ids,
            "logprobs": [max(one, _LEAST) for one in logprobs],
            "ids": [[one["id"] for one in place] for place in shown],
            "likely": [[max(one["logprob"], _LEAST) for one in place] for place in shown],
        }

    def hear(self, text: str, ends: Sequence[int], likely: int) -> dict[str, Any]:
        """Tell what the tokenizer makes of a text, and what follows its beginnings; see `EmbeddedModel.hear`.

        A beginning gets the tokens that any program gives it. It is computed right after the one before, so that the
        whole text is computed once.

        Raises:
            TooLongError: it does not fit the context.
        """
        ids, back = self._tokenizer.back(text)
        if len(ids) + _AROUND > self._context:
            raise TooLongError(len(ids))
        whole_character = self._tokenizer.ids(_WHOLE)[0]
        self._cache.forget()
        shown = [
            self._look(text[:end], whole_character, likely, use_cache=place > 0)["top_logprobs"][:likely]
            for place, end in enumerate(ends)
        ]
        return {
            "tokens": ids,
            "back": back,
            "ids": [[one["id"] for one in place] for place in shown],
            "likely": [[max(one["logprob"], _LEAST) for one in place] for place in shown],
        }

    def _of_piece(self, tokens: Sequence[int], wanted: int, seen: dict[str, Any]) -> float:
        """Return the log-probability of a piece of a character, which is reported only among the likeliest.

        If it is not among those `seen`, a whole vocabulary is shown, which takes long.
        """
        found = {one["id"]: one["logprob"] for one in seen["top_logprobs"]}
        if wanted not in found:
            every = self._look(tokens, seen["id"], _EVERY)["top_logprobs"]
            found = {one["id"]: one["logprob"] for one in every}
        return float(found.get(wanted, _LEAST))

    def _look(
        self, prompt: Sequence[int] | str, wanted: int, count: int, *, use_cache: bool | None = None
    ) -> dict[str, Any]:
        """Return what the server says of `wanted` and the likeliest tokens, and whether `wanted` ends an answer."""
        wish = {"logit_bias": [[wanted, _CERTAIN]], "logprobs": count, "n_probs": count}
        cached = self._cache.usable if use_cache is None else use_cache
        (choice,) = self._evaluate_one(prompt, cached, **wish)["choices"]
        (written,) = choice["logprobs"]["content"]
        return {**written, "ends": choice["finish_reason"] == "stop"}

    def _next_token(self, tokens: Sequence[int], wanted: int, *, likeliest: bool = False) -> dict[int, float]:
        """See `likelihood.NextToken`.

        `wanted` is chosen by a bias, which the reported log-probabilities do not include. It is a piece of a label,
        whereas a token that is a piece of a character would be reported without any.
        """
        written = self._look(tokens, wanted, _LIKELY if likeliest else 1)
        return {one["id"]: max(one["logprob"], _LEAST) for one in (*written["top_logprobs"], written)}

    def _tokens(self, prompt: str, room: int) -> list[int]:
        tokens = self._tokenizer.ids(prompt)
        if len(tokens) + room > self._context:
            raise TooLongError(len(tokens))
        return tokens

    def _rewind(self, tokens: list[int]) -> float:
        """Make the slot share exactly the prefix with the tokens; return the time after it."""
        self._cache.rewind(tokens)
        return time.perf_counter()

    def _hold(self, tokens: list[int], following: Sequence[int]) -> float:
        """Make the slot hold exactly the tokens; return the time when it began with them."""
        if self._cache.holds(tokens):
            started = time.perf_counter()
            self._cache.drop_answer(tokens, following)
            return started
        started = self._rewind(tokens)
        if self._cache.usable:
            self._evaluate(tokens, True)
            self._cache.asked(tokens)
        return started

    def _generate(self, tokens: list[int], options: dict[str, Any]) -> tuple[str, float, dict[str, Any]]:
        """Return (text, milliseconds after the first token, llama.cpp's answer); streaming would cost more."""
        body = {**options, "prompt": tokens, "stream": False, "cache_prompt": self._cache.usable}
        answer: dict[str, Any] = self._server.handle_completions(body)
        _check(answer)
        self._cache.asked(tokens)
        return _whole(answer), answer["timings"]["predicted_ms"], answer

    def _evaluate(self, tokens: Sequence[int], use_cache: bool) -> int:
        return int(self._evaluate_one(tokens, use_cache)["timings"]["cache_n"])

    def _evaluate_one(self, prompt: Sequence[int] | str, use_cache: bool, **other: Any) -> dict[str, Any]:
        asked = prompt if isinstance(prompt, str) else list(prompt)
        body = {"prompt": asked, "max_tokens": 1, "temperature": 0.0, "stream": False, **other}
        answer: dict[str, Any] = self._server.handle_completions({**body, "cache_prompt": use_cache})
        _check(answer)
        return answer


def _whole(answer: dict[str, Any]) -> str:
    """Return the text without a character that the limit cut in two, which is replaced by U+FFFD."""
    text: str = answer["choices"][0]["text"]
    return text.removesuffix("\ufffd") if _ending(answer)["cut"] else text


def _ending(last: dict[str, Any]) -> dict[str, Any]:
    cut = last["choices"][0]["finish_reason"] == "length"
    return {"completion_tokens": last["usage"]["completion_tokens"], "cut": cut}


def _check(answer: dict[str, Any] | None) -> None:
    if answer and "error" in answer:
        raise RuntimeError(answer["error"].get("message", "llama.cpp rejected the request"))

"""Requests for text: every option spelled out, and what came back."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from so8t_evaluator.engine.protocol import Options
from so8t_evaluator.ollama.server import UnreachableError

KEEP_ALIVE = "30m"
"""How long the server keeps a model after a request; longer than any pause of ours."""

BATCH_TOKENS = 512
TOP_LOGPROBS = 20
"""The most that the server gives."""

_KNOWN = {
    *("num_ctx", "num_batch", "num_thread", "num_keep", "seed", "num_predict", "stop", "temperature", "top_k"),
    *("top_p", "min_p", "typical_p", "repeat_last_n", "repeat_penalty", "presence_penalty", "frequency_penalty"),
}
"""Options of Ollama 0.17; it takes any other name without a word and does nothing with it."""

_REPEATS = 30
"""The server ends a stream without `done` once more than this many pieces in a row were the same."""


@dataclass(frozen=True)
class Reply:
    """What a request for text gave; durations without the loading of the model, all on one clock, the server's."""

    text: str
    prompt_tokens: int | None
    """None when the server's guard against repetition ended the answer."""
    completion_tokens: int
    latency_ms: float
    ttft_ms: float | None
    """Evaluation of the prompt, with which the first token comes."""
    decode_ms: float | None
    """Evaluation of the tokens after the first."""
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    """The most likely first tokens, {"token", "logprob"}, the likeliest first."""
    cut: bool = False
    """Whether it was ended by the number of tokens that were asked for."""


def sampling(options: Options) -> dict[str, Any]:
    """The server's names for the sampling options, none left to its defaults."""
    return {
        "num_predict": options.max_tokens,
        "seed": options.seed,
        "stop": list(options.stop),
        "temperature": options.temperature,
        "top_k": options.top_k,
        "top_p": options.top_p,
        "min_p": options.min_p,
        "typical_p": options.typical_p,
        "repeat_penalty": options.repeat_penalty,
        "repeat_last_n": options.repeat_last_n,
        "presence_penalty": options.presence_penalty,
        "frequency_penalty": options.frequency_penalty,
        "num_keep": 0,
    }


def generation(name: str, text: str, options: dict[str, Any], **other: Any) -> dict[str, Any]:
    """The body that asks for text after `text` as it stands: no template, nothing cut, nothing shifted out.

    Raises:
        ValueError: an option that the server does not know.
    """
    if unknown := set(options) - _KNOWN:
        raise ValueError(f"Ollama knows no option {', '.join(sorted(unknown))}")
    fixed = {"raw": True, "truncate": False, "shift": False, "stream": True, "keep_alive": KEEP_ALIVE}
    return {"model": name, "prompt": text, "options": options, **fixed, **other}


def gather(chunks: Iterable[dict[str, Any]]) -> Reply:
    """The answer whose chunks come in.

    Durations are the server's own. If its guard against repetition ended the answer, it tells none: then they are all
    of this side's clock, which starts with the call.

    Raises:
        UnreachableError: the stream ended too early.
    """
    started = time.perf_counter()
    first: float | None = None
    pieces: list[str] = []
    likely: list[dict[str, Any]] = []
    for chunk in chunks:
        if piece := chunk.get("response"):
            first = first or time.perf_counter()
            pieces.append(piece)
        if not likely and (logprobs := chunk.get("logprobs")):
            likely = logprobs[0].get("top_logprobs") or []
        if chunk.get("done"):
            return _finished(chunk, "".join(pieces), likely)
    if not _went_round(pieces):
        raise UnreachableError("an answer broke off")
    latency_ms = (time.perf_counter() - started) * 1e3
    ttft_ms = ((first or started) - started) * 1e3
    return Reply("".join(pieces), None, len(pieces), latency_ms, ttft_ms, latency_ms - ttft_ms, likely)


def _finished(last: dict[str, Any], text: str, likely: list[dict[str, Any]]) -> Reply:
    return Reply(
        text=text,
        prompt_tokens=last.get("prompt_eval_count"),
        completion_tokens=last.get("eval_count", 0),
        latency_ms=max((last.get("total_duration", 0) - last.get("load_duration", 0)) / 1e6, 0.0),
        ttft_ms=_milliseconds(last, "prompt_eval_duration"),
        decode_ms=_milliseconds(last, "eval_duration"),
        logprobs=likely,
        cut=last.get("done_reason") == "length",
    )


def _milliseconds(last: dict[str, Any], key: str) -> float | None:
    """A duration that the server tells in nanoseconds; it leaves out one of 0."""
    return last[key] / 1e6 if last.get(key) else None


def _went_round(pieces: list[str]) -> bool:
    end = pieces[-_REPEATS:]
    return len(end) == _REPEATS and len({piece.strip() for piece in end}) == 1

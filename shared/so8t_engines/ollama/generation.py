"""Requests for text with every option explicit, and their replies."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from so8t_engines.ollama.server import UnreachableError
from so8t_engines.protocol import Options

BATCH_TOKENS = 512
TOP_LOGPROBS = 20
"""The server's maximum."""

NEVER = datetime.min.replace(tzinfo=UTC)

_KNOWN = {
    *("num_ctx", "num_batch", "num_thread", "num_keep", "seed", "num_predict", "stop", "temperature", "top_k"),
    *("top_p", "min_p", "typical_p", "repeat_last_n", "repeat_penalty", "presence_penalty", "frequency_penalty"),
}
"""Options of Ollama 0.17 to 0.24, which silently ignores any other name."""

_REPEATS = 30
"""The server ends an answer without `done` after more than this many identical pieces in a row."""


@dataclass(frozen=True)
class Reply:
    """The result of a text request; durations exclude loading the model and use one clock, the server's."""

    text: str
    prompt_tokens: int | None
    """None if the server's repetition guard ended the answer."""
    completion_tokens: int
    latency_ms: float
    ttft_ms: float | None
    """Evaluation of the prompt, which yields the first token."""
    decode_ms: float | None
    """Evaluation of the tokens after the first."""
    steps: list[dict[str, Any]] = field(default_factory=list)
    """For each generated token {"token", "top_logprobs"}, if asked for; not for one that ends the answer."""
    cut: bool = False
    """Whether the token limit ended the answer."""
    created: datetime = NEVER
    """When the last piece was made, by the server's clock."""
    went_round: bool = False
    """Whether the repetition guard ended an answer that was not streamed, whose tokens and times nothing tells."""

    @property
    def logprobs(self) -> list[dict[str, Any]]:
        """The most likely first tokens, {"token", "logprob"}, in descending order."""
        return self.steps[0].get("top_logprobs") or [] if self.steps else []


def sampling(options: Options) -> dict[str, Any]:
    """Return the sampling options under the server's names; none is left to its defaults."""
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
    """Return the request body that continues `text` verbatim: no template, no truncation, no context shift.

    Raises:
        ValueError: the server does not know an option.
    """
    if unknown := set(options) - _KNOWN:
        raise ValueError(f"Ollama does not know the option {', '.join(sorted(unknown))}")
    fixed = {"raw": True, "truncate": False, "shift": False, "stream": False}
    return {"model": name, "prompt": text, "options": options, **fixed, **other}


def gather(chunks: Iterable[dict[str, Any]], *, streamed: bool = True) -> Reply:
    """Assemble the answer from its chunks.

    Durations are the server's own. If its repetition guard ended the answer, it reports none; then all durations come
    from the local clock, which starts with the call, and only a stream tells the tokens.

    Raises:
        UnreachableError: the stream ended too early.
    """
    started = time.perf_counter()
    first: float | None = None
    pieces: list[str] = []
    steps: list[dict[str, Any]] = []
    created = NEVER
    for chunk in chunks:
        created = datetime.fromisoformat(chunk["created_at"]) if "created_at" in chunk else created
        if piece := chunk.get("response"):
            first = first or time.perf_counter()
            pieces.append(piece)
        steps += chunk.get("logprobs") or []
        if chunk.get("done"):
            return _finished(chunk, "".join(pieces), steps, created)
    if pieces and not streamed:
        return Reply("".join(pieces), None, 0, 0.0, None, None, created=created, went_round=True)
    if not _went_round(pieces):
        raise UnreachableError("an answer broke off")
    latency_ms = (time.perf_counter() - started) * 1e3
    ttft_ms = ((first or started) - started) * 1e3
    return Reply("".join(pieces), None, len(pieces), latency_ms, ttft_ms, latency_ms - ttft_ms, steps, created=created)


def _finished(last: dict[str, Any], text: str, steps: list[dict[str, Any]], created: datetime) -> Reply:
    return Reply(
        text=text,
        prompt_tokens=last.get("prompt_eval_count"),
        completion_tokens=last.get("eval_count", 0),
        latency_ms=max((last.get("total_duration", 0) - last.get("load_duration", 0)) / 1e6, 0.0),
        ttft_ms=_milliseconds(last, "prompt_eval_duration"),
        decode_ms=_milliseconds(last, "eval_duration"),
        steps=steps,
        cut=last.get("done_reason") == "length",
        created=created,
    )


def _milliseconds(last: dict[str, Any], key: str) -> float | None:
    """Convert a duration that the server reports in nanoseconds; it omits a duration of 0."""
    return last[key] / 1e6 if last.get(key) else None


def _went_round(pieces: list[str]) -> bool:
    end = pieces[-_REPEATS:]
    return len(end) == _REPEATS and len({piece.strip() for piece in end}) == 1

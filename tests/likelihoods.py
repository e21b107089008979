"""What both engines find likely, read from the requests that the product itself makes.

A step is one generated token: its text, its log-probability, and those of the likely tokens by text. Where the greedy
texts of two engines part, `compare` says how far from a tie that was. Run as a module, this is the embedded engine's
side: a process of its own, since llama.cpp's destructors can hang.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from so8t_engines.ollama.server import OllamaServer
from so8t_engines.protocol import Options

NEAR_TIE = 0.4
"""Log-probability by which two candidates may differ where greedy texts part; docs/ollama.md has what was seen."""

END = "<end>"
"""Text of every control token: llama.cpp prints them as nothing, Ollama by name."""

_LIKELY = 1000
_TOP = 20
"""The most that Ollama gives."""


@dataclass
class Step:
    """One generated token."""

    text: str
    logprob: float
    likely: dict[str, float]
    """Log-probability of the likeliest token of each text."""


@dataclass
class Row:
    """One prompt's answer."""

    prompt_tokens: int = 0
    ids: list[int] = field(default_factory=list)
    """Token ids of the prompt; the embedded engine's side only."""
    text: str = ""
    steps: list[Step] = field(default_factory=list)
    whole: bool = True
    """Whether every token has a step: Ollama leaves out tokens that are no whole character."""


@dataclass(frozen=True)
class Comparison:
    """Two engines' answers to one prompt."""

    equal_steps: int
    """Leading tokens that both chose."""
    gap: float | None
    """How far from a tie it was where they part, on the engine where it is farther; None where they are not seen to."""


def compare(served: Row, embedded: Row) -> Comparison:
    """Follow both answers to where they part.

    A token outside an engine's list counts as likely as the last one in it, the least it can be off. Nothing can be
    said from the first text on that is no whole character: it stands for several tokens, or is left out.
    """
    for number, (ours, theirs) in enumerate(zip_longest(served.steps, embedded.steps)):
        choices = [END if step is None else step.text for step in (ours, theirs)]
        if any("\ufffd" in text for text in choices):
            return Comparison(number, None)
        if choices[0] != choices[1]:
            if not served.whole:
                return Comparison(number, None)
            known = [(step, other) for step, other in zip((ours, theirs), choices[::-1], strict=True) if step]
            return Comparison(number, max(s.logprob - s.likely.get(o, min(s.likely.values())) for s, o in known))
    return Comparison(len(embedded.steps), None)


class RecordingServer(OllamaServer):
    """The product's connection to Ollama, which also asks for log-probabilities and keeps the last answer's."""

    steps: list[Step]

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Ask for more, keep it, hand on what the product asked for."""
        self.steps = []
        for chunk in super().stream(path, {**body, "logprobs": True, "top_logprobs": _TOP}):
            self.steps += [_step(token) for token in chunk.get("logprobs") or []]
            yield chunk


def embedded_rows(
    model: Path, prompts: Iterable[str], warm_up: Sequence[str], options: Options, *, context: int
) -> list[Row]:
    """The answers of the embedded engine, each with its steps."""
    asked = {"path": str(model), "prompts": list(prompts), "warm_up": list(warm_up), "context": context}
    text = json.dumps({**asked, "options": {**asdict(options), "stop": list(options.stop)}})
    command = [sys.executable, "-m", "tests.likelihoods"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=300)
    rows = json.loads(done.stdout.splitlines()[-1])
    return [Row(**{**row, "steps": [Step(**step) for step in row["steps"]]}) for row in rows]


def _step(token: dict[str, Any]) -> Step:
    likely: dict[str, float] = {}
    for other in [*token["top_logprobs"], token]:
        likely[_text(other)] = max(other["logprob"], likely.get(_text(other), -float("inf")))
    return Step(_text(token), token["logprob"], likely)


def _text(token: dict[str, Any]) -> str:
    text = bytes(token.get("bytes") or []).decode("utf-8", errors="replace")
    return END if not text or (text.startswith("<|") and text.endswith("|>")) else text


def _main() -> None:
    from so8t_engines.embedded.llama import Llama

    asked = json.load(sys.stdin)
    llama = Llama(asked["path"], asked["context"], threads=1, batch=512, warm_up=asked["warm_up"])
    recorder = _Recorder(llama._server)
    llama._server = recorder
    options = {
        name: value for name, value in asked["options"].items() if value != ""
    }  # as the engine: no empty grammar
    rows = []
    for prompt in asked["prompts"]:
        recorder.steps = []
        answer = llama.complete(prompt, {**options, "logprobs": _LIKELY, "n_probs": _LIKELY})
        rows.append(asdict(Row(answer["prompt_tokens"], llama._tokenizer.ids(prompt), answer["text"], recorder.steps)))
    print(json.dumps(rows), flush=True)
    os._exit(0)


class _Recorder:
    """llama.cpp's server, keeping the steps of the last answer for which they were asked here."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.steps: list[Step] = []

    def handle_completions(self, body: dict[str, Any]) -> Any:
        """Answer, and keep the steps unless this is one of the requests between answers."""
        answer = self._server.handle_completions(body)
        if body.get("n_probs") == _LIKELY and "error" not in answer:
            content = (answer["choices"][0].get("logprobs") or {}).get("content") or []
            self.steps = [_step(token) for token in content]
        return answer


if __name__ == "__main__":
    _main()

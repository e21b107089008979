"""`python -m tests.unit.evaluator.first_token FILE`: log-probabilities of the first token, by the embedded llama.cpp.

Reads a JSON list of prompts from standard input, writes a list of {text: log-probability}. In a process of its own,
since llama.cpp's destructors can hang.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

CONTEXT = 512


def by_text(likely: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Log-probabilities by the token's text, without texts that several tokens share or that are no whole character."""
    likely = list(likely)
    count = Counter(token["token"] for token in likely)
    return {
        token["token"]: token["logprob"]
        for token in likely
        if count[token["token"]] == 1
        and token["token"]
        and token["token"].isprintable()
        and "\ufffd" not in token["token"]
    }


def main(path: str) -> None:
    """Ask each prompt, without any cache."""
    import xllamacpp

    from so8t_evaluator.engine.llama import _parameters

    server = xllamacpp.Server(_parameters(path, CONTEXT, 1, 512, "a key for this process"))
    options = {"max_tokens": 1, "temperature": 0.0, "n_probs": 20, "logprobs": 20, "cache_prompt": False}
    found = []
    for prompt in json.load(sys.stdin):
        answer = server.handle_completions({**options, "prompt": prompt, "stream": False})
        content = (answer["choices"][0].get("logprobs") or {}).get("content") or [{"top_logprobs": []}]
        found.append(by_text(content[0]["top_logprobs"]))
    print(json.dumps(found), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])

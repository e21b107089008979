"""How a model's tokenizer cuts texts, as llama.cpp does it.

`python -m so8t_engines.tokens FILE` reads a list of texts from stdin and prints their tokens. Ollama has
no such request, and without the tokens of an answer its log-probability cannot be told from text alone. The
weights are mapped, not loaded: little memory is used besides the page cache.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import xllamacpp

from so8t_shared.errors import InputError

_REMEMBERED = 16
"""Texts whose tokens are remembered: the answers, and a prompt that is asked twice."""

_CONTEXT = 64


class Tokenizer:
    """The tokenizer of a loaded model, reached through the server's port."""

    def __init__(self, address: str, key: str) -> None:
        self._address = address.removeprefix("http://")
        self._key = key
        self._known: dict[str, list[int]] = {}

    def ids(self, text: str) -> list[int]:
        """Return token IDs; nothing is prepended, and control tokens in the text are recognized."""
        known = self._known.pop(text, None)
        self._known[text] = self._ask(content=text)["tokens"] if known is None else known
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        return self._known[text]

    def whole(self, text: str) -> list[int]:
        """Return token IDs of a whole text, as any program gets them: with the beginning that the model file adds."""
        found: list[int] = self._ask(content=text, add_special=True)["tokens"]
        return found

    def pieces(self, text: str) -> list[tuple[int, str]]:
        """Return token IDs with their texts; that of a piece of a character is empty."""
        found = self._ask(content=text, with_pieces=True)["tokens"]
        return [(one["id"], one["piece"] if isinstance(one["piece"], str) else "") for one in found]

    def back(self, text: str) -> tuple[list[int], str]:
        """Return a text's token IDs, and the text that they stand for, without a space that the model adds in front."""
        ids = self.ids(text)
        found: str = self._ask("detokenize", tokens=ids)["content"]
        return ids, found.removeprefix(" ") if not text.startswith(" ") else found

    def _ask(self, _where: str = "tokenize", **body: Any) -> Any:
        sent = json.dumps({"add_special": False, "parse_special": True, **body}).encode("utf-8")
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        with closing(http.client.HTTPConnection(self._address, timeout=60)) as connection:
            connection.request("POST", f"/{_where}", sent, headers)
            answer = json.loads(connection.getresponse().read())
        if "error" in answer:
            raise RuntimeError(answer["error"].get("message", "llama.cpp rejected the request"))
        return answer


def pieces_of(model: Path, texts: Sequence[str]) -> list[list[tuple[int, str]]]:
    """Return the tokens of each text, as (ID, text), by a model's own tokenizer.

    Raises:
        InputError: llama.cpp cannot load the model.
    """
    return [[(int(token), str(piece)) for token, piece in pieces] for pieces in _in_child(model, texts)]


def _in_child(model: Path, texts: Sequence[str]) -> Any:
    command = [sys.executable, "-m", "so8t_engines.tokens", str(model)]
    done = subprocess.run(command, input=json.dumps(list(texts)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(
            f"llama.cpp cannot load the model: {' '.join(done.stderr.strip().splitlines()[-1:])}",
            where=str(model),
            remedy="convert the model again; if that does not help, its architecture is not supported",
        )
    return json.loads(done.stdout.splitlines()[-1])


def _main(path: str) -> None:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = _CONTEXT
    parameters.n_parallel = 1
    parameters.cache_ram_mib = 0
    parameters.fit_params = parameters.warmup = False
    parameters.no_extra_bufts = True  # no second copy of the weights in another layout
    parameters.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_MMAP
    parameters.api_keys = [key := secrets.token_urlsafe(24)]
    parameters.verbosity = 1
    server = xllamacpp.Server(parameters)
    tokenizer = Tokenizer(server.listening_address, key)
    print(json.dumps([tokenizer.pieces(text) for text in json.load(sys.stdin)]), flush=True)
    os._exit(0)  # llama.cpp's destructors can hang


if __name__ == "__main__":
    _main(sys.argv[1])

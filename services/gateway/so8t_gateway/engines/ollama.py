"""A model on an Ollama server.

Requests are raw: the prompt is rendered here, as in training and in the test, and every option is explicit. An answer
is not streamed: nothing may leave before its end, and a wake-up per token would cost more than all else that the
service does. The likeliest tokens are asked for by a second request, at the place of the decision alone: the server
finds all before it in its cache, whereas sorting the vocabulary for each token would slow the whole answer down. Where
answers are short, each token comes with its own log-probability, and the second request is made only if that of the
label which was written leaves the class open.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp

from so8t_engines.ollama.generation import TOP_LOGPROBS, generation
from so8t_engines.ollama.generation import sampling as named
from so8t_engines.ollama.scored import Answers
from so8t_engines.protocol import Options
from so8t_gateway.engines.engine import EngineAway, Sampling, TooLong, Written
from so8t_gateway.engines.trace import likelihoods, written_label
from so8t_shared.classes import Likelihoods
from so8t_shared.labels import LABELS

_SHORT_TOKENS = 64
"""Up to which the log-probability of each token costs less than a second request."""
_KEEP_LOADED = -1
_CONNECT_S = 5.0
_CHECK_S = 5.0
_CLOSE_S = 5.0


@dataclass(frozen=True)
class Loaded:
    """What a server was found to do with the model."""

    address: str
    name: str
    digest: str
    """Under which the server lists it."""
    runner: dict[str, Any]
    """Options whose change would make the server load it anew."""
    stop: tuple[str, ...]
    seed: int
    prefix: str
    """What the server adds to each prompt by itself; prompts are sent without it."""
    answers: Answers


class OllamaServed:
    """See `ServedModel`."""

    def __init__(self, loaded: Loaded, connections: int) -> None:
        self._loaded = loaded
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def write(self, prompt: str, sampling: Sampling) -> Written:
        """Ask once."""
        tells = {"logprobs": True} if sampling.temperature == 0 and sampling.max_tokens <= _SHORT_TOKENS else {}
        said = await self._ask(prompt, sampling, **tells)
        return Written(
            text=said["response"],
            prompt_tokens=int(said.get("prompt_eval_count") or 0),
            completion_tokens=int(said.get("eval_count") or 0),
            cut=said["done_reason"] != "stop",
            steps=said.get("logprobs") or (),
        )

    def sure(self, written: Written, tag: int) -> tuple[str, float] | None:
        """See `ServedModel`; only what the tokens of training tell counts."""
        answers = self._loaded.answers
        opening = f"{answers.before}{answers.shared}"
        if not written.text.startswith(opening, tag):
            return None
        try:
            found = written_label(written.steps, written.text[: tag + len(opening)], answers.scored)
        except (KeyError, TypeError):  # of another form
            return None
        return (LABELS[found[0]], math.exp(found[1])) if found else None

    async def likelihoods(self, prompt: str, written: Written, tag: int) -> Likelihoods | None:
        """Ask what follows the `<final>`, after all that was written before it."""
        answers, before = self._loaded.answers, written.text[:tag]
        opening = f"{before if before.strip() else answers.separator}{answers.before}{answers.shared}"
        longest = max(map(len, answers.scored))
        said = await self._ask(prompt + opening, Sampling(longest, 0.0, 1.0), logprobs=True, top_logprobs=TOP_LOGPROBS)
        return likelihoods(said.get("logprobs") or (), answers.scored)

    async def check(self) -> bool:
        """Whether the server lists the model under the digest that was verified."""
        try:
            _, said = await self._request("GET", "/api/tags", None, _CHECK_S)
            with _failures():
                listed = {model["name"]: model["digest"] for model in json.loads(said)["models"]}
        except EngineAway:
            return False
        return bool(listed.get(self._loaded.name) == self._loaded.digest)

    async def close(self) -> None:
        """Have the server unload the model; one that is gone has done so."""
        try:
            await self._request("POST", "/api/generate", {"model": self._loaded.name, "keep_alive": 0}, _CLOSE_S)
        except EngineAway:
            pass
        finally:
            await self.release()

    async def release(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def _ask(self, text: str, sampling: Sampling, **more: Any) -> dict[str, Any]:
        options = Options(
            max_tokens=sampling.max_tokens,
            seed=self._loaded.seed,
            stop=self._loaded.stop,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=1 if sampling.temperature == 0 else 0,
        )
        bare = text.removeprefix(self._loaded.prefix)
        body = generation(
            self._loaded.name, bare, {**self._loaded.runner, **named(options)}, keep_alive=_KEEP_LOADED, **more
        )
        status, answer = await self._request("POST", "/api/generate", body)
        if status != HTTPStatus.OK:
            raise TooLong if b"exceeds the context length" in answer else EngineAway
        with _failures():
            said: dict[str, Any] = json.loads(answer)
            if not (said["done"] and said["done_reason"] and isinstance(said["response"], str)):
                raise EngineAway  # such as by the server's guard against repetition
            return said

    async def _request(
        self, method: str, path: str, body: dict[str, Any] | None, most_s: float | None = None
    ) -> tuple[int, bytes]:
        """Return the status and the body of an answer; without `most_s`, the caller ends what takes too long."""
        if self._session is None:  # of the loop that asks
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections + 1),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"content-type": "application/json"},
            )
        timeout = aiohttp.ClientTimeout(total=most_s, sock_connect=_CONNECT_S)
        data = None if body is None else json.dumps(body).encode()
        with _failures():
            url = f"{self._loaded.address}{path}"
            async with self._session.request(method, url, data=data, timeout=timeout, allow_redirects=False) as answer:
                return answer.status, await answer.read()


@contextmanager
def _failures() -> Iterator[None]:
    """Turn every failure of the connection or of the answer's form into one that says nothing."""
    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError, AttributeError):
        raise EngineAway from None

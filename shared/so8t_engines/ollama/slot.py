"""Keeps the server's prompt cache of one model in a known state, so that answers do not depend on history.

Ollama always reuses the part of a prompt that is in its cache, and other batch sizes give slightly different
numbers (see `so8t_engines.prompt_cache`). So every prompt is computed in the same pieces:

    the prefix that all prompts share     once, after a control token, so that nothing older is reused
    the rest of the prompt                at once, in the request that asks it
    the start of an answer                right after the prompt, where answers are scored or chosen

Ollama accepts text, not tokens, and shows no cache. Two prompts whose texts differ in the first byte after the prefix
share exactly the prefix; between two others a request for the prefix and a control token makes the server forget
the first one.

Another client's request for this model, or a reload of it, must not go unnoticed. So the prefix is placed with a
`keep_alive` that nobody else uses, and later requests leave it as it is. The server says when it would unload the
model: if that does not follow from our `keep_alive`, somebody came between, or a new load began with the server's
default. If it is the same as when we last looked, no request has ended since. A client that asks with all our runner
options, names no `keep_alive` and comes while we ask is the one case that does not show.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from so8t_engines.ollama.generation import NEVER, Reply
from so8t_engines.ollama.models import replaced
from so8t_engines.ollama.server import OllamaServer
from so8t_engines.protocol import EngineError

_LEAST_KEEP_S = 30 * 60
"""Longer than any pause between our requests; up to that much is added, so that it is not somebody else's."""

_SLACK = timedelta(seconds=60)
"""The server may be late to note that a request ended."""

Ask = Callable[..., Reply]
"""Evaluates a text and generates one token; more arguments are fields of the request."""


@dataclass(frozen=True)
class Listed:
    """What the server says about a loaded model."""

    expires: str
    size: int | None
    size_vram: int | None


class Slot:
    """The cache that the server keeps for one model."""

    def __init__(self, server: OllamaServer, name: str, prefix: str, end: str, ask: Ask, *, ours: bool = True) -> None:
        """`end` is a control token that no row contains; `ask` must call `saw` with each reply.

        `ours` if we put the model on the server.
        """
        self._ours = ours
        self._server = server
        self._name = name
        self._prefix = prefix
        self._end = end
        self._ask = ask
        self._keep = timedelta()
        self._since = self._latest = NEVER
        self._expires = ""
        """When the model would be unloaded, as last seen."""
        self._placed = False
        self._doubtful = True
        self._held = ""
        """The prompt with which the cache begins; empty if unknown."""
        self._after = ""
        """The text in the cache after that prompt."""
        self._tokens: int | None = None
        """Length of that prompt, if known."""

    def doubt(self) -> None:
        """Note that somebody else may have had a turn."""
        self._doubtful = True

    def begin(self, digest: str) -> None:
        """Place the prefix unless the cache is as we left it."""
        listed = self._listed(digest) if self._placed and self._doubtful else None
        untouched = listed is not None and listed.expires == self._expires
        if not self._placed or (self._doubtful and not untouched):
            self._keep = timedelta(seconds=_LEAST_KEEP_S + secrets.randbelow(_LEAST_KEEP_S))
            self._place(keep_alive=f"{self._keep.seconds}s")
        self._doubtful = False

    def undisturbed(self, digest: str) -> Listed | None:
        """Return what the server says about the model; None if the cache was not ours alone since `begin`."""
        listed = self._listed(digest)
        if listed is not None:
            ended = datetime.fromisoformat(listed.expires) - self._keep
            if self._since <= ended <= self._latest + _SLACK:
                self._expires = listed.expires
                return listed
        self.forget()
        return None

    def forget(self) -> None:
        """Assume nothing about the cache."""
        self._placed, self._held = False, ""

    def saw(self, reply: Reply) -> None:
        """Note when a request ended, by the server's clock."""
        self._latest = reply.created

    def rewind(self, prompt: str) -> None:
        """Make the cache share exactly the prefix with `prompt`, which is asked next."""
        if not self._placed:
            self._place()
        elif not self._part(prompt):
            self._ask(self._prefix + self._end)
        self._held = ""

    def asked(self, prompt: str, reply: Reply, after: str = "") -> None:
        """Note that the whole prompt was asked, after `rewind`, and what is in the cache after it."""
        self._held, self._after, self._tokens = prompt, after, reply.prompt_tokens
        rest = prompt.removeprefix(self._prefix)
        if not prompt.startswith(self._prefix) or not rest or rest[0].isspace():
            self._placed = False  # the end of the prefix may have been replaced by a token that spans it

    def follow(self, text: str) -> None:
        """Note that the prompt is asked again, with a text after it."""
        self._after = text

    def hold(self, prompt: str, following: str) -> tuple[int | None, float]:
        """Make the cache hold exactly `prompt` before `following`, which is asked next.

        Returns:
            The prompt's tokens, if known, and the milliseconds that it took to compute them now.
        """
        computed_ms = 0.0
        if self._held != prompt:
            self.rewind(prompt)
            reply = self._ask(prompt)
            self.asked(prompt, reply)
            computed_ms = reply.latency_ms
        elif _first_byte(self._after) == _first_byte(following):
            self._ask(prompt + self._end)
        self._after = following
        if not following:
            self._held = ""  # its last token is computed again, alone
        return self._tokens, computed_ms

    def _place(self, **first: str) -> None:
        self.forget()
        reply = self._ask(self._end, **first)
        if first:
            self._since = reply.created
        if self._prefix:
            self._ask(self._prefix + self._end)
        self._placed, self._held = True, self._prefix + self._end

    def _part(self, prompt: str) -> bool:
        """Whether the cache's text and the prompt differ in the first byte after the prefix."""
        if not self._held.startswith(self._prefix) or not prompt.startswith(self._prefix):
            return False
        if self._held == self._prefix + self._end:
            return True
        one, other = (_first_byte(text.removeprefix(self._prefix)) for text in (self._held, prompt))
        return one != other

    def _listed(self, digest: str) -> Listed | None:
        """Return what the server says about the loaded model; None if it is not loaded.

        Raises:
            EngineError: another model has taken its name.
        """
        loaded = self._server.get("/api/ps").get("models", [])
        if any(m.get("name") == self._name and m.get("digest") != digest for m in loaded):
            if not self._ours:
                raise replaced(self._name, self._server.address)
            raise EngineError(
                "The model of this name on the Ollama server was replaced by another.",
                where=f"{self._name} at {self._server.address}",
                remedy="choose other ollama.model_a_name and model_b_name, then run the same command again",
            )
        found = [m for m in loaded if m.get("digest") == digest]
        return Listed(found[0]["expires_at"], found[0].get("size"), found[0].get("size_vram")) if found else None


def _first_byte(text: str) -> bytes:
    """Return the byte in which texts must differ to have no token in common at their beginning."""
    return text[:1].encode()[:1]

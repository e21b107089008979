"""Who may ask, how often and how many at once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

from starlette.requests import Request

from so8t_gateway.limits import Inside, bucket_of
from so8t_gateway.seams import Refused, TooMany
from so8t_shared.client_tokens import ClientToken, ClientTokens, read_tokens
from so8t_shared.errors import So8tError
from so8t_shared.files import file_version
from so8t_shared.listening import is_loopback
from so8t_shared.token_bucket import TokenBucket

_BEARER = "bearer "
_LOOK_EVERY_S = 0.5
_SOON_S = 1.0

log = logging.getLogger("so8t.think")


@dataclass(frozen=True)
class Admitted:
    """A client whose request was let in."""

    name: str
    _counters: tuple[Inside, ...]
    _bucket: TokenBucket | None = None

    def spend(self, decisions: int) -> None:
        """See `Client.spend`."""
        if self._bucket is None or decisions <= 1:
            return
        if decisions > self._bucket.most:
            raise TooMany(int(self._bucket.most))
        if self._bucket.take(decisions - 1):
            raise Refused(429, self._bucket.wait_s(decisions))  # the next try, too, pays for being let in

    def leave(self) -> None:
        """Note that the request is over."""
        for counter in self._counters:
            counter.leave()


class _Limits:
    """What one client has used."""

    def __init__(self, token: ClientToken, clock: Callable[[], float]) -> None:
        self.token = token
        self.bucket = bucket_of(token.requests_per_minute, clock)
        self.inside = Inside(token.concurrency)


class Gate:
    """Lets requests in up to a number, whoever sends them; for a service that only this host can reach.

    A web page that a user of this host opens could reach it too, under a name of its own that it lets point to this
    host (DNS rebinding): the browser then sends that name, which is refused.
    """

    def __init__(self, most: int) -> None:
        self._inside = Inside(most)

    async def admit(self, request: Request) -> Admitted:
        """See `Access.admit`."""
        if not is_loopback(_host_of(request)):
            log.warning("a request under another name than this host's was refused: give the clients tokens")
            raise Refused(403)
        return self._let_in("")

    def _let_in(self, name: str, *counters: Inside, bucket: TokenBucket | None = None) -> Admitted:
        if not self._inside.enter():
            for counter in counters:
                counter.leave()
            raise Refused(503, _SOON_S)
        return Admitted(name, (self._inside, *counters), bucket)


class TokenGate(Gate):
    """Lets requests in that carry a token of the file, within the token's limits; a changed file counts at once."""

    def __init__(self, path: Path, most: int, clock: Callable[[], float] = monotonic) -> None:
        """Read the file; a missing one has no tokens yet.

        Raises:
            IntegrityError, NewerFormat: it cannot be used.
        """
        super().__init__(most)
        self._path = path
        self._clock = clock
        self._limits: dict[str, _Limits] = {}
        self._version = file_version(path)
        self._looked_at = clock()
        self._tokens: ClientTokens | None = read_tokens(path) if self._version else ClientTokens()
        if not self._tokens.tokens:
            log.warning("nobody is let in yet: add a token with 'so8t-ab think token add'")

    async def admit(self, request: Request) -> Admitted:
        """See `Access.admit`; a file that can no longer be read lets nobody in."""
        tokens = self._current()
        if tokens is None:
            raise Refused(503, _SOON_S)
        given = _token_of(request)
        owner = tokens.owner_of(given) if given else None
        if owner is None:
            raise Refused(401)
        limits = self._limits_of(owner)
        if not limits.inside.enter():
            raise Refused(429, _SOON_S)
        if wait_s := limits.bucket.take():
            limits.inside.leave()
            raise Refused(429, wait_s)
        return self._let_in(owner.name, limits.inside, bucket=limits.bucket)

    def _limits_of(self, token: ClientToken) -> _Limits:
        limits = self._limits.get(token.name)
        if limits is None or limits.token != token:
            limits = self._limits[token.name] = _Limits(token, self._clock)
        return limits

    def _current(self) -> ClientTokens | None:
        if self._clock() - self._looked_at < _LOOK_EVERY_S:
            return self._tokens
        self._looked_at = self._clock()
        version = file_version(self._path)
        if version != self._version:
            self._version = version
            try:
                self._tokens = read_tokens(self._path) if version else ClientTokens()
                names = {token.name for token in self._tokens.tokens}
                self._limits = {name: limits for name, limits in self._limits.items() if name in names}
                log.info("the tokens were read again", extra={"tokens": len(names)})
            except So8tError as error:
                self._tokens = None
                log.error("nobody is let in: %s", error.what, extra={"where": error.where})
        return self._tokens


def _host_of(request: Request) -> str:
    """The name under which a client asks, without the port; empty if it is none."""
    with suppress(ValueError):
        return urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    return ""


def _token_of(request: Request) -> str:
    """The token of a request: a bearer token, or LiteLLM's `x-api-key`; empty if there is none, or more than one."""
    given = [value for name in ("authorization", "x-api-key") for value in request.headers.getlist(name)]
    if len(given) != 1:
        return ""
    bearer = request.headers.get("authorization")
    if bearer is None:
        return given[0]
    return bearer[len(_BEARER) :].strip() if bearer.lower().startswith(_BEARER) else ""

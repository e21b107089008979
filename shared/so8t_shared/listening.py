"""The socket of a service that listens for HTTP, and who can reach it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from ipaddress import ip_address

from so8t_shared.errors import ServerError

_BACKLOG = 2048


@contextmanager
def listening(host: str, port: int, *, what: str, settings: str, remedy: str) -> Iterator[socket.socket]:
    """Listen at an address within the block; errors name `what` listens and the `settings` that say where.

    Raises:
        ServerError: something else listens there, or this host has no such address.
    """
    try:
        family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ServerError(
            f"{what} cannot listen: {_why(error)}.", where=f"{host}:{port}{settings}", remedy=remedy
        ) from error
    # Connections inherit it. asyncio sets it only where the socket names its protocol, which this one does not, and
    # without it each answer waits 40 ms for an acknowledgment between its head and its body.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with listener:
        yield listener


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a name or an address is this host's own, which nobody else can reach."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _why(error: OSError) -> str:
    """The system's words; Python adds the address to them, which is named anyway."""
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)

"""Runs the dashboard until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from so8t_dashboard.app import create_app
from so8t_dashboard.guarding import Access
from so8t_dashboard.service import Service
from so8t_shared.config.model import Config
from so8t_shared.errors import ConfigError
from so8t_shared.listening import is_loopback, listening
from so8t_shared.punctual import RECEIVE_S, punctual_protocol
from so8t_shared.store.open import open_store
from so8t_shared.web_server import Server

_SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Place:
    """Where the dashboard listens, and what protects it."""

    host: str
    port: int
    token_file: Path | None = None
    names: tuple[str, ...] = ()
    """Host names under which browsers reach it, beside this host's own."""


def serve(config: Config, place: Place, on_address: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `on_address` is told the address once pages are served.

    Raises:
        ConfigError: others can reach the address, and there is no token.
        ServerError: the address is in use, or the store's server cannot be reached.
    """
    access = access_of(place)
    store = open_store(config, read_only=True)
    remedy = "stop what listens there, or choose another --port"
    with listening(place.host, place.port, what="The dashboard", settings="", remedy=remedy) as listener:
        app = create_app(Service(store, config), access, place.names)
        asyncio.run(_serve(Server(settings(app)), listener, on_address))


def settings(app: ASGIApp, receive_s: float = RECEIVE_S) -> uvicorn.Config:
    """How the application is served; a request may take `receive_s` seconds to arrive."""
    return uvicorn.Config(
        app,
        http=punctual_protocol(receive_s),
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )


def access_of(place: Place) -> Access:
    """The token in the place's file; none is needed where only this host can connect.

    Raises:
        ConfigError: a token is needed and missing, or it is too short to be one.
    """
    if place.token_file is None:
        if is_loopback(place.host):
            return Access()
        raise ConfigError(
            "Anyone who can reach this address could read the sessions.",
            where=f"--host {place.host}",
            remedy="name a file with a long random token by --token-file, or listen on 127.0.0.1",
        )
    try:
        token = place.token_file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "The token cannot be read.", where=str(place.token_file), remedy="write one line of text to that file"
        ) from error
    if len(token) < _SHORTEST_TOKEN:
        raise ConfigError(
            f"The token has fewer than {_SHORTEST_TOKEN} characters.",
            where=str(place.token_file),
            remedy="make a random one: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return Access(token)


async def _serve(server: Server, listener: socket.socket, on_address: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, server)
    announcing = asyncio.create_task(server.announce(listener, on_address))
    try:
        await server.serve(sockets=[listener])
    finally:
        announcing.cancel()


def _stop(server: uvicorn.Server) -> None:
    server.force_exit = server.should_exit
    server.should_exit = True

"""Runs the service: configuration, first model, web server, signals."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Barrier

import uvicorn

from so8t_gateway.access import Gate, TokenGate
from so8t_gateway.app import create_app
from so8t_gateway.audit.auditor import FileAuditor, open_auditor
from so8t_gateway.deciding import Limits, ModelDecider
from so8t_gateway.heap import give_back, keep_heap_small
from so8t_gateway.keeper import Keeper
from so8t_gateway.lane import Lane
from so8t_gateway.loading import concurrency_of
from so8t_gateway.quiet import log_quietly
from so8t_gateway.seams import Access
from so8t_gateway.service import Bounds, Service
from so8t_gateway.session_model import offered
from so8t_gateway.tls import Tls, tls_of
from so8t_shared.config.model import Config
from so8t_shared.errors import ConfigError
from so8t_shared.listening import is_loopback, listening
from so8t_shared.processes import RELOADING, STOPPING, check_stages_can_run, forbid_core_dumps
from so8t_shared.punctual import punctual_protocol
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.open import open_store
from so8t_shared.web_server import Server

log = logging.getLogger("so8t.think")

_ARRIVING = 32
"""Requests that may be arriving or leaving beside those that are at work or wait for it."""
_GIVE_BACK_S = 10.0
_THREADS = 6
"""What has to wait for the disk or the store does so in these."""


def serve(
    read: Callable[[], Config], on_address: Callable[[str], None] = lambda address: None, *, wait: bool = False
) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reads the configuration again.

    `on_address` is told the address once requests are answered. With `wait`, they get 503 until the session's test is
    over and its model is loaded.

    Raises:
        UnsupportedSystem: this is native Windows.
        ConfigError: others could reach the service, and it demands no tokens; or the audit log has no key; or the
            certificate cannot be used.
        So8tError: there is no model to serve, or it cannot be loaded; the audit log or the tokens cannot be used.
    """
    check_stages_can_run("so8t-ab think", "docker compose --profile think up")
    forbid_core_dumps()
    keep_heap_small()
    config = read()
    demand_protection(config)
    tls = tls_of(config.think)
    access = access_of(config)
    log_quietly()
    store = open_store(config)
    if not wait:
        offered(store, config)  # without a session no audit log is begun, nor without a port
    with listening_socket(config) as listener:
        auditor = open_auditor(config, store)
        try:
            asyncio.run(_serve(config, lambda: _opened(read()), access, auditor, tls, listener, on_address, wait=wait))
        finally:
            auditor.close()


def access_of(config: Config) -> Access:
    """Return what admits requests: those with a token, where a file of tokens is configured.

    Raises:
        So8tError: the file cannot be used.
    """
    most = config.think.concurrency + config.think.queue + _ARRIVING
    tokens = config.think.tokens_file
    return TokenGate(Path(tokens), most) if tokens else Gate(most)


def demand_protection(config: Config) -> None:
    """Check that only this host can reach a service that demands no token; TLS alone says nothing about who asks.

    Raises:
        ConfigError: others can.
    """
    host = config.think.host
    if config.think.tokens_file or is_loopback(host):
        return
    raise ConfigError(
        "Anyone who can reach this address could ask the model.",
        where=f"think.host = {host}",
        remedy="create tokens ('so8t-ab think token add') and set think.tokens_file, or listen on 127.0.0.1",
    )


def _opened(config: Config) -> tuple[Config, ArtifactStore]:
    return config, open_store(config)


async def _serve(
    config: Config,
    read: Callable[[], tuple[Config, ArtifactStore]],
    access: Access,
    auditor: FileAuditor,
    tls: Tls | None,
    listener: socket.socket,
    on_address: Callable[[str], None],
    *,
    wait: bool,
) -> None:
    think = config.think
    lane = Lane(concurrency_of(config), think.queue)
    decider = ModelDecider(Limits(think.timeout_s, think.min_confidence), lane, auditor.hash_thinking)
    service = Service(
        decider, auditor, access, Bounds(think.max_query_chars, think.max_temperature, think.open_metrics)
    )
    keeper = Keeper(decider, service.metrics, read)
    await _begin_threads()
    await keeper.begin(wait=wait)
    gc.collect()
    gc.freeze()  # what is loaded now stays: looking through it again and again would let answers wait
    try:
        server = Server(_settings(config, service, tls))
        tasks = [
            asyncio.create_task(keeper.run()),
            asyncio.create_task(_stay_small()),
            asyncio.create_task(server.announce(listener, on_address)),
        ]
        with _signals(server, lane, lambda: _reload(keeper, tls), think.timeout_s):
            await server.serve(sockets=[listener])
        for task in tasks:
            task.cancel()
    finally:
        await keeper.close()


async def _stay_small() -> None:
    while True:
        await asyncio.sleep(_GIVE_BACK_S)
        await asyncio.to_thread(give_back)


async def _begin_threads() -> None:
    """Start all threads now: each brings a stack and a heap, and begun when first needed, they look like a leak."""
    loop, all_run = asyncio.get_running_loop(), Barrier(_THREADS)
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, "think"))
    await asyncio.gather(*(asyncio.to_thread(all_run.wait) for _ in range(_THREADS)))


def _settings(config: Config, service: Service, tls: Tls | None) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(service),
        http=punctual_protocol(config.think.receive_s),
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        ssl_context_factory=(lambda *_: tls.context) if tls else None,
        timeout_graceful_shutdown=int(config.think.timeout_s) + 1,
    )


def listening_socket(config: Config) -> AbstractContextManager[socket.socket]:
    """Listen at the configured address, within the block.

    Raises:
        ServerError: something else does, or this host has no such address.
    """
    remedy = "stop what listens there, or choose another think.port"
    settings = " (think.host, think.port)"
    return listening(config.think.host, config.think.port, what="The service", settings=settings, remedy=remedy)


def _reload(keeper: Keeper, tls: Tls | None) -> None:
    keeper.look_now()
    try:
        if tls:
            tls.read_again()
    except ConfigError as error:
        log.warning("The renewed certificate is not used: %s", error.what)


@contextmanager
def _signals(server: uvicorn.Server, lane: Lane, reload: Callable[[], None], patience_s: float) -> Iterator[None]:
    """SIGTERM, SIGINT: answer what was begun, refuse the rest, end. A second one ends at once. SIGHUP: look again."""
    loop, stops = asyncio.get_running_loop(), list[asyncio.Task[None]]()

    async def drain() -> None:
        try:
            await asyncio.wait_for(lane.drain(), patience_s)
        finally:
            server.should_exit = True

    def stop() -> None:
        if stops:
            server.should_exit = server.force_exit = True
        else:
            stops.append(loop.create_task(drain()))

    for number in STOPPING:
        loop.add_signal_handler(number, stop)
    for number in RELOADING:
        loop.add_signal_handler(number, reload)
    try:
        yield
    finally:
        for number in (*STOPPING, *RELOADING):
            loop.remove_signal_handler(number)

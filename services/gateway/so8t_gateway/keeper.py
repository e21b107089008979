"""Keeps the service on the model that the configured session offers, without dropping a request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from so8t_gateway.deciding import ModelDecider, Serving
from so8t_gateway.engines.engine import ServedModel
from so8t_gateway.loading import load
from so8t_gateway.metrics import Metrics
from so8t_gateway.session_model import NoSession, SessionModel, offered, read_session
from so8t_shared.config.model import Config
from so8t_shared.errors import So8tError, UpstreamError
from so8t_shared.store.base import ArtifactStore

log = logging.getLogger("so8t.think")


class Keeper:
    """Looks into the store now and then; a new model is loaded beside the old one, then takes its place."""

    def __init__(
        self, decider: ModelDecider, metrics: Metrics, read_config: Callable[[], tuple[Config, ArtifactStore]]
    ) -> None:
        """`read_config` reads the configuration file anew."""
        self._decider = decider
        self._metrics = metrics
        self._read_config = read_config
        self._config, self._store = read_config()
        self._wake = asyncio.Event()
        self._reread = False
        self._told = ""
        self._leaving: set[asyncio.Task[None]] = set()

    async def begin(self, *, wait: bool = False) -> None:
        """Load the first model; with `wait`, leave it to `run` if the session's test is not over yet.

        Raises:
            So8tError: there is none, or it cannot be loaded.
        """
        try:
            await self._take_over()
        except (NoSession, UpstreamError) as fault:
            if not wait:
                raise
            self._tell(fault)

    def look_now(self) -> None:
        """Read the configuration file again and look into the store; for a signal handler."""
        self._reread = True
        self._wake.set()

    async def run(self) -> None:
        """Watch until cancelled; a fault leaves the old model in its place."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._config.think.poll_s)
            self._wake.clear()
            try:
                await self._look()
            except So8tError as fault:
                self._tell(fault)
            except Exception as fault:  # noqa: BLE001 - the service goes on with the model that it has
                log.error("the model stays as it is", extra={"error": type(fault).__name__})

    async def close(self) -> None:
        """Unload what is loaded."""
        serving, self._decider.serving = self._decider.serving, None
        if serving:
            await serving.close()
        await asyncio.gather(*self._leaving)

    def _tell(self, fault: So8tError) -> None:
        """Log why no model was taken over, once for each reason."""
        if fault.what != self._told:
            self._told = fault.what
            event = "the model stays as it is" if self._decider.serving else "waiting for a model"
            log.warning(event, extra={"error": type(fault).__name__, "what": fault.what})

    async def _look(self) -> None:
        if self._reread:
            self._reread = False
            self._config, self._store = await asyncio.to_thread(self._read_config)
        now = self._decider.serving
        wanted = await asyncio.to_thread(offered, self._store, self._config)
        if now is None or now.model.identity != wanted or not await now.engine.check():
            await self._take_over()

    async def _take_over(self) -> None:
        model = await asyncio.to_thread(read_session, self._store, self._config)
        engine: ServedModel = await load(self._config, model)
        self._told = ""
        before, self._decider.serving = self._decider.serving, Serving(model, engine)
        self._metrics.serves(model.file.name, model.file.sha256, model.session_id)
        facts = {"model": model.file.name, "sha256": model.file.sha256, "session": model.session_id}
        log.info("a model is served", extra={**facts, "policy": model.policy_sha256 or "none"})
        if before:
            leaving = asyncio.create_task(self._leave(before, model))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def _leave(self, before: Serving, now: SessionModel) -> None:
        """Unload a model that nobody asks any more, unless the server has the same file for the new one."""
        await before.close(unload=before.model.file.sha256 != now.file.sha256)

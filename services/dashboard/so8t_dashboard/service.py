"""What all requests share: the poller, plans, GPUs, and the word that something has changed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from so8t_dashboard.gpu import Gpu, gpus
from so8t_dashboard.reading.plans import Plans
from so8t_dashboard.reading.poller import Poller
from so8t_dashboard.reading.state import State
from so8t_shared.config.model import Config
from so8t_shared.store.base import ArtifactStore

_GPU_S = 2.0


class Service:
    """The state of the dashboard, for one event loop."""

    def __init__(self, store: ArtifactStore, config: Config, look_for_gpus: Callable[[], list[Gpu]] = gpus) -> None:
        self.poller = Poller(store)
        self.plans = Plans(self.poller.store, config, self._tell)
        self.poller.on_change(self._tell)
        self.changes = 0
        """Grows whenever anything that pages show has changed."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._look_for_gpus = look_for_gpus
        self._gpus: tuple[float, list[Gpu]] = (-_GPU_S, [])
        self._gpu_lock = threading.Lock()

    @property
    def state(self) -> State:
        """What is known of the store now."""
        return self.poller.state

    def begin(self) -> None:
        """Start reading; called in the event loop."""
        self._loop = asyncio.get_running_loop()
        self.poller.start()

    def end(self) -> None:
        """Stop reading."""
        self.poller.stop()

    def gpus(self) -> list[Gpu]:
        """GPUs of this host, asked for at most every two seconds."""
        with self._gpu_lock:
            if time.monotonic() - self._gpus[0] > _GPU_S:
                self._gpus = (time.monotonic(), self._look_for_gpus())
            return self._gpus[1]

    async def wait(self, seen: int, timeout_s: float) -> None:
        """Return once more has changed than was `seen`, or after some time."""
        if self.changes == seen:
            try:
                await asyncio.wait_for(self._changed.wait(), timeout_s)
            except TimeoutError:
                return

    def _tell(self) -> None:
        """Wake all who wait; called from other threads."""
        self.changes += 1
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

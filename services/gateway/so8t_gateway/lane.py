"""How many requests are at work at the same time, and how many may wait for that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Full(Exception):
    """As many requests as may wait are waiting."""


class Stopping(Exception):
    """No new request is begun."""


class Lane:
    """First come, first served."""

    def __init__(self, concurrency: int, queue: int) -> None:
        self._turns = asyncio.Semaphore(concurrency)
        self._room = concurrency + queue
        self._inside = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.stopping = False

    @property
    def inside(self) -> int:
        """Requests at work or waiting."""
        return self._inside

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn.

        Raises:
            Full: too many are waiting.
            Stopping: the service is about to stop, or was told so while this one waited.
        """
        if self.stopping:
            raise Stopping
        if self._inside >= self._room:
            raise Full
        self._inside += 1
        self._idle.clear()
        try:
            async with self._turns:
                if self.stopping:
                    raise Stopping
                yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._idle.set()

    async def drain(self) -> None:
        """Begin no more requests, and wait for those at work."""
        self.stopping = True
        await self._idle.wait()

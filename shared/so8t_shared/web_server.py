"""uvicorn's server as the services of this project run it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn


class Server(uvicorn.Server):
    """Leaves signals to its service; uvicorn would raise them again at the end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle none."""
        yield

    async def announce(self, listener: socket.socket, on_address: Callable[[str], None]) -> None:
        """Tell the address once requests are answered."""
        while not self.started:
            await asyncio.sleep(0.01)
        host, port = listener.getsockname()[:2]
        on_address(f"{'https' if self.config.is_ssl else 'http'}://{f'[{host}]' if ':' in host else host}:{port}")

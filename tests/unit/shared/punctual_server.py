"""A real uvicorn with the services' protocol, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from tests.unit.shared.processes import until

from so8t_shared.punctual import punctual_protocol


@contextmanager
def serving(routes: Sequence[Route], receive_s: float) -> Iterator[int]:
    """Its port; requests must arrive within `receive_s`."""
    app = Starlette(routes=routes)
    server = uvicorn.Server(
        uvicorn.Config(app, http=punctual_protocol(receive_s), port=0, log_config=None, timeout_keep_alive=5)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, "the server")
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()

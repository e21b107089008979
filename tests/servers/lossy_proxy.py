"""A TCP proxy before a real server that loses answers, or refuses requests in the server's place, when told to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class LossyProxy:
    """Forwards connections to one port of this host; see `lose` and `refuse`."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[str] = []
        """First line of every request that was seen at the beginning of a packet."""
        self._lose = ""
        self._count = 0
        self._instead = b""
        self._forward = True
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def lose(self, beginning: str, count: int = 1, *, instead: bytes = b"") -> None:
        """Let the answers to the next `count` requests that begin like this get lost, `instead` come in their place."""
        self._lose, self._count, self._instead, self._forward = beginning, count, instead, True

    def refuse(self, beginning: str, count: int, answer: bytes) -> None:
        """Answer the next `count` requests that begin like this with `answer`; the server never sees them."""
        self._lose, self._count, self._instead, self._forward = beginning, count, answer, False

    def close(self) -> None:
        """End it."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self._target))
        losing = threading.Event()

        def requests() -> None:
            refused = False
            with contextlib.suppress(OSError):
                while data := near.recv(1 << 16):
                    line = data.split(b"\r\n", 1)[0]
                    if line.endswith(b"HTTP/1.1"):
                        text = line.decode()
                        self.requests.append(text)
                        if self._count and text.startswith(self._lose):
                            self._count -= 1
                            refused = not self._forward
                            losing.set()
                            if refused:
                                near.sendall(self._instead)
                    if not refused:
                        far.sendall(data)

        threading.Thread(target=requests, daemon=True).start()
        with contextlib.suppress(OSError), near, far:
            while data := far.recv(1 << 16):
                if losing.is_set():
                    near.sendall(self._instead)
                    break
                near.sendall(data)
            near.shutdown(socket.SHUT_RDWR)  # closing alone waits for the thread that reads


@contextmanager
def lossy_proxy(port: int) -> Iterator[LossyProxy]:
    """A proxy that is closed after the block."""
    proxy = LossyProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()

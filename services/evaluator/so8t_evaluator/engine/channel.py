"""JSON lines over a pair of pipes, one object a line: what crosses between a worker and its parent."""

from __future__ import annotations

import json
import os
from typing import Any, BinaryIO, Self


class Channel:
    """One end of the connection; end of file is how either side learns that the other is gone."""

    def __init__(self, reading: BinaryIO, writing: BinaryIO) -> None:
        self._reading = reading
        self._writing = writing

    @classmethod
    def on(cls, reading_fd: int, writing_fd: int) -> Self:
        """Take over two open file descriptors."""
        return cls(os.fdopen(reading_fd, "rb"), os.fdopen(writing_fd, "wb", buffering=0))

    def send(self, message: dict[str, Any]) -> None:
        """Send one object.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        self._writing.write(json.dumps(message).encode("utf-8") + b"\n")

    def receive(self) -> dict[str, Any] | None:
        """The next object, or None when the other side is gone."""
        line = self._reading.readline()
        if not line.endswith(b"\n"):
            return None
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        """Close both directions."""
        self._reading.close()
        self._writing.close()

"""Answers of known length in one write: their clients wake up once, not for the head and again for the body."""

from __future__ import annotations

import h11


class OneWrite(h11.Connection):
    """h11's connection for uvicorn, which writes each event at once; here, a head waits for what follows it.

    The head of a stream does not: nobody knows when its first piece comes.
    """

    _head = b""

    def send(self, event: h11.Event) -> bytes | None:  # type: ignore[override] # its overloads say less
        """Return the bytes to write now."""
        data = super().send(event)
        if isinstance(event, h11.Response) and _has_length(event):
            self._head = data or b""
            return b""
        if data is None:
            return None
        head, self._head = self._head, b""
        return head + data


def _has_length(response: h11.Response) -> bool:
    return any(name == b"content-length" for name, _ in response.headers)

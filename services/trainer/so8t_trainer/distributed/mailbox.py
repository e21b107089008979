"""Messages between the leader and the leading rank: one JSON file each, in a folder on their host.

Files outlive a killed rank, and need no port, no descriptor handed through torchrun, and no pickle.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_POLL_S = 0.02
Message = dict[str, Any]


class Mailbox:
    """The leader's end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("asked", "answered"):
            (folder / name).mkdir(parents=True)

    def new(self) -> Iterator[tuple[str, Message]]:
        """Yield the messages that have come, oldest first, each with its name; each is yielded once."""
        for path in sorted((self._folder / "asked").glob("*.json")):
            message: Message = json.loads(path.read_bytes())
            path.unlink()
            yield path.name, message

    def answer(self, name: str, value: Any) -> None:
        """Answer a message."""
        _put(self._folder / "answered" / name, value)

    def ask_to_stop(self) -> None:
        """Ask the ranks to save a checkpoint and end."""
        (self._folder / "stop").touch()


class Sender:
    """The leading rank's end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._prefix = f"{time.time_ns():020d}"

    @property
    def stop_requested(self) -> bool:
        """Whether the leader asks the ranks to end."""
        return (self._folder / "stop").exists()

    def tell(self, kind: str, **values: Any) -> str:
        """Send a message, and return its name."""
        self._count += 1
        name = f"{self._prefix}-{self._count:08d}.json"
        _put(self._folder / "asked" / name, {"kind": kind, **values})
        return name

    def ask(self, kind: str, **values: Any) -> Any:
        """Send a message and return its answer; a leader that ends takes this process with it."""
        path = self._folder / "answered" / self.tell(kind, **values)
        while not path.exists():
            time.sleep(_POLL_S)
        answer = json.loads(path.read_bytes())
        path.unlink()
        return answer


def _put(path: Path, value: Any) -> None:
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(value), encoding="utf-8")
    draft.rename(path)

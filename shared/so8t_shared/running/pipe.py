"""Events of a run's child: one JSON object per line on an inherited pipe."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import BinaryIO

from so8t_shared.json_files import whole_objects
from so8t_shared.running.events import Event, Listener, Scene


class Pipe(Listener):
    """Writes events to the parent process."""

    def __init__(self, handle: int) -> None:
        os.set_inheritable(handle, False)  # otherwise a grandchild would keep the pipe open
        self._file = os.fdopen(handle, "w", buffering=1, encoding="utf-8")

    def hear(self, event: Event) -> None:
        """Send one event; if the reader is gone, the signal of its end is on its way."""
        with suppress(BrokenPipeError):
            self._file.write(json.dumps(asdict(event)) + "\n")

    def close(self) -> None:
        """Close the pipe."""
        with suppress(BrokenPipeError):
            self._file.close()


def open_pipe(scene: Scene) -> Pipe:
    """The pipe to the parent run."""
    return Pipe(scene.pipe)


def read_events(file: BinaryIO) -> Iterator[Event]:
    """Yield events as they arrive; one cut off by the end of the process is skipped."""
    for fields in whole_objects(file):
        yield Event(**fields)

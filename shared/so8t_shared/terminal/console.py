"""Standard output and standard error; a reader that quits early (`| head`) neither ends a command nor fails it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from so8t_shared.escapes import harmless


class PatientConsole(Console):
    """A console that goes silent once its reader is gone, where rich's own exits with 1.

    It shows control characters of foreign text as escapes: only rich itself controls the terminal.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The parts of what is printed, each without control characters."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=harmless(segment.text))

    def on_broken_pipe(self) -> None:
        """Print nothing more and discard what is still buffered."""
        self.quiet = True
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.file.fileno())
            os.close(nowhere)


out = PatientConsole(emoji=False)
"""Standard output: a command's result."""

err = PatientConsole(stderr=True, emoji=False)
"""Standard error: notices, progress, errors."""


def say(text: str) -> None:
    """Print text to standard output byte for byte, without rich's rendering."""
    if out.quiet:
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        out.on_broken_pipe()

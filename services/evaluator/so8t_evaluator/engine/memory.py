"""Whether a model fits into this host's memory, before loading it makes the host swap."""

from __future__ import annotations

from pathlib import Path

import psutil

from so8t_evaluator.engine.protocol import ModelFile, NoRoomError
from so8t_shared.errors import InputError
from so8t_shared.formatting import size as readable

_LIMIT = Path("/sys/fs/cgroup/memory.max")
_OVERHEAD_BYTES = 256 << 20
"""Context, buffers and the program itself, beside the weights."""


class MemoryBudget:
    """What the models that are loaded at the same time may take together."""

    def __init__(self) -> None:
        self._loaded: dict[int, int] = {}
        self._free_bytes = 0

    def take(self, model: ModelFile, owner: object) -> None:
        """Count a model as loaded until its owner calls `give_back`.

        Raises:
            InputError: it does not fit, even alone.
            NoRoomError: it does not fit beside those that are loaded.
        """
        if not self._loaded:
            self._free_bytes = free_memory_bytes()
        needed = model.path.stat().st_size + _OVERHEAD_BYTES if model.path.is_file() else 0
        together = needed + sum(self._loaded.values())
        if needed > self._free_bytes:
            raise InputError(
                f"There is not enough memory for the model: it needs about {readable(needed)},"
                f" {readable(self._free_bytes)} are free.",
                where=f"{model.name}, {model.path.name}",
                remedy="end other programs, test smaller quantisations (gguf.quantizations), or use a larger host",
            )
        if together > self._free_bytes:
            raise NoRoomError(
                f"Both models together need about {readable(together)}, {readable(self._free_bytes)} are free.",
                where=f"{model.name}, {model.path.name}",
                remedy="end other programs",
            )
        self._loaded[id(owner)] = needed

    def give_back(self, owner: object) -> None:
        """Its model is unloaded; safe to call twice."""
        self._loaded.pop(id(owner), None)


def free_memory_bytes(limit_file: Path = _LIMIT) -> int:
    """Memory that can be had without swapping; a container's limit counts as well."""
    free = int(psutil.virtual_memory().available)
    try:
        return min(free, int(limit_file.read_text(encoding="ascii")))
    except (OSError, ValueError):  # no control group, or "max"
        return free

"""Checks that a model fits in this host's memory before loading it makes the host swap."""

from __future__ import annotations

from so8t_engines.protocol import ModelFile, NoRoomError
from so8t_shared.errors import InputError
from so8t_shared.formatting import size as readable
from so8t_shared.free_memory import free_memory_bytes

_OVERHEAD_BYTES = 256 << 20
"""Context, buffers and the program itself, in addition to the weights."""


class MemoryBudget:
    """The memory that simultaneously loaded models may use together."""

    def __init__(self) -> None:
        self._loaded: dict[int, int] = {}
        self._free_bytes = 0

    def take(self, model: ModelFile, owner: object) -> None:
        """Count a model as loaded until its owner calls `give_back`.

        Raises:
            InputError: it does not fit, even alone.
            NoRoomError: it does not fit beside the models already loaded.
        """
        if not self._loaded:
            self._free_bytes = free_memory_bytes()
        needed = model.path.stat().st_size + _OVERHEAD_BYTES if model.path.is_file() else 0
        together = needed + sum(self._loaded.values())
        if needed > self._free_bytes:
            raise InputError(
                f"There is not enough memory for the model: it needs about {readable(needed)},"
                f" but {readable(self._free_bytes)} is free.",
                where=f"{model.name}, {model.path.name}",
                remedy="close other programs, test smaller quantizations (gguf.quantizations), or use a larger host",
            )
        if together > self._free_bytes:
            raise NoRoomError(
                f"Both models together need about {readable(together)}, but {readable(self._free_bytes)} is free.",
                where=f"{model.name}, {model.path.name}",
                remedy="close other programs",
            )
        self._loaded[id(owner)] = needed

    def give_back(self, owner: object) -> None:
        """Release the owner's model; safe to call twice."""
        self._loaded.pop(id(owner), None)

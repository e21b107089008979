"""Write a checkpoint's tensors one by one to files of limited size, so that memory use stays bounded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from so8t_shared.models.hf_folder import INDEX

SHARD_BYTES = 1 << 30
"""1 GiB: the most that is buffered, besides the current tensor; safetensors makes one more copy while writing."""

_WHOLE = "model.safetensors"


class Sized(Protocol):
    """A tensor of any library."""

    @property
    def nbytes(self) -> int: ...


T = TypeVar("T", bound=Sized)


class ShardWriter(Generic[T]):
    """Writes tensors to the files that transformers expects: one file, or numbered files and an index.

    Buffers tensors up to `limit_bytes` in total; only a single large tensor makes a file larger.
    """

    def __init__(
        self, folder: Path, save: Callable[[dict[str, T], Path], None], limit_bytes: int = SHARD_BYTES
    ) -> None:
        """`save` writes tensors by name to a new safetensors file in `folder`, which must exist."""
        self._folder = folder
        self._save = save
        self._limit_bytes = limit_bytes
        self._held: dict[str, T] = {}
        self._held_bytes = 0
        self._written_bytes = 0
        self._written: list[tuple[Path, list[str]]] = []

    def add(self, name: str, tensor: T) -> None:
        """Add the next tensor; writes a file when the limit is reached."""
        if self._held and self._held_bytes + tensor.nbytes > self._limit_bytes:
            self._flush()
        self._held[name] = tensor
        self._held_bytes += tensor.nbytes

    def finish(self) -> None:
        """Write the remaining tensors, give all files their final names, and write an index if there are several."""
        self._flush()
        if len(self._written) == 1:
            self._written[0][0].rename(self._folder / _WHOLE)
            return
        places: dict[str, str] = {}
        for number, (path, names) in enumerate(self._written, 1):
            final = f"model-{number:05d}-of-{len(self._written):05d}.safetensors"
            path.rename(self._folder / final)
            places.update(dict.fromkeys(names, final))
        index = {"metadata": {"total_size": self._written_bytes}, "weight_map": places}
        (self._folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")

    def _flush(self) -> None:
        path = self._folder / f"part-{len(self._written):05d}.safetensors"
        self._save(self._held, path)
        path.chmod(0o644)
        self._written.append((path, list(self._held)))
        self._written_bytes += self._held_bytes
        self._held, self._held_bytes = {}, 0

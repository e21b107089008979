"""Tensors in safetensors files, read by one process and given to all, one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from so8t_shared.models.shards import SHARD_BYTES
from so8t_trainer.distributed.group import ALONE, Group


class StoredTensors(Mapping[str, Tensor]):
    """The tensors of `stem.safetensors`, or of `stem-00001.safetensors` and so on.

    The processes of a group must all make it, and take the same tensors in the same order; only the leading process
    needs the folder.
    """

    def __init__(self, folder: Path | None, stem: str, group: Group = ALONE) -> None:
        self._group = group
        self._files: dict[str, Path] = {}
        told: dict[str, list[Any]] = {}
        for path in sorted(folder.glob(f"{stem}*.safetensors")) if folder else []:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
                    part = file.get_slice(name)
                    told[name] = [part.get_shape(), part.get_dtype()]
                    self._files[name] = path
        self._told: dict[str, list[Any]] = json.loads(group.text(json.dumps(told) if group.leads else None))

    def __getitem__(self, name: str) -> Tensor:
        shape, kind = self._told[name]
        path = self._files.get(name)
        if path is None:
            return self._group.broadcast(torch.empty(shape, dtype=_TYPES[kind]))
        with safe_open(path, framework="pt") as file:
            return self._group.broadcast(file.get_tensor(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)


_TYPES = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"I64": torch.int64, "I32": torch.int32, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool},
}


class TensorFiles:
    """Writes tensors one by one to files of limited size, which StoredTensors reads."""

    def __init__(self, folder: Path, stem: str, limit_bytes: int = SHARD_BYTES) -> None:
        self._folder = folder
        self._stem = stem
        self._limit_bytes = limit_bytes
        self._held: dict[str, Tensor] = {}
        self._number = 0

    def add(self, name: str, tensor: Tensor) -> None:
        """Add the next tensor; writes a file when the limit is reached."""
        if self._held and sum(t.nbytes for t in self._held.values()) + tensor.nbytes > self._limit_bytes:
            self.finish()
        self._held[name] = tensor.to("cpu", copy=True).contiguous()

    def finish(self) -> None:
        """Write the remaining tensors."""
        if not self._held:
            return
        self._number += 1
        save_file(self._held, self._folder / f"{self._stem}-{self._number:05d}.safetensors")
        self._held = {}

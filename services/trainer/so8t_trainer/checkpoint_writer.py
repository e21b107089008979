"""Writes checkpoints while training continues: a snapshot in CPU memory, then a thread that writes and uploads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import torch
from torch import Tensor, nn

from so8t_shared.config.training import Training
from so8t_shared.results.training import TrainingPoint
from so8t_trainer.checkpoint import (
    CheckpointStore,
    Snapshot,
    checkpoint_name,
    state_bytes,
    take_snapshot,
    write_together,
)
from so8t_trainer.distributed.group import ALONE, Group

_ROOM = 3
"""Times its size that a snapshot may need: itself, and the bytes of the file that is being written."""


class CheckpointWriter:
    """Writes one checkpoint at a time. Where the store is slower than the interval, the next one is due later.

    Leaving it waits for the last one.

    A kill at any time leaves the checkpoints before: one counts only when its manifest is written, and an older one
    is dropped only after that. A failure is raised in the thread that trains, at its next call.
    """

    def __init__(
        self,
        store: CheckpointStore,
        scratch: Path,
        settings: Training,
        clock: Callable[[], float] = time.monotonic,
        free_bytes: Callable[[], int] = lambda: int(psutil.virtual_memory().available),
        group: Group = ALONE,
    ) -> None:
        self._store = store
        self._folder = scratch / "checkpoint"
        self._settings = settings
        self._group = group
        self._clock = clock
        self._free_bytes = free_bytes
        self._began = clock()
        self._missed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def is_due(self, step: int) -> bool:
        """Whether to save after `step` (from 1), by steps or by the clock; once the one before is in the store.

        The leading process decides.
        """
        if not self._group.leads:
            return False
        late = self._clock() - self._began >= 60 * self._settings.checkpoint_every_minutes
        self._missed = self._missed or late or step % self._settings.checkpoint_every_steps == 0
        return self._missed and (self._writing is None or self._writing.done())

    def save(
        self,
        parameters: Mapping[str, nn.Parameter],
        optimizer: torch.optim.Optimizer,
        points: list[TrainingPoint],
        best: dict[str, Tensor],
    ) -> None:
        """Start writing the state after `len(points)` steps. Where memory does not hold a copy, training waits.

        It also waits for the one before.

        Raises:
            Exception: the failure of the checkpoint before, or of this one if training waited.
        """
        self.wait()
        self._began, self._missed = self._clock(), False
        if self._group.sharded:
            write_together(self._folder, parameters, optimizer, points, best, self._group.leads)
        if not self._group.leads:
            return
        if self._group.sharded:
            self._writing = self._thread.submit(self._store_folder, checkpoint_name(len(points)))
            return
        live = self._free_bytes() < _ROOM * state_bytes(parameters, optimizer)
        snapshot = take_snapshot(parameters, optimizer, points, best, live=live)
        self._writing = self._thread.submit(self._write, snapshot)
        if live:
            self.wait()

    def check(self) -> None:
        """Raise the failure of a checkpoint that has ended, if it failed."""
        if self._writing is not None and self._writing.done():
            self.wait()

    def wait(self) -> None:
        """Wait until the last checkpoint is in the store.

        Raises:
            Exception: its failure.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def newest(self, before: int) -> str:
        """Return the name of the newest complete checkpoint of a step below `before`; empty if there is none."""
        self.wait()
        earlier = [name for name in self._store.names() if name < checkpoint_name(before)]
        return earlier[-1] if earlier else ""

    def _write(self, snapshot: Snapshot) -> None:
        snapshot.write(self._folder)
        self._store_folder(snapshot.name)

    def _store_folder(self, checkpoint: str) -> None:
        self._store.save(checkpoint, self._folder)
        for name in self._store.names()[: -self._settings.checkpoints_kept]:
            self._store.drop(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if error is None:
                self.wait()
            else:
                with suppress(Exception):  # the error that ends the training says more
                    self.wait()
        finally:
            self._thread.shutdown()

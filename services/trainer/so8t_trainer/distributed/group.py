"""The processes that train one model together, as the loop sees them: alone, or ranks of torch.distributed.

A step's rows are split over the ranks, and sums are reduced, not means. So a step has the result of one process, up to
the order in which floats are added.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from so8t_trainer.distributed.shards import is_shard, local
from so8t_trainer.encode import EncodedRow

_T = TypeVar("_T")

_BUCKET_BYTES = 64 << 20
"""Gradients that are reduced together, at most."""


class Group:
    """One process; also the interface of several."""

    size = 1
    rank = 0
    leads = True
    """Whether this process reads the job, and writes checkpoints and results."""
    sharded = False
    """Whether weights and optimizer are split over the processes (FSDP2), so that all run every pass together."""

    def share(self, rows: list[EncodedRow]) -> list[EncodedRow]:
        """Return this process's part of a step's rows."""
        return rows

    def totals(self, values: Sequence[float]) -> list[float]:
        """Return the sums of values over all processes."""
        return list(values)

    def most(self, value: int) -> int:
        """Return the largest value of all processes."""
        return value

    def any(self, flag: bool) -> bool:
        """Whether any process says yes."""
        return bool(self.most(int(flag)))

    def reduce_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up the gradients of all processes."""

    def clip(self, parameters: Iterable[nn.Parameter], max_norm: float) -> float:
        """Clip the gradients to a global norm of `max_norm`, and return the norm."""
        return float(nn.utils.clip_grad_norm_(parameters, max_norm))

    def begin_step(self, seed: int, step: int) -> None:
        """Prepare the random generators for a step."""

    def text(self, value: str | None) -> str:
        """Return the text that the leading process gives; the others give None."""
        assert value is not None
        return value

    def broadcast(self, tensor: Tensor) -> Tensor:
        """Return the leading process's values of a CPU tensor of the same shape."""
        return tensor


ALONE = Group()


class Ranks(Group):
    """The processes of torch's default process group."""

    def __init__(self, device: torch.device, *, leads: bool, sharded: bool) -> None:
        """`leads` is true on exactly one rank, whichever the rendezvous made it.

        Raises:
            RuntimeError: none leads.
        """
        self.size, self.rank = dist.get_world_size(), dist.get_rank()
        self.leads, self.sharded = leads, sharded
        self._device = device
        self._root = self.most(self.rank + 1 if leads else 0) - 1
        if self._root < 0:
            raise RuntimeError("no rank has the job")

    def share(self, rows: list[EncodedRow]) -> list[EncodedRow]:
        """Give each row, the longest first, to the rank with the least work."""
        work, mine = [0] * self.size, []
        for row in sorted(rows, key=lambda row: (-row.length, row.id)):
            rank = work.index(min(work))
            work[rank] += row.length
            if rank == self.rank:
                mine.append(row)
        return mine

    def totals(self, values: Sequence[float]) -> list[float]:
        summed = torch.tensor(values, dtype=torch.float64, device=self._device)
        dist.all_reduce(summed)
        found: list[float] = summed.tolist()
        return found

    def most(self, value: int) -> int:
        largest = torch.tensor(value, device=self._device)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest)

    def reduce_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up what FSDP2 has not: a rank without rows adds zeros."""
        plain = [parameter for parameter in parameters if not is_shard(parameter)]
        for parameter in plain:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        for bucket in _buckets([parameter.grad for parameter in plain if parameter.grad is not None]):
            flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
            dist.all_reduce(flat)
            for gradient, values in zip(bucket, flat.split([g.numel() for g in bucket]), strict=True):
                gradient.copy_(values.view_as(gradient))

    def clip(self, parameters: Iterable[nn.Parameter], max_norm: float) -> float:
        if not self.sharded:
            return super().clip(parameters, max_norm)
        shards = [p.grad for p in parameters if p.grad is not None]
        squares = [float(local(gradient).float().square().sum()) for gradient in shards]
        split = sum(square for square, gradient in zip(squares, shards, strict=True) if is_shard(gradient))
        whole = sum(square for square, gradient in zip(squares, shards, strict=True) if not is_shard(gradient))
        norm = (self.totals([split])[0] + whole) ** 0.5
        factor = max_norm / (norm + 1e-6)
        if factor < 1:
            for gradient in shards:
                local(gradient).mul_(factor)
        return float(norm)

    def begin_step(self, seed: int, step: int) -> None:
        """Give each rank a dropout of its own: it depends on the step and the number of ranks, not on restarts."""
        torch.manual_seed((seed << 40) + (step << 16) + self.rank)

    def in_turn(self, work: Callable[[], _T]) -> _T:
        """Do the work on one rank of each host after the other, and return its result."""
        place, done = int(os.environ["LOCAL_RANK"]), []
        for turn in range(self.most(int(os.environ["LOCAL_WORLD_SIZE"]))):
            if turn == place:
                done.append(work())
            dist.barrier()
        return done[0]

    def text(self, value: str | None) -> str:
        data = bytearray((value or "").encode())
        size = self._sent(torch.tensor(len(data)))
        tensor = torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
        return bytes(self._sent(tensor if self.leads else torch.empty(int(size), dtype=torch.uint8)).numpy()).decode()

    def broadcast(self, tensor: Tensor) -> Tensor:
        return self._sent(tensor)

    def _sent(self, tensor: Tensor) -> Tensor:
        if not tensor.numel():
            return tensor
        moved = tensor.to(self._device).contiguous()
        dist.broadcast(moved, self._root)
        return moved.cpu()


def _buckets(tensors: list[Tensor]) -> Iterable[list[Tensor]]:
    """Yield runs of tensors of one type of at most _BUCKET_BYTES, or single ones that are larger."""
    bucket: list[Tensor] = []
    held = 0
    for tensor in tensors:
        if bucket and (held + tensor.nbytes > _BUCKET_BYTES or tensor.dtype != bucket[0].dtype):
            yield bucket
            bucket, held = [], 0
        bucket.append(tensor)
        held += tensor.nbytes
    if bucket:
        yield bucket


def start(device: torch.device) -> None:
    """Join the process group that torchrun's environment describes."""
    options: dict[str, Any] = {"device_id": device} if device.type == "cuda" else {}
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", **options)

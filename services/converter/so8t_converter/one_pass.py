"""Writes all GGUF files of a model in one pass: each tensor is read once and cast and quantized to every type.

Threads share the work, since the kernels release the GIL. A quantized tensor is made from its values rounded to F16, as
llama-quantize makes it from an F16 file. Rows are independent of each other, so the bytes do not depend on the pieces.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from so8t_converter.kernels import UnrepresentableValues, quantize_rows, row_bytes
from so8t_converter.layout import Layout, write_header
from so8t_converter.plan import Bytes, Plan, Tensor
from so8t_shared.errors import InputError
from so8t_shared.files import write_at
from so8t_shared.processor import usable_cores
from so8t_shared.tables.quantizations import Quantization

_PIECE_VALUES = 1 << 20
"""Values of one piece: its buffers stay in the processor's cache."""

_Place = tuple[int, int]
"""An open file and an offset in it."""


@dataclass
class _Work:
    """A tensor whose pieces are being written."""

    tensor: Tensor
    values: Bytes
    outputs: dict[str, dict[str, list[_Place]]]
    """By the type that is rounded to first, then by the type that is written."""
    left: int = 0
    refused: int = 0


@dataclass
class _Target:
    layout: Layout
    handle: int


@dataclass
class _Pass:
    """One run over the tensors of a plan."""

    plan: Plan
    targets: list[_Target]
    on_tensor: Callable[[], None]
    waiting: deque[tuple[_Work, Future[int]]] = field(default_factory=deque)

    def run(self, threads: int) -> None:
        pool = ThreadPoolExecutor(threads)
        try:
            for tensor in self.plan.tensors:
                self._submit(pool, tensor, most=2 * threads)
            while self.waiting:
                self._finish()
        finally:
            pool.shutdown(cancel_futures=True)

    def _submit(self, pool: ThreadPoolExecutor, tensor: Tensor, most: int) -> None:
        """Start the tensor's pieces, with at most `most` pieces unfinished, which bounds the memory."""
        while len(self.waiting) >= most:
            self._finish()
        work = _Work(tensor, tensor.source.load(), self._outputs(tensor))
        pieces = list(_pieces(tensor))
        work.left = len(pieces)
        for first, rows in pieces:
            while len(self.waiting) >= most:
                self._finish()
            self.waiting.append((work, pool.submit(_write_piece, work, first, rows)))

    def _outputs(self, tensor: Tensor) -> dict[str, dict[str, list[_Place]]]:
        outputs: dict[str, dict[str, list[_Place]]] = defaultdict(lambda: defaultdict(list))
        for target in self.targets:
            placed = target.layout.tensors[tensor.name]
            outputs[placed.base][placed.type].append((target.handle, placed.offset))
        return outputs

    def _finish(self) -> None:
        work, future = self.waiting.popleft()
        work.refused += future.result()
        work.left -= 1
        if work.left:
            return
        if work.refused:
            raise InputError(
                f"{work.refused} weights of {work.tensor.name} are infinite, NaN, or too large for the type.",
                where=self.plan.where,
                remedy="the training diverged or the file is damaged: use an earlier checkpoint",
            )
        self.on_tensor()


def write_files(
    plan: Plan,
    targets: Mapping[Quantization, Path],
    on_tensor: Callable[[], None] = lambda: None,
    *,
    threads: int | None = None,
) -> dict[Quantization, dict[str, int]]:
    """Write the plan's model in every quantization of `targets`; return the number of tensors of each GGML type.

    `on_tensor` is called in this thread when a tensor is in all files, and may raise to stop. Uses all usable cores
    unless `threads` is given.

    Raises:
        InputError: a weight is not finite in the type that it is rounded to.
        OSError: a file cannot be read or written.
        ValueError: a value of the metadata does not fit its type.
    """
    layouts = {quantization: write_header(plan, quantization, path) for quantization, path in targets.items()}
    with ExitStack() as stack:
        opened = []
        for quantization, path in targets.items():
            file = stack.enter_context(path.open("r+b"))
            os.ftruncate(file.fileno(), layouts[quantization].size_bytes)
            opened.append(_Target(layouts[quantization], file.fileno()))
        _Pass(plan, opened, on_tensor).run(threads or usable_cores())
    return {quantization: layout.types for quantization, layout in layouts.items()}


def _pieces(tensor: Tensor) -> Iterator[tuple[int, int]]:
    """Yield the first row of each piece and its number of rows."""
    step = max(1, _PIECE_VALUES // max(1, tensor.length))
    for first in range(0, tensor.rows, step):
        yield first, min(step, tensor.rows - first)


def _write_piece(work: _Work, first: int, rows: int) -> int:
    """Write rows of a tensor to all files; return how many values cannot be represented."""
    tensor, refused = work.tensor, 0
    length, given = tensor.length, tensor.source.type
    size = row_bytes(given, length)
    values = work.values[first * size : (first + rows) * size]
    for base, outputs in work.outputs.items():
        try:
            rounded = _converted(base, given, values, rows, length, slot="base")
        except UnrepresentableValues as error:
            refused = max(refused, error.count)
            continue
        for kind, places in outputs.items():
            data = rounded if kind == base else _converted(kind, base, rounded, rows, length, slot="type")
            for handle, offset in places:
                write_at(handle, data.data, offset + first * row_bytes(kind, length))
    return refused


_BUFFERS = threading.local()


def _converted(kind: str, given: str, values: Bytes, rows: int, length: int, slot: str) -> Bytes:
    """Return the rows as `kind`, in a buffer that this thread uses again for the next call with this slot."""
    size = rows * row_bytes(kind, length)
    buffer = getattr(_BUFFERS, slot, None)
    if buffer is None or buffer.size < size:
        buffer = np.empty(size, np.uint8)
        setattr(_BUFFERS, slot, buffer)
    out: Bytes = buffer[:size]
    quantize_rows(kind, given, values, rows, length, out)
    return out

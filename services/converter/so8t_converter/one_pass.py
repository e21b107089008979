"""Writes all GGUF files of a model in one pass: each tensor is read once and cast and quantized to every type.

Threads share the work, since the kernels release the GIL. A quantized tensor is made from its values rounded to F16, as
llama-quantize makes it from an F16 file. Rows are independent of each other, so the bytes do not depend on the pieces.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from so8t_converter.kernels import UnrepresentableValues, device, quantize_rows, row_bytes
from so8t_converter.output_file import FinishedFile, OutputFile, Unfinished, open_output
from so8t_converter.plan import Bytes, Plan, Reader, Stored, Tensor
from so8t_converter.reading import Reading
from so8t_shared.errors import InputError
from so8t_shared.free_memory import free_memory_bytes
from so8t_shared.processor import usable_cores
from so8t_shared.tables.quantizations import Quantization

_PIECE_VALUES = 1 << 20
"""Values of one piece: its buffers stay in the processor's cache."""
_PIECE_ON_DEVICE = 1 << 25
"""For a GPU, which takes some microseconds per operation however few the values: thousands per piece."""

_Outputs = Mapping[str, Mapping[str, Sequence[OutputFile]]]
"""Files by the type that is rounded to first, then by the type that is written."""


@dataclass
class _Work:
    """A tensor whose pieces are being written."""

    tensor: Tensor
    read: Reader
    left: int
    importance: NDArray[np.float32] | None
    refused: int = 0


@dataclass
class _Pass:
    """One run over the tensors of a plan."""

    plan: Plan
    files: Sequence[OutputFile]
    on_tensor: Callable[[], None]
    source: Reading | None
    evicts: bool
    """Whether memory is too small to keep what is written: the checkpoint stays there instead."""
    waiting: deque[tuple[_Work, Future[int]]] = field(default_factory=deque)

    def run(self, threads: int) -> None:
        """Write what is missing, in the order of what is hashed: most bytes then still are in memory."""
        pool = ThreadPoolExecutor(threads)
        try:
            for tensor in sorted(self.plan.tensors, key=self._place):
                self._submit(pool, tensor, most=2 * threads)
            while self.waiting:
                self._finish()
        finally:
            pool.shutdown(cancel_futures=True)

    def _place(self, tensor: Tensor) -> tuple[str, int]:
        """Where a tensor lies in the checkpoint if that is hashed, else in the largest file."""
        if self.source:
            stored = tensor.source
            return (str(stored.path), stored.offset) if isinstance(stored, Stored) else ("", 0)
        largest = max(self.files, key=lambda file: file.layout.size_bytes)
        return "", largest.layout.tensors[tensor.name].offset

    def _submit(self, pool: ThreadPoolExecutor, tensor: Tensor, most: int) -> None:
        """Start the tensor's pieces, with at most `most` pieces unfinished, which bounds the memory."""
        pieces = [(*piece, outputs) for piece in _pieces(tensor) if (outputs := self._missing(tensor, *piece))]
        if not pieces:
            self.on_tensor()
            return
        while len(self.waiting) >= most:
            self._finish()
        importance = self.plan.importance.of(tensor.name, tensor.length) if self.plan.importance else None
        work = _Work(tensor, tensor.source.reader(), len(pieces), importance)
        for first, rows, outputs in pieces:
            while len(self.waiting) >= most:
                self._finish()
            self.waiting.append((work, pool.submit(_write_piece, work, first, rows, outputs, self.source)))

    def _missing(self, tensor: Tensor, first: int, rows: int) -> _Outputs:
        """Return the files that lack these rows."""
        outputs: dict[str, dict[str, list[OutputFile]]] = defaultdict(lambda: defaultdict(list))
        for file in self.files:
            placed = file.layout.tensors[tensor.name]
            size = row_bytes(placed.type, tensor.length)
            if not file.has(tensor.name, first * size, rows * size):
                outputs[placed.base][placed.type].append(file)
        return outputs

    def _finish(self) -> None:
        work, future = self.waiting.popleft()
        work.refused += future.result()
        work.left -= 1
        if self.evicts:
            for file in self.files:
                file.evict()
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
    unfinished: Unfinished | None = None,
    source: Reading | None = None,
    threads: int | None = None,
) -> dict[Quantization, FinishedFile]:
    """Write the plan's model in every quantization of `targets`; return what each file is.

    `on_tensor` is called in this thread when a tensor is in all files, and may raise to stop. Uses all usable cores
    unless `threads` is given. With `unfinished`, a pass after one that was killed or stopped writes only the pieces
    that are missing. `source` hashes what is read.

    Raises:
        InputError: a weight is not finite in the type that it is rounded to.
        OSError: a file cannot be read or written.
        ValueError: a value of the metadata does not fit its type.
    """
    with ExitStack() as stack:
        hashers = ThreadPoolExecutor(len(targets))
        try:
            files = [
                stack.enter_context(open_output(path, plan, quantization, unfinished, hashers))
                for quantization, path in targets.items()
            ]
            _Pass(plan, files, on_tensor, source, _evicts(plan, files)).run(threads or usable_cores())
            return dict(zip(targets, [file.finish() for file in files], strict=True))
        finally:
            hashers.shutdown(cancel_futures=True)  # before the files are closed


def _evicts(plan: Plan, files: Sequence[OutputFile]) -> bool:
    """Whether the checkpoint, which the host may just have read to identify it, has little room beside the files.

    They may take half of what is free: others need some, and the system evicts before all is used.
    """
    checkpoint = sum(source.size_bytes for tensor in plan.tensors if isinstance(source := tensor.source, Stored))
    return checkpoint + sum(file.layout.size_bytes for file in files) > free_memory_bytes() / 2


def _pieces(tensor: Tensor) -> Iterator[tuple[int, int]]:
    """Yield the first row of each piece and its number of rows."""
    values = _PIECE_ON_DEVICE if device() else _PIECE_VALUES
    step = max(1, values // max(1, tensor.length))
    for first in range(0, tensor.rows, step):
        yield first, min(step, tensor.rows - first)


def _write_piece(work: _Work, first: int, rows: int, outputs: _Outputs, source: Reading | None) -> int:
    """Write rows of a tensor to the files; return how many values cannot be represented."""
    tensor, refused = work.tensor, 0
    length, given = tensor.length, tensor.source.type
    size = row_bytes(given, length)
    values = work.read(first * size, rows * size)
    if source:
        source.add(tensor.source, first * size, values)
    for base, kinds in outputs.items():
        try:
            rounded = _converted(base, given, values, rows, length, slot="base")
        except UnrepresentableValues as error:
            refused = max(refused, error.count)
            continue
        for kind, files in kinds.items():
            data = (
                rounded if kind == base else _converted(kind, base, rounded, rows, length, work.importance, slot="type")
            )
            for file in files:
                file.write(tensor.name, first * row_bytes(kind, length), data)
    return refused


_BUFFERS = threading.local()


def _converted(
    kind: str,
    given: str,
    values: Bytes,
    rows: int,
    length: int,
    importance: NDArray[np.float32] | None = None,
    *,
    slot: str,
) -> Bytes:
    """Return the rows as `kind`, in a buffer that this thread uses again for the next call with this slot."""
    size = rows * row_bytes(kind, length)
    buffer = getattr(_BUFFERS, slot, None)
    if buffer is None or buffer.size < size:
        buffer = np.empty(size, np.uint8)
        setattr(_BUFFERS, slot, buffer)
    out: Bytes = buffer[:size]
    quantize_rows(kind, given, values, rows, length, out, importance)
    return out

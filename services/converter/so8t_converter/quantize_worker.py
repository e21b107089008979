"""A process that quantizes rows: `python -m so8t_converter.quantize_worker SOURCE TARGET`.

Where libgguf quantizes it holds the GIL, so using several cores takes several processes. Jobs arrive as JSON lines
on standard input. Each is answered by an empty JSON object, or one with `error`, once its bytes are in
TARGET. The process exits at the end of the input, which also happens if its parent is killed.
"""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path
from typing import TypedDict, cast

from so8t_converter.kernels import quantize_rows, row_bytes
from so8t_shared.files import write_at
from so8t_shared.json_files import Channel


class Job(TypedDict):
    """Rows of one tensor."""

    source_offset: int
    """Offset of the first row in the F16 (or F32) file."""
    target_offset: int
    rows: int
    length: int
    """Values in a row."""
    source_type: str
    target_type: str


def quantized_rows(source: memoryview, job: Job) -> bytearray:
    """Return the quantized bytes of the job's rows."""
    rows, length = job["rows"], job["length"]
    out = bytearray(rows * row_bytes(job["target_type"], length))
    start = job["source_offset"]
    values = source[start : start + rows * row_bytes(job["source_type"], length)]
    quantize_rows(job["target_type"], job["source_type"], values, rows, length, out)
    return out


def main(source_path: Path, target_path: Path) -> None:
    """Answer jobs until the input ends."""
    with source_path.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        target = os.open(target_path, os.O_WRONLY)
        try:
            channel = Channel(sys.stdin.buffer, sys.stdout.buffer)
            while (job := channel.receive()) is not None:
                channel.send(_do(mapped, target, cast(Job, job)))
        finally:
            os.close(target)


def _do(mapped: mmap.mmap, target: int, job: Job) -> dict[str, object]:
    try:
        with memoryview(mapped) as view:
            data = quantized_rows(view, job)
        write_at(target, memoryview(data), job["target_offset"])
    except OSError as error:
        return {"error": error.strerror, "errno": error.errno}
    except ValueError as error:
        return {"error": str(error)}
    return {}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

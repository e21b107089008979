"""Claim: the compiled kernels quantize many times faster than libgguf, and write the same bytes.

Per type, on one core: millions of float32 values per second of process time; ours and libgguf's alternate, and the
shortest time of each counts. Then the number of blocks that differ on any target of this processor, in distributions
from ordinary weights to any finite bits. Each time without an importance matrix, then with one.

    python bench/kernels.py [--rounds N] [--blocks N] [--types Q4_K,Q6_K]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import libgguf
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tests.blocks import distributions, importances, to_bf16  # noqa: E402

from so8t_converter.kernels import FALLBACK, backends, quantize_rows, row_bytes  # noqa: E402

BLOCKS = ("Q8_0", "Q6_K", "Q5_K", "Q5_1", "Q5_0", "Q4_K", "Q4_0", "IQ4_NL", "IQ4_XS")
CASTS = ("F16", "BF16")
VALUES = 1 << 20


LENGTH = 1024


def rate(kind: str, rounds: int, importance: NDArray[np.float32] | None) -> str:
    """Return one line: both speeds in Mvalues/s and their ratio, by the best and by the median round."""
    rows = VALUES // LENGTH
    weights = to_bf16(np.random.default_rng(0).standard_normal(VALUES, np.float32) * np.float32(0.02))
    out = np.empty(row_bytes(kind, VALUES), np.uint8)
    number = libgguf.GGMLQuantizationType[kind]
    runs: dict[str, Callable[[], object]] = {
        "ours": lambda: quantize_rows(kind, "F32", weights, rows, LENGTH, out, importance),
        "libgguf": lambda: libgguf.quantize_rows_into_raw(number, weights, out, rows, LENGTH, importance),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            began = time.process_time()
            run()
            seconds[name].append(time.process_time() - began)
    best = {name: VALUES / 1e6 / min(times) for name, times in seconds.items()}
    paired = statistics.median(b / a for a, b in zip(seconds["ours"], seconds["libgguf"], strict=True))
    ratio = f"{best['ours'] / best['libgguf']:6.1f} (median {paired:.1f})"
    name = kind if importance is None else f"{kind} with"
    return f"{name:12}{best['ours']:10.1f}{best['libgguf']:10.1f}{ratio:>24}"


def differing(kind: str, blocks: int, *, guided: bool) -> tuple[int, int]:
    """Return how many blocks of 256 values were compared, and how many differ on any target."""
    compared = different = seed = 0
    while compared < blocks:
        matrices = [matrix for _, matrix in importances(256, seed)] if guided else [None]
        for i, (_, values) in enumerate(distributions(1 << 18, seed)):
            matrix = matrices[i % len(matrices)]
            expected = _written(kind, values, FALLBACK, matrix)
            wrong = np.zeros(len(expected), bool)
            for backend in backends()[:-1]:
                wrong |= (_written(kind, values, backend, matrix) != expected).any(1)
            compared, different = compared + len(expected), different + int(wrong.sum())
        seed += 1
    return compared, different


def _written(
    kind: str, values: NDArray[np.float32], backend: str, importance: NDArray[np.float32] | None
) -> NDArray[np.uint8]:
    out = np.empty((len(values) // 256, row_bytes(kind, 256)), np.uint8)
    quantize_rows(kind, "F32", values, len(out), 256, out, importance, backend=backend)
    return out


def main() -> None:
    """Print a table of speeds and a line per type with the number of differing blocks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--blocks", type=int, default=50_000, help="blocks to compare per type, at least")
    parser.add_argument("--types", default=",".join((*BLOCKS, *CASTS)))
    arguments = parser.parse_args()
    if backends() == (FALLBACK,):
        sys.exit("The kernels were not compiled here: no C compiler.")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # libgguf starts threads of its own
    kinds = arguments.types.split(",")
    importance = np.random.default_rng(1).chisquare(1, LENGTH).astype(np.float32)
    print(f"one core, {backends()[0]}, Mvalues/s\n{'type':12}{'ours':>10}{'libgguf':>10}{'ratio':>24}")
    for kind in kinds:
        print(rate(kind, arguments.rounds, None), flush=True)
        if kind in BLOCKS:
            print(rate(kind, arguments.rounds, importance), flush=True)
    total = 0
    for kind in [kind for kind in kinds if kind in BLOCKS]:
        for guided in (False, True):
            compared, different = differing(kind, arguments.blocks, guided=guided)
            total += different
            found = f"{different} of {compared:,} blocks differ, on {', '.join(backends()[:-1])}"
            print(f"{kind}{' with a matrix' if guided else ''}: {found}", flush=True)
    if total:
        sys.exit("NOT MET: the bytes differ.")


if __name__ == "__main__":
    main()

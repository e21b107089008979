"""Claim: SO8T gates and the smoothness penalty (PET) take at most 4% of a training step's processor time.

The demo's rows and model are trained twice in one process, with the same LoRA, with and without the two. The trainings
take turns step by step on the same rows, so that drift of the machine cancels. The mean of the steps' log ratios,
without a tenth at either end, is printed with its 95% interval (Yuen's, from the winsorized variance).

    python bench/gates.py [--steps N] [--threads N] [--dtype TYPE]
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from scipy.stats import t
from scipy.stats.mstats import winsorize

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from peers.training import Job  # noqa: E402
from train import TOLERANCE, demo, ours  # noqa: E402

from so8t_shared.processor import has_bf16_instructions  # noqa: E402

GOAL = 0.04
ROWS = 12
"""A step, as in the demo."""
WARM_UP = 2
"""Steps of each training that do not count."""
_CUT = 0.1


def main() -> int:
    """Print what both cost; return 1 if the interval does not show that the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40, metavar="N", help="steps of each training (40)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of torch (1)")
    parser.add_argument("--dtype", choices=TOLERANCE, help="compute type; by default, each one that the processor has")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    dtypes = [given.dtype] if given.dtype else list(TOLERANCE)[: 2 if has_bf16_instructions() else 1]
    met = [_compare(dtype, given.steps) for dtype in dtypes]
    return 0 if all(met) else 1


class Turns:
    """Two trainings that take turns; each step's CPU seconds."""

    def __init__(self) -> None:
        self.spent: list[list[float]] = [[], []]
        self._turn = threading.Semaphore(1), threading.Semaphore(0)
        self._began = 0.0

    def wait(self, side: int) -> None:
        """Wait until it is a training's turn."""
        self._turn[side].acquire()
        self._began = time.process_time()

    def end(self, side: int) -> None:
        """End a training's turn."""
        self._turn[1 - side].release()

    def stepped(self, side: int) -> None:
        """Note a step, and let the other training do one."""
        self.spent[side].append(time.process_time() - self._began)
        self.end(side)
        self.wait(side)


def _compare(dtype: str, steps: int) -> bool:
    rows, load, rank = demo(dtype)
    job = Job((rows * steps)[: ROWS * (steps + WARM_UP)], ROWS, 1, steps + WARM_UP, dtype, rank, load)
    turns = Turns()

    def train(side: int) -> None:
        turns.wait(side)
        try:
            ours(job, plain=bool(side), on_step=lambda: turns.stepped(side))
        finally:
            turns.end(side)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(train, (0, 1)))
    gates, plain = (np.array(spent[WARM_UP:]) for spent in turns.spent)
    value, low, high = map(np.expm1, _trimmed_mean(np.log(gates / plain)))
    told = "met" if high <= GOAL else "NOT MET" if low > GOAL else "not decided"
    print(
        f"{dtype}: {1000 * np.median(gates):.0f} ms of CPU a step with gates and PET, {1000 * np.median(plain):.0f} ms"
        f" without (medians of {steps} steps); {100 * value:+.1f}% (95% CI {100 * low:+.1f} to {100 * high:+.1f}%),"
        f" goal {100 * GOAL:g}%: {told}",
        flush=True,
    )
    return told == "met"


def _trimmed_mean(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean without the extreme tenths, and its 95% interval."""
    cut = int(_CUT * len(values))
    left = len(values) - 2 * cut
    mean = float(np.sort(values)[cut : cut + left].mean())
    spread = float(np.std(np.asarray(winsorize(values, (_CUT, _CUT))), ddof=1))
    half = float(t.ppf(0.975, left - 1)) * spread / ((1 - 2 * _CUT) * len(values) ** 0.5)
    return mean, mean - half, mean + half


if __name__ == "__main__":
    sys.exit(main())

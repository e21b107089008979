"""Claim: SO8T gates and the smoothness penalty (PET) take at most 4% of a training step's processor time.

The demo's rows and model, trained with the same LoRA with and without the two. Each training is a process of its own,
with a step to warm up; a pair's order alternates from pair to pair, so that drift of the machine cancels. The mean of
the pairs' log ratios is printed with its 95% interval (Student's t).

    python bench/gates.py [--pairs N] [--steps N] [--threads N] [--dtype TYPE]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from pathlib import Path

from scipy.stats import t

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from peers.training import Job  # noqa: E402
from train import TOLERANCE, demo, ours  # noqa: E402

from so8t_shared.processor import has_bf16_instructions  # noqa: E402

GOAL = 0.04
ROWS = 12
"""A step, as in the demo."""


def main() -> int:
    """Print what both cost; return 1 if the interval does not show that the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=12, metavar="N", help="pairs of trainings (12)")
    parser.add_argument("--steps", type=int, default=6, metavar="N", help="steps of a training (6)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of torch (1)")
    parser.add_argument("--dtype", choices=TOLERANCE, help="compute type; by default, each one that the processor has")
    parser.add_argument("--run", choices=("with", "without"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(_run(given.dtype, given.steps, given.threads, plain=given.run == "without")))
        return 0
    dtypes = [given.dtype] if given.dtype else list(TOLERANCE)[: 2 if has_bf16_instructions() else 1]
    met = [_compare(dtype, given.pairs, given.steps, given.threads) for dtype in dtypes]
    return 0 if all(met) else 1


def _compare(dtype: str, pairs: int, steps: int, threads: int) -> bool:
    spent: dict[str, list[float]] = {"with": [], "without": []}
    for number in range(pairs):
        for side in ("with", "without") if number % 2 else ("without", "with"):
            spent[side].append(_measured(side, dtype, steps, threads))
        last = spent["with"][-1] / spent["without"][-1] - 1
        print(f"{dtype}, pair {number + 1} of {pairs}: {100 * last:+.1f}%", file=sys.stderr, flush=True)
    logs = [math.log(one / other) for one, other in zip(spent["with"], spent["without"], strict=True)]
    mean = statistics.fmean(logs)
    half = float(t.ppf(0.975, pairs - 1)) * statistics.stdev(logs) / math.sqrt(pairs) if pairs > 1 else math.inf
    low, high = (math.expm1(mean + side * half) for side in (-1, 1))
    told = "met" if high <= GOAL else "NOT MET" if low > GOAL else "not decided"
    per_step = {side: 1000 * statistics.median(found) for side, found in spent.items()}
    print(
        f"{dtype}: {per_step['with']:.0f} ms of CPU a step with gates and PET, {per_step['without']:.0f} ms without"
        f" (medians of {pairs} trainings of {steps} steps);"
        f" {100 * math.expm1(mean):+.1f}% (95% CI {100 * low:+.1f} to {100 * high:+.1f}%),"
        f" goal {100 * GOAL:g}%: {told}",
        flush=True,
    )
    return told == "met"


def _measured(side: str, dtype: str, steps: int, threads: int) -> float:
    """CPU seconds a step, in a process of its own."""
    command = [sys.executable, __file__, "--run", side, "--dtype", dtype, "--steps", str(steps)]
    variables = {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [*command, "--threads", str(threads)], env=os.environ | variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def _run(dtype: str, steps: int, threads: int, *, plain: bool) -> float:
    """Train in this process, after a step to warm up; return CPU seconds a step."""
    import torch

    torch.set_num_threads(threads)
    rows, load, rank = demo(dtype)
    rows = rows[: ROWS * steps]
    ours(Job(rows[:ROWS], ROWS, 1, 1, dtype, rank, load), plain=plain)
    spent = ours(Job(rows, ROWS, 1, steps, dtype, rank, load), plain=plain)
    return spent.cpu_s / steps


if __name__ == "__main__":
    sys.exit(main())

"""Claim: 95% intervals of AUROC, AUPRC, false positives at 95% recall, and calibration error cover 93.5% or more.

Prints the coverage for A, B, and B minus A, and the share of sets with too few groups, for correlated and single rows.

    python bench/ranking.py [--sets N]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

import numpy as np  # noqa: E402
from tests.ranked_rows import Ranked, draw_confidences  # noqa: E402

from so8t_evaluator.stats.calibration import calibration_errors  # noqa: E402
from so8t_evaluator.stats.false_positives import false_positive_rates  # noqa: E402
from so8t_evaluator.stats.ranking import AUPRC, AUROC, ranking_intervals  # noqa: E402
from so8t_shared.results.interval import Interval  # noqa: E402

SIZES = [
    (60, 1, False),
    (300, 1, False),
    (60, 3, False),
    (60, 3, True),
    (300, 3, True),
    (300, 10, False),
    (900, 10, False),
]
APART = ((0.5, 1.0), (1.5, 1.5), (2.5, 3.5))
OVER = ((0.0, 0.15), (0.05, 0.05))
LEVEL = 0.95

Estimates = tuple[list[Interval], Interval | None]


def main() -> int:
    """Print the table; return 1 if an interval covers less than promised by more than three standard errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=2000)
    sets, began, worst = parser.parse_args().sets, time.monotonic(), 1.0
    for rows, per_group, mixed in SIZES:
        print(f"{rows} rows, {per_group} a group{', of both kinds' if mixed else ''}")
        for apart in APART:
            situation = Ranked(rows, per_group, 0.3 if per_group > 1 else 0.0, mixed, apart)
            worst = min(worst, *_rankings(situation, sets))
        for over in OVER:
            worst = min(worst, _covered("calibration error", over, partial(_calibration, over, rows, per_group), sets))
    print(f"{time.monotonic() - began:.0f} s, worst {100 * worst:.1f}%")
    return int(worst < 0.935 - 3 * (0.05 * 0.95 / sets) ** 0.5)


def _rankings(rows: Ranked, sets: int) -> list[float]:
    def ranked(rank: Callable[..., Estimates], rng: np.random.Generator) -> Estimates | None:
        scores, harmful = rows.draw(rng)
        return None if harmful.all() or not harmful.any() else rank(scores, harmful, rows.groups)

    figures: list[tuple[str, Sequence[float], Callable[..., Estimates]]] = [
        ("AUROC", rows.auroc(), lambda *r: ranking_intervals(AUROC, *r, LEVEL)),
        ("AUPRC", rows.average_precision(), lambda *r: ranking_intervals(AUPRC, *r, LEVEL)),
        ("false positives", rows.false_positive_rate(0.95), lambda *r: false_positive_rates(*r, 0.95, LEVEL)),
    ]
    return [_covered(name, truth, partial(ranked, rank), sets) for name, truth, rank in figures]


def _calibration(over: tuple[float, float], rows: int, per_group: int, rng: np.random.Generator) -> Estimates:
    groups = np.arange(rows) // per_group
    models = [draw_confidences(o, groups, 0.3 if per_group > 1 else 0.0, rng) for o in over]
    return calibration_errors(models, groups, LEVEL)


def _covered(
    name: str, truth: Sequence[float], simulate: Callable[[np.random.Generator], Estimates | None], sets: int
) -> float:
    """Print and return the coverage over the sets with enough groups; 1 where no set has them."""
    a, b = truth
    held, few, rng = [], 0, np.random.default_rng(21)
    for found in (simulate(rng) for _ in range(sets)):
        if found is None or found[1] is None:
            continue
        intervals = [*found[0], found[1]]
        if any(i.too_few_groups for i in intervals):
            few += 1
        else:
            held.append([i.low <= value <= i.high for i, value in zip(intervals, (a, b, b - a), strict=True)])
    if not held:
        print(f"  {name:18} {a:.3f} {b:.3f}  too few groups")
        return 1.0
    covered = np.mean(held, axis=0)
    words = " ".join(f"{100 * c:5.1f}" for c in covered)
    print(f"  {name:18} {a:.3f} {b:.3f}  covers {words}  too few {100 * few / sets:.0f}%", flush=True)
    return float(covered.min()) if len(held) > sets / 2 else 1.0


if __name__ == "__main__":
    raise SystemExit(main())

"""Claim: the smallest difference that `plan` states is found in 75 to 95% of simulated sets; 80% is what it promises.

Each program states its smallest difference for the same rows, groups, correlation and 20% of rows that differ. Its own
test then runs on sets with a true difference of that size: ours, McNemar's (statsmodels, with the power of a paired t
test), evalsig's cluster bootstrap and NeMo Evaluator's `compare`, the last two if they are installed.

    python bench/plans.py [--sets N]
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import numpy as np  # noqa: E402
from intervals import PValue, evalsig_test, mcnemar_test, nemo_test  # noqa: E402
from statsmodels.stats.power import TTestPower  # noqa: E402
from tests.clustered_rows import draw_values, group_codes  # noqa: E402

from so8t_evaluator.stats.paired import paired_p  # noqa: E402
from so8t_evaluator.stats.planning import Grouping, smallest_difference  # noqa: E402

CELLS = [(60, 1, 0.0), (300, 1, 0.0), (1000, 1, 0.0), (300, 3, 0.3), (1000, 3, 0.3), (1000, 10, 0.3)]
DIFFER = 0.2
ALPHA, POWER = 0.05, 0.8
ALLOWED = (75.0, 95.0)

Stated = Callable[[int, int, float], float | None]
"""The smallest difference, from rows, rows per group and correlation."""


@dataclass(frozen=True)
class Program:
    """What a program promises, and the test by which it keeps it."""

    name: str
    stated: Stated
    p_value: PValue


def main() -> int:
    """Print the table; return 1 if ours breaks its promise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=300, metavar="N", help="simulated sets per cell (300)")
    sets = parser.parse_args().sets
    warnings.simplefilter("ignore")
    began, kept = time.monotonic(), True
    print(f"points stated / % of {sets} sets in which it is found; {100 * DIFFER:g}% of rows differ")
    print(f"{'rows, per group, correlation':32}" + "".join(f"{cell!s:>17}" for cell in CELLS))
    for program in _programs():
        line = f"{program.name:32}"
        for cell in CELLS:
            stated = program.stated(*cell)
            if stated is None or stated > DIFFER:
                line += f"{'none' if stated is None else f'{100 * stated:.0f} / -':>17}"
                continue
            found = _found(program.p_value, stated, cell, sets)
            kept &= not program.name.startswith("ours") or ALLOWED[0] <= found <= ALLOWED[1]
            line += f"{100 * stated:10.1f} /{found:5.0f}"
        print(line, flush=True)
    print(f"ours within {ALLOWED}: {'met' if kept else 'NOT MET'}, {time.monotonic() - began:.0f} s")
    return 0 if kept else 1


def _found(p_value: PValue, stated: float, cell: tuple[int, int, float], sets: int) -> float:
    rows, per_group, correlation = cell
    groups, rng = group_codes(rows, per_group), np.random.default_rng(3)
    chances = ((DIFFER - stated) / 2, (DIFFER + stated) / 2, 1 - DIFFER)
    drawn = draw_values(chances, groups, correlation, "scattered", sets, rng)
    differences = np.array([-1, 1, 0], dtype=np.int8)[drawn]
    return 100 * float(np.mean([p_value(d, groups) < ALPHA for d in differences]))


def _programs() -> list[Program]:
    programs = [Program("ours", _ours, paired_p), Program("t power, McNemar (statsmodels)", _statsmodels, mcnemar_test)]
    if evalsig := evalsig_test():
        programs.append(Program("evalsig", _evalsig, evalsig))
    if nemo := nemo_test():
        programs.append(Program("NeMo Evaluator (one-sided)", _nemo, nemo))
    return programs


def _ours(rows: int, per_group: int, correlation: float) -> float | None:
    grouping = Grouping(rows_per_group=per_group, design_effect=1 + (per_group - 1) * correlation)
    return smallest_difference(rows, DIFFER, ALPHA, grouping)


def _statsmodels(rows: int, _per_group: int, _correlation: float) -> float:
    return float(TTestPower().solve_power(nobs=rows, alpha=ALPHA, power=POWER)) * sqrt(DIFFER)


def _evalsig(rows: int, per_group: int, correlation: float) -> float:
    from evalsig.inference.mde import mde

    return float(mde(sqrt(DIFFER), rows, n_clusters=rows // per_group, icc=correlation).mde)


def _nemo(rows: int, _per_group: int, _correlation: float) -> float:
    """As its report states it, from the rows that differ."""
    from nemo_evaluator.metrics.paired_tests import mde_estimate

    return float(mde_estimate(round(DIFFER * rows)))


if __name__ == "__main__":
    sys.exit(main())

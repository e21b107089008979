"""Claim: for grouped rows, 95% intervals cover 93.5% or more, tests at 5% err in 6% or less, "not worse" in 3.5%.

Prints the worst cells of each table over the simulations of tests/clustered_rows.py, with methods that ignore groups
and those of other programs on the same sets: statsmodels (Wilson, McNemar, ordinary least squares with clustered
errors, GEE) and, if installed, evalsig's cluster bootstrap.

    python bench/intervals.py [--sets N] [--peers N]
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

import numpy as np  # noqa: E402
import statsmodels.api as sm  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from statsmodels.stats.proportion import proportion_confint  # noqa: E402
from tests.clustered_rows import UNEQUAL, Model, draw_values, group_codes  # noqa: E402

from so8t_evaluator.stats.mcnemar import mcnemar_exact  # noqa: E402
from so8t_evaluator.stats.paired import paired_interval, paired_p  # noqa: E402
from so8t_evaluator.stats.share import share_interval  # noqa: E402

SIZES = [(20, 3), (50, 3), (100, 3), (300, 3), (1000, 3), (60, 10), (100, 10), (300, 10), (1000, 10), (200, UNEQUAL)]
CORRELATIONS = (0.0, 0.1, 0.3, 0.6)
SHARES = (0.01, 0.05, 0.2, 0.5)
PAIRS = ((0.025, 0.025), (0.1, 0.1), (0.2, 0.2), (0.05, 0.0), (0.125, 0.075))
"""Shares of rows that only A and only B gets right."""
LEVEL = 0.95

Groups = NDArray[np.int64]
PValue = Callable[[NDArray[np.int8], Groups], float]


def main() -> int:
    """Print the tables; return 1 if a promise is not kept by more than four standard errors."""
    arguments = _parser().parse_args()
    warnings.simplefilter("ignore")
    began = time.monotonic()
    good = [_shares(arguments.sets), _pairs(arguments.sets)]
    _peers(arguments.peers)
    print(f"{time.monotonic() - began:.0f} s")
    return 0 if all(good) else 1


def _cells() -> Iterator[tuple[int, int, Model]]:
    for (rows, per_group), model in product(SIZES, ("scattered", "copied")):
        yield rows, per_group, model


def _shares(sets: int) -> bool:
    print(f"\nSHARES, {sets} sets per cell: coverage in %\ncorrelation  ours: lowest  mean  | Wilson: lowest  mean")
    good = True
    for correlation in CORRELATIONS:
        ours, wilson = [], []
        for (rows, per_group, model), share in product(_cells(), SHARES):
            groups, rng = group_codes(rows, per_group), np.random.default_rng(0)
            hits = draw_values((share, 1 - share), groups, correlation, model, sets, rng) == 0
            found = [share_interval(hit, groups, LEVEL) for hit in hits]
            ours.append(100 * np.mean([i.low <= share <= i.high for i in found]))
            low, high = proportion_confint(hits.sum(axis=1), rows, method="wilson")
            wilson.append(100 * np.mean((low <= share) & (share <= high)))
        print(f"{correlation:11} {min(ours):13.1f} {np.mean(ours):5.1f}  | {min(wilson):14.1f} {np.mean(wilson):5.1f}")
        good = good and min(ours) >= 93.5 - _error(6.5, sets)
    return good


def _pairs(sets: int) -> bool:
    print(f"\nPAIRS, {sets} sets per cell, in %\ncorrelation  coverage: lowest  mean | alarms: most  mean"
          " | not worse, wrongly: most  mean | McNemar's alarms: most  mean")  # fmt: skip
    good = True
    for correlation in CORRELATIONS:
        held, alarms, passed, plain = [], [], [], []
        for (rows, per_group, model), (a, b) in product(_cells(), PAIRS):
            groups, rng = group_codes(rows, per_group), np.random.default_rng(1)
            drawn = draw_values((a, b, 1 - a - b), groups, correlation, model, sets, rng)
            sets_of = np.array([-1, 1, 0], dtype=np.int8)[drawn]
            found = [paired_interval(d, groups, LEVEL) for d in sets_of]
            held.append(100 * np.mean([i.low <= b - a <= i.high for i in found]))
            passed.append(100 * np.mean([i.low > b - a for i in found]))
            if a == b:
                alarms.append(_alarms(paired_p, sets_of, groups))
                plain.append(_alarms(_mcnemar, sets_of, groups))
        print(f"{correlation:11} {min(held):17.1f} {np.mean(held):5.1f} | {max(alarms):12.1f} {np.mean(alarms):5.1f}"
              f" | {max(passed):24.1f} {np.mean(passed):5.1f} | {max(plain):22.1f} {np.mean(plain):5.1f}")  # fmt: skip
        good = good and min(held) >= 93.5 - _error(6.5, sets) and max(alarms) <= 6 + _error(6, sets)
        good = good and max(passed) <= 3.5 + _error(3.5, sets)
    return good


def _peers(sets: int) -> None:
    """Alarms at no difference, and power at 10 points, of every program on the same sets."""
    tests: dict[str, PValue] = {
        "ours, exact": paired_p,
        "ours, mid-p": lambda d, groups: paired_p(d, groups, "mid_p"),
        "McNemar (statsmodels)": _mcnemar,
        "OLS, clustered (statsmodels)": _least_squares,
        "GEE, exchangeable (statsmodels)": _gee,
        **_evalsig(),
    }
    sizes = [(60, 3, 0.3), (60, 10, 0.3), (300, 3, 0.3), (300, 10, 0.0), (300, 10, 0.3), (300, 10, 0.6)]
    print(f"\nPEERS, {sets} sets per cell, 20% of rows differ: alarms / power at 10 points, in %")
    print(f"{'rows, per group, correlation':32}" + "".join(f"{size!s:>17}" for size in sizes))
    for name, p_value in tests.items():
        line = f"{name:32}"
        for rows, per_group, correlation in sizes:
            groups, rng = group_codes(rows, per_group), np.random.default_rng(2)
            rates = []
            for a, b in ((0.1, 0.1), (0.05, 0.15)):
                drawn = draw_values((a, b, 1 - a - b), groups, correlation, "scattered", sets, rng)
                rates.append(_alarms(p_value, np.array([-1, 1, 0], dtype=np.int8)[drawn], groups))
            line += f"{rates[0]:9.1f} /{rates[1]:6.1f}"
        print(line, flush=True)


def _alarms(p_value: PValue, sets_of: NDArray[np.int8], groups: Groups) -> float:
    return 100 * float(np.mean([p_value(d, groups) < 1 - LEVEL for d in sets_of]))


def _mcnemar(difference: NDArray[np.int8], _: Groups) -> float:
    return mcnemar_exact(int((difference < 0).sum()), int((difference > 0).sum()))


def _least_squares(difference: NDArray[np.int8], groups: Groups) -> float:
    model = sm.OLS(difference.astype(float), np.ones(len(groups)))
    return float(model.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True).pvalues[0])


def _gee(difference: NDArray[np.int8], groups: Groups) -> float:
    model = sm.GEE(difference.astype(float), np.ones(len(groups)), groups, cov_struct=sm.cov_struct.Exchangeable())
    return float(model.fit().pvalues[0])


def _evalsig() -> dict[str, PValue]:
    try:
        from evalsig.inference.cluster_bootstrap import cluster_bootstrap_ci
    except ImportError:
        print("evalsig is not installed: pip install evalsig")
        return {}

    def p_value(difference: NDArray[np.int8], groups: Groups) -> float:
        zeros = np.zeros(len(groups))
        return float(cluster_bootstrap_ci(zeros, difference.astype(float), groups, n_resamples=1000, rng=0).p_value)

    return {"evalsig, cluster bootstrap": p_value}


def _error(percent: float, sets: int) -> float:
    """Four standard errors, as the worst of hundreds of cells is looked at."""
    return 400 * float(np.sqrt(percent / 100 * (1 - percent / 100) / sets))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=2000, metavar="N", help="simulated sets per cell (2000)")
    parser.add_argument("--peers", type=int, default=500, metavar="N", help="simulated sets per cell for peers (500)")
    return parser


if __name__ == "__main__":
    sys.exit(main())

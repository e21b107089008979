"""Claim: for grouped rows, 95% intervals cover 93.5% or more, tests at 5% err in 6% or less, "not worse" in 3.5%.

Prints the worst cells of each table over the simulations of tests/clustered_rows.py, with methods that ignore groups
and other programs' on the same sets: statsmodels (Wilson, McNemar, ordinary least squares with clustered
errors, GEE) and, if installed, evalsig's cluster bootstrap and NeMo Evaluator's `compare` (0.3.0 needs Python 3.12).

    python bench/intervals.py [--sets N] [--peers N]
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

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
MODELS: tuple[Model, ...] = ("scattered", "copied")
CORRELATIONS = (0.0, 0.1, 0.3, 0.6)
SHARES = (0.01, 0.05, 0.2, 0.5)
PAIRS = ((0.025, 0.025), (0.1, 0.1), (0.2, 0.2), (0.05, 0.0), (0.125, 0.075))
"""Shares of rows that only A and only B gets right."""
LEVEL = 0.95

Groups = NDArray[np.int64]
PValue = Callable[[NDArray[np.int8], Groups], float]


def main() -> int:
    """Print the tables; return 1 if a promise is not kept by more than three standard errors."""
    arguments = _parser().parse_args()
    warnings.simplefilter("ignore")
    began = time.monotonic()
    good = [_shares(arguments.sets), _pairs(arguments.sets)] if arguments.sets else []
    if arguments.peers:
        _peers(arguments.peers)
    print(f"{time.monotonic() - began:.0f} s")
    return 0 if all(good) else 1


Rates = dict[str, float]
"""In %, by the name of the figure."""
Measure = Callable[[int, int, Model, Any, float, int, int], Rates]


def _table(measure: Measure, chances: Sequence[Any], sets: int) -> dict[str, float]:
    """Print mean and worst cell of each figure per correlation, and return the worst of all.

    The worst of many cells is worst by chance, too. So it is simulated again, with ten times as many other sets.
    """
    overall: dict[str, float] = {}
    for correlation in CORRELATIONS:
        cells = [(*size, model, chance) for size, model, chance in product(SIZES, MODELS, chances)]
        found = [measure(*cell, correlation, sets, 0) for cell in cells]
        line = f"correlation {correlation}:"
        for name in found[0]:
            sign = 1 if name.startswith("coverage") else -1
            rated = [(sign * rates[name], index) for index, rates in enumerate(found) if name in rates]
            place = min(rated)[1]
            again = measure(*cells[place], correlation, 10 * sets, 1)[name]
            line += f"  {name} {sign * np.mean([rate for rate, _ in rated]):.1f}, worst {again:.1f} {cells[place]}"
            overall[name] = sign * min(sign * again, sign * overall.get(name, again))
        print(line.replace("  ", "\n    "), flush=True)
    return overall


def _shares(sets: int) -> bool:
    print(f"\nSHARES, {sets} sets per cell of (rows, rows per group, model, share), in %: mean and worst cell")
    worst = _table(_share_rates, SHARES, sets)
    return worst["coverage"] >= 93.5 - _error(6.5, 10 * sets)


def _share_rates(
    rows: int, per_group: int, model: Model, share: float, correlation: float, sets: int, seed: int
) -> Rates:
    groups, rng = group_codes(rows, per_group), np.random.default_rng(seed)
    hits = draw_values((share, 1 - share), groups, correlation, model, sets, rng) == 0
    found = [share_interval(hit, groups, LEVEL) for hit in hits]
    low, high = proportion_confint(hits.sum(axis=1), rows, method="wilson")
    return {
        "coverage": 100 * float(np.mean([i.low <= share <= i.high for i in found])),
        "coverage of Wilson": 100 * float(np.mean((low <= share) & (share <= high))),
    }


def _pairs(sets: int) -> bool:
    print(f"\nPAIRS, {sets} sets per cell of (rows, rows per group, model, only A and only B right), in %")
    worst = _table(_pair_rates, PAIRS, sets)
    kept = worst["coverage"] >= 93.5 - _error(6.5, 10 * sets) and worst["alarms"] <= 6 + _error(6, 10 * sets)
    return kept and worst["not worse, wrongly"] <= 3.5 + _error(3.5, 10 * sets)


def _pair_rates(
    rows: int, per_group: int, model: Model, pair: tuple[float, float], correlation: float, sets: int, seed: int
) -> Rates:
    (a, b), groups = pair, group_codes(rows, per_group)
    drawn = draw_values((a, b, 1 - a - b), groups, correlation, model, sets, np.random.default_rng(seed))
    differences = np.array([-1, 1, 0], dtype=np.int8)[drawn]
    found = [paired_interval(d, groups, LEVEL) for d in differences]
    rates = {
        "coverage": 100 * float(np.mean([i.low <= b - a <= i.high for i in found])),
        "not worse, wrongly": 100 * float(np.mean([i.low > b - a for i in found])),
    }
    if a == b:
        rates["alarms"] = _alarms(paired_p, differences, groups)
        rates["alarms of McNemar"] = _alarms(mcnemar_test, differences, groups)
    return rates


def _peers(sets: int) -> None:
    """Alarms at no difference, and power at 10 points, of every program on the same sets."""
    others = {"evalsig, cluster bootstrap": evalsig_test(), "NeMo Evaluator (one-sided)": nemo_test()}
    tests: dict[str, PValue] = {
        "ours, exact": paired_p,
        "ours, mid-p": lambda d, groups: paired_p(d, groups, "mid_p"),
        "McNemar (statsmodels)": mcnemar_test,
        "OLS, clustered (statsmodels)": _least_squares,
        "GEE, exchangeable (statsmodels)": _gee,
        **{name: test for name, test in others.items() if test},
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


def mcnemar_test(difference: NDArray[np.int8], _: Groups) -> float:
    """Exact, and blind to groups."""
    return mcnemar_exact(int((difference < 0).sum()), int((difference > 0).sum()))


def _least_squares(difference: NDArray[np.int8], groups: Groups) -> float:
    model = sm.OLS(difference.astype(float), np.ones(len(groups)))
    return float(model.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True).pvalues[0])


def _gee(difference: NDArray[np.int8], groups: Groups) -> float:
    model = sm.GEE(difference.astype(float), np.ones(len(groups)), groups, cov_struct=sm.cov_struct.Exchangeable())
    return float(model.fit().pvalues[0])


def evalsig_test() -> PValue | None:
    """Its cluster bootstrap, if it is installed."""
    try:
        from evalsig.inference.cluster_bootstrap import cluster_bootstrap_ci
    except ImportError:
        print("evalsig is not installed: pip install evalsig")
        return None

    def p_value(difference: NDArray[np.int8], groups: Groups) -> float:
        zeros = np.zeros(len(groups))
        return float(cluster_bootstrap_ci(zeros, difference.astype(float), groups, n_resamples=1000, rng=0).p_value)

    return p_value


def nemo_test() -> PValue | None:
    """Its test is one-sided, for a candidate that is worse: B takes the baseline's place here, so gains are found."""
    try:
        from nemo_evaluator.engine.comparison import compare_results
    except ImportError:
        print("NeMo Evaluator 0.3 is not installed: pip install 'nemo-evaluator[stats]' in Python 3.12")
        return None

    def p_value(difference: NDArray[np.int8], _: Groups) -> float:
        baseline, candidate = (
            {(i, 0): {"problem_idx": i, "repeat": 0, "reward": float(sign * d > 0)} for i, d in enumerate(difference)}
            for sign in (1, -1)
        )
        return float(compare_results(baseline, candidate)["mcnemar"]["p_value"])

    return p_value


def _error(percent: float, sets: int) -> float:
    return 300 * float(np.sqrt(percent / 100 * (1 - percent / 100) / sets))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sets",
        type=int,
        default=400,
        metavar="N",
        help="simulated sets per cell (400); the worst gets ten times as many; 0 skips the tables",
    )
    parser.add_argument(
        "--peers", type=int, default=500, metavar="N", help="simulated sets per cell for peers (500); 0 skips"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

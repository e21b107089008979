"""Simultaneous confidence sets for ranks, from pairwise tests with Holm's adjustment over all pairs.

If no false difference is shown, which holds at the level of the tests for all pairs together, each true rank lies
between 1 + the number shown to be better and all less the number shown to be worse (Mogstad, Romano, Shaikh & Wilhelm,
Review of Economic Studies 91, 2024).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from so8t_evaluator.stats.holm import holm


def rank_sets(
    names: Sequence[str], tests: Mapping[tuple[str, str], tuple[float, float]], alpha: float
) -> dict[str, tuple[int, int]]:
    """Return the first and last possible rank of each name; 1 is the highest value.

    `tests` has the difference (first minus second) and its unadjusted p for pairs; a missing pair is undecided.
    """
    better = dict.fromkeys(names, 0)
    worse = dict.fromkeys(names, 0)
    pairs = len(names) * (len(names) - 1) // 2
    p_values = [p for _, p in tests.values()] + [1.0] * (pairs - len(tests))
    for (first, second), p in zip(tests, holm(p_values), strict=False):
        difference, _ = tests[first, second]
        if p < alpha and difference:
            winner, loser = (first, second) if difference > 0 else (second, first)
            better[loser] += 1
            worse[winner] += 1
    return {name: (1 + better[name], len(names) - worse[name]) for name in names}

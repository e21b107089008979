"""What a comparison says in one word."""

from __future__ import annotations

from so8t_shared.results import Verdict


def verdict(*, only_a: int, only_b: int, flips: int, p: float, confidence: float) -> Verdict:
    """identical without any differing answer; no_difference unless p < 1 - confidence; else who won."""
    if flips == 0:
        return "identical"
    alpha = round(1 - confidence, 12)  # 1 - 0.95 is a little more than 0.05 in floating point
    if p >= alpha or only_a == only_b:
        return "no_difference"
    return "b_better" if only_b > only_a else "a_better"

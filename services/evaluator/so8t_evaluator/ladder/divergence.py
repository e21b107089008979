"""KL divergence of two next-token distributions, of which only the likeliest tokens may be known.

Tokens that both sides know are bins of their own, and all others are one bin together. Merging bins never raises the
divergence (data processing inequality; Cover & Thomas, Elements of Information Theory, 2.8), so what results is a lower
bound, exact where both know all.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from so8t_shared.ladders.measured import Measured

_LEAST = -104.0
"""Log of the smallest float32; engines round smaller probabilities to 0."""
_ROUNDING = 1e-6
"""Of a sum of probabilities in float32: less is as good as nothing."""
_PIECE = "\ufffd"
"""Stands for bytes that are no whole character."""


def divergences(before: Measured, after: Measured) -> tuple[NDArray[np.float64], bool]:
    """Return ([n], KL(before || after) in nats; NaN where a side is missing) and whether they are lower bounds."""
    whole = _is_whole(before) and _is_whole(after) and before.likely.shape == after.likely.shape
    if whole:
        p, q = (_normal(side.likely) for side in (before, after))
        return np.einsum("ij,ij->i", np.exp(p), p - q), False
    by_text = not _has_ids(before) or not _has_ids(after)
    read = _by_text if by_text else _by_id
    found = [_coarse(read(before, row), read(after, row)) for row in range(len(before.likely))]
    return np.array(found), True


def _is_whole(side: Measured) -> bool:
    return bool(side.ids.shape[1] == 0 and side.texts.shape[1] == 0)


def _has_ids(side: Measured) -> bool:
    return _is_whole(side) or bool(side.ids.shape[1] > 0)


def _normal(likely: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = np.maximum(likely.astype(np.float64), _LEAST)
    return wide - np.logaddexp.reduce(wide, axis=1, keepdims=True)


def _by_id(side: Measured, row: int) -> Mapping[int, float]:
    values = np.maximum(side.likely[row].astype(np.float64), _LEAST)
    ids = range(len(values)) if _is_whole(side) else side.ids[row].tolist()
    return dict(zip(ids, values.tolist(), strict=True))


def _by_text(side: Measured, row: int) -> Mapping[str, float]:
    """Leave out texts that several tokens have, such as pieces of a character: each side may show another one."""
    texts = side.texts[row].tolist()
    often = {text for text, count in Counter(texts).items() if count > 1 or not text or _PIECE in text}
    values = side.likely[row].tolist()
    return {text: value for text, value in zip(texts, values, strict=False) if text not in often}


def _coarse(
    before: Mapping[int, float] | Mapping[str, float], after: Mapping[int, float] | Mapping[str, float]
) -> float:
    if not before or not after or any(math.isnan(value) for value in (*before.values(), *after.values())):
        return math.nan
    shared = before.keys() & after.keys()
    p = np.array([before[one] for one in shared])  # type: ignore[index]
    q = np.array([after[one] for one in shared])  # type: ignore[index]
    rests = [max(_ROUNDING, 1 - float(np.exp(side).sum())) for side in (p, q)]
    inside = float((np.exp(p) * (p - q)).sum())
    return max(0.0, inside + rests[0] * math.log(rests[0] / rests[1]))

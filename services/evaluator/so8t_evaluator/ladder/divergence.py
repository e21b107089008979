"""KL divergence of two rungs at each row: over the whole vocabulary, or over the tokens that both are known to show."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from so8t_engines.divergence import Token, divergence
from so8t_shared.ladders.measured import Measured

_LEAST = -104.0
"""Log of the smallest float32; engines round smaller probabilities to 0."""
_PIECE = "\ufffd"
"""Stands for bytes that are no whole character."""


def divergences(before: Measured, after: Measured) -> tuple[NDArray[np.float64], bool]:
    """Return ([n], KL(before || after) in nats; NaN where a side is missing) and whether they are lower bounds."""
    whole = _is_whole(before) and _is_whole(after) and before.likely.shape == after.likely.shape
    if whole:
        p, q = (_normal(side.likely) for side in (before, after))
        return np.einsum("ij,ij->i", np.exp(p), p - q), False
    rows = range(len(before.likely))
    if _has_ids(before) and _has_ids(after):
        return np.array([_coarse(_by_id(before, row), _by_id(after, row)) for row in rows]), True
    return np.array([_coarse(_by_text(before, row), _by_text(after, row)) for row in rows]), True


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


def _coarse(before: Mapping[Token, float], after: Mapping[Token, float]) -> float:
    if not before or not after or any(math.isnan(value) for value in (*before.values(), *after.values())):
        return math.nan
    return divergence(before, after)

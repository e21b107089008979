"""Scores that are kept between attempts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from so8t_evaluator.retention.followed import Followed, FollowedFile

TEXTS = [
    {"tokens": [3, 5], "logprobs": [-0.5, -1.5], "ids": [[3, 7], [8, 9]], "likely": [[-0.5, -2.0], [-0.1, -3.0]]},
    {"tokens": [4], "logprobs": [-0.25], "ids": [[4, 1]], "likely": [[-0.25, -4.0]]},
]


def _written(folder: Path) -> FollowedFile:
    file = FollowedFile(folder / "new", "a", "key")
    assert not file.known
    file.write(map(Followed.of, TEXTS))
    return file


def test_round_trip(tmp_path: Path) -> None:
    """All figures come back, from another process's point of view."""
    _written(tmp_path)
    file = FollowedFile(tmp_path / "new", "a", "key")
    assert file.known
    for found, text in zip(file, TEXTS, strict=True):
        assert (found.tokens, found.logprobs) == (text["tokens"], text["logprobs"])
        assert found.likely["id"].tolist() == text["ids"]
        assert found.likely["logprob"] == pytest.approx(np.array(text["likely"]))

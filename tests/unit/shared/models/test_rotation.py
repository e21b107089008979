"""Rotations are rotations, and folding one into a projection changes nothing that it computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.messages import Said

from so8t_shared.config.values import Rotation
from so8t_shared.errors import InputError
from so8t_shared.models.rotation import (
    PARAMETERS_PER_BLOCK,
    blocks_of,
    fold,
    orthogonality_error,
    rotation_angle,
    rotations,
    skew_from_parameters,
    skew_from_theta,
)

KINDS: list[Rotation] = ["exp", "cayley"]


def _parameters(blocks: int = 5, scale: float = 0.5) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=scale, size=(blocks, PARAMETERS_PER_BLOCK))


def test_blocks_of(said: Said) -> None:
    """A width is cut into blocks of 8; any other width is refused with the number and the place."""
    assert blocks_of(3072) == 384
    for width in (0, -8, 12):
        with said.raised(InputError, where="config.json"):
            blocks_of(width, where="config.json")


def test_skew_from_parameters() -> None:
    """28 parameters fill the upper triangle row by row; the lower one is its negative."""
    skew = skew_from_parameters(np.arange(1, 29)[None])
    assert skew.shape == (1, 8, 8)
    assert list(skew[0, 0]) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert list(skew[0, 1]) == [-1, 0, 8, 9, 10, 11, 12, 13]
    assert skew[0, 6, 7] == 28
    assert np.array_equal(skew, -skew.transpose(0, 2, 1))


def test_skew_from_theta() -> None:
    """A = theta - theta^T."""
    theta = np.random.default_rng(1).normal(size=(3, 8, 8)).astype(np.float32)
    skew = skew_from_theta(theta)
    assert np.array_equal(skew[2], theta[2].astype(np.float64) - theta[2].T.astype(np.float64))


@pytest.mark.parametrize("kind", KINDS)
def test_zero_is_the_identity(kind: Rotation) -> None:
    """An untrained gate does nothing, exactly."""
    blocks = rotations(skew_from_parameters(np.zeros((2, 28))), kind)
    assert np.array_equal(blocks, np.broadcast_to(np.eye(8), (2, 8, 8)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1e-6, 0.5, 20.0])
def test_rotations_are_in_so8(kind: Rotation, scale: float) -> None:
    """R^T R = I and det R = 1, for small and for large parameters."""
    blocks = rotations(skew_from_parameters(_parameters(scale=scale)), kind)
    assert orthogonality_error(blocks) < 1e-10
    assert np.allclose(np.linalg.det(blocks), 1.0, atol=1e-10)


def test_exp_is_torchs() -> None:
    """exp agrees with torch's matrix exponential."""
    skew = skew_from_parameters(_parameters())
    assert np.allclose(rotations(skew, "exp"), torch.linalg.matrix_exp(torch.tensor(skew)).numpy(), atol=1e-12)


def test_cayley_is_its_definition() -> None:
    """(I - S/2) R = I + S/2, and to second order R is the exponential."""
    skew = skew_from_parameters(_parameters())
    blocks = rotations(skew, "cayley")
    assert np.allclose((np.eye(8) - skew / 2) @ blocks, np.eye(8) + skew / 2, atol=1e-12)
    small = skew * 1e-3
    assert np.abs(rotations(small, "cayley") - rotations(small, "exp")).max() < 1e-8


@pytest.mark.parametrize("kind", KINDS)
def test_folding_changes_nothing(kind: Rotation) -> None:
    """x W'^T = (x R) W^T to 1e-6 in float32, where R acts on the row vector x block by block."""
    generator = np.random.default_rng(2)
    weight = generator.normal(scale=0.05, size=(24, 40)).astype(np.float32)
    x = generator.normal(size=(7, 40)).astype(np.float32)
    blocks = rotations(skew_from_parameters(_parameters(5)), kind)
    rotated = np.concatenate([x[:, 8 * i : 8 * i + 8] @ blocks[i] for i in range(5)], axis=1)
    folded = fold(weight, blocks)
    assert folded.dtype == np.float32
    assert np.abs(x @ folded.T - rotated @ weight.T).max() < 1e-6


def test_rotation_angle() -> None:
    """The largest angle of a rotation by 0.3 in one plane and 1.2 in another is 1.2."""
    skew = np.zeros((2, 8, 8))
    skew[0, 0, 1], skew[0, 1, 0] = 0.3, -0.3
    skew[1, 4, 6], skew[1, 6, 4] = -1.2, 1.2
    assert rotation_angle(rotations(skew, "exp")) == pytest.approx(1.2)


def test_orthogonality_error_sees_an_error() -> None:
    """A block that is not orthogonal shows with its size: |1.01^2 - 1|."""
    blocks = np.stack([np.eye(8), np.eye(8) * 1.01])
    assert orthogonality_error(blocks) == pytest.approx(0.0201)

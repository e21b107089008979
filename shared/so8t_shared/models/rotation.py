"""SO(8) rotations of a gate, and folding them into the projection after it (numpy, float64).

A gate rotates the input x of `o_proj` (a row vector of width D) in D/8 blocks of 8:
y = W (x R) with R = blockdiag(R_1 ... R_{D/8}). Folding: W' = W @ blockdiag(R)^T, so that
x W'^T = (x R) W^T and the gate can be dropped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from so8t_shared.config.values import Rotation
from so8t_shared.errors import InputError

BLOCK = 8
PARAMETERS_PER_BLOCK = BLOCK * (BLOCK - 1) // 2

Array = NDArray[np.float64]


def blocks_of(width: int, where: str = "") -> int:
    """Number of 8-wide blocks in an attention width.

    Raises:
        InputError: the width is not divisible by 8.
    """
    if width <= 0 or width % BLOCK:
        raise InputError(
            f"The attention width {width} is not divisible by 8, so SO8T gates cannot be attached.",
            where=where,
            remedy="use a model where heads x head size is a multiple of 8",
        )
    return width // BLOCK


def skew_from_parameters(parameters: NDArray[np.floating]) -> Array:
    """Skew-symmetric S [n, 8, 8] from the upper triangles [n, 28], row by row (S[i, j] = p, j > i)."""
    parameters = np.asarray(parameters, dtype=np.float64)
    skew = np.zeros((parameters.shape[0], BLOCK, BLOCK))
    rows, columns = np.triu_indices(BLOCK, k=1)
    skew[:, rows, columns] = parameters
    return skew - skew.transpose(0, 2, 1)


def skew_from_theta(theta: NDArray[np.floating]) -> Array:
    """Skew-symmetric A = theta - theta^T [n, 8, 8] of the original project's checkpoints."""
    theta = np.asarray(theta, dtype=np.float64)
    return theta - theta.transpose(0, 2, 1)


def rotations(skew: Array, kind: Rotation) -> Array:
    """Rotation matrices [n, 8, 8] of skew-symmetric S [n, 8, 8].

    exp: R = exp(S). cayley: R = (I - S/2)^-1 (I + S/2).
    """
    if kind == "exp":
        from scipy.linalg import expm

        return np.asarray(expm(skew), dtype=np.float64)
    identity = np.eye(BLOCK)
    return np.asarray(np.linalg.solve(identity - skew / 2, identity + skew / 2), dtype=np.float64)


def fold(weight: NDArray[np.floating], blocks: Array) -> NDArray[np.float32]:
    """W' = W @ blockdiag(R)^T for W [out, D] and R [D/8, 8, 8]; float32, computed in float64."""
    out, width = weight.shape
    parts = np.asarray(weight, dtype=np.float64).reshape(out, width // BLOCK, BLOCK)
    folded: Array = np.einsum("onj,nij->oni", parts, blocks, optimize=True)
    return folded.reshape(out, width).astype(np.float32)


def orthogonality_error(blocks: Array) -> float:
    """max |R^T R - I| over all blocks [n, 8, 8]."""
    return float(np.abs(blocks.transpose(0, 2, 1) @ blocks - np.eye(BLOCK)).max())


def rotation_angle(blocks: Array) -> float:
    """Largest rotation angle of any block [n, 8, 8], radians (from the eigenvalues e^{+-i angle})."""
    return float(np.abs(np.angle(np.linalg.eigvals(blocks))).max())

"""The arrays of a rung, and how they are stored: NAME.npz without pickled objects, then NAME.json, which commits it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from so8t_shared.errors import IntegrityError
from so8t_shared.files import sha256_file, write_atomically
from so8t_shared.json_files import write_json
from so8t_shared.labels import LABELS
from so8t_shared.results.ladder import RungRecord

Tokens = Sequence[int]


@dataclass(frozen=True)
class Measured:
    """What a rung says about n rows; NaN in a row that it could not take."""

    logprobs: NDArray[np.float64]
    """[n, 4], natural-log probability of each of the LABELS, over the tokens by which the answers differ."""
    bounds: NDArray[np.bool_]
    """[n, 4], whether a figure is only an upper bound."""
    likely: NDArray[np.float32]
    """[n, K], log-probability of the next token at the answer's position."""
    ids: NDArray[np.int32]
    """[n, K], the tokens of `likely`; empty [n, 0] if it holds the whole vocabulary in order, or if only texts are
    known."""
    texts: NDArray[np.str_]
    """[n, T], texts of the first T tokens of `likely`; [n, 0] if they are not known."""
    end: NDArray[np.float64]
    """[n], log-probability of the end of the turn after the correct answer; NaN if it is not known."""
    prompts: list[Tokens] = field(default_factory=list)
    """Token ids of each prompt; empty if the program does not tell."""
    answers: list[Tokens] = field(default_factory=list)
    """Token ids of the four answers of each row, one after the other: 4 n of them, or none."""

    def save(self, folder: Path, record: RungRecord) -> RungRecord:
        """Write both files; return the record with the arrays' digest.

        Raises:
            StorageError: the folder cannot be written.
        """
        path = folder / f"{record.rung}.npz"
        stream = io.BytesIO()
        np.savez(stream, **self._arrays())
        write_atomically(path, stream.getvalue())
        done = record.model_copy(update={"arrays_sha256": sha256_file(path)})
        write_json(folder / f"{record.rung}.json", done)
        return done

    def _arrays(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("logprobs", "bounds", "likely", "ids", "texts", "end")}
        return plain | _flat("prompts", self.prompts) | _flat("answers", self.answers)

    @property
    def said(self) -> NDArray[np.int8]:
        """[n], position of the likeliest label in LABELS; 4 where a bound leaves it open or the row is missing."""
        known = np.isfinite(self.logprobs).all(axis=1)
        best = np.where(known, np.argmax(np.where(np.isfinite(self.logprobs), self.logprobs, -np.inf), axis=1), 0)
        open_ = ~known | self.bounds[np.arange(len(best)), best]
        return np.where(open_, len(LABELS), best).astype(np.int8)


def load(folder: Path, record: RungRecord) -> Measured:
    """Read the arrays of a rung.

    Raises:
        IntegrityError: they are missing, or the record names others.
    """
    path = folder / f"{record.rung}.npz"
    if not has_arrays(folder, record):
        raise IntegrityError(f"The arrays of {record.rung} are damaged.", where=str(path), remedy="measure it again")
    with np.load(path, allow_pickle=False) as stored:
        plain = {name: stored[name] for name in ("logprobs", "bounds", "likely", "ids", "texts", "end")}
        return Measured(**plain, prompts=_ragged(stored, "prompts"), answers=_ragged(stored, "answers"))


def has_arrays(folder: Path, record: RungRecord) -> bool:
    """Whether the arrays are those that the record names."""
    path = folder / f"{record.rung}.npz"
    return path.is_file() and sha256_file(path) == record.arrays_sha256


def _flat(name: str, lists: Sequence[Tokens]) -> dict[str, Any]:
    return {
        name: np.fromiter(chain.from_iterable(lists), np.int32),
        f"{name}_lengths": np.array([len(one) for one in lists], np.int32),
    }


def _ragged(stored: Any, name: str) -> list[Tokens]:
    ends = np.cumsum(stored[f"{name}_lengths"])
    flat = stored[name].tolist()
    return [flat[end - length : end] for end, length in zip(ends, stored[f"{name}_lengths"], strict=True)]

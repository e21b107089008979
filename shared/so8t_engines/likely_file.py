"""The likeliest tokens that a model named at many positions, kept in files for another attempt.

They lie in one file that is mapped, not read: many positions take no more memory than a few. What is known of each text
is written last, beside it, so a kill loses at most the model in work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from so8t_shared.documents import Document
from so8t_shared.errors import IntegrityError
from so8t_shared.json_files import write_json

_LIKELY = np.dtype([("id", "<i4"), ("logprob", "<f4")])

Likely = NDArray[np.void]
"""[positions, likeliest] of `id` and `logprob`, the likeliest first."""
Text = tuple[dict[str, Any], Likely]
"""What is known of a text besides, as JSON; and its positions."""


def likely_of(ids: Sequence[Sequence[int]], logprobs: Sequence[Sequence[float]]) -> Likely:
    """Pack the likeliest tokens of each position, as many everywhere, and their log-probabilities."""
    likely = np.empty((len(ids), len(ids[0]) if ids else 0), _LIKELY)
    if ids:
        likely["id"], likely["logprob"] = ids, logprobs
    return likely


def by_id(likely: Likely, place: int) -> dict[int, float]:
    """Return one position's log-probabilities by token, the likeliest first."""
    one = likely[place]
    return dict(zip(one["id"].tolist(), one["logprob"].astype(float).tolist(), strict=True))


class _Index(Document):
    """What lies beside the likeliest tokens."""

    schema_version: Literal[1] = 1
    key: str
    width: int
    positions: list[int]
    """Of each text."""
    about: list[dict[str, Any]]


class LikelyFile:
    """All texts, to one model."""

    def __init__(self, folder: Path, name: str, key: str) -> None:
        """`key` tells apart what the figures depend on."""
        self._index, self._likely = folder / f"{name}.json", folder / f"{name}.likely"
        self._key = key

    @property
    def known(self) -> bool:
        """Whether all texts are here."""
        return self._read() is not None

    def write(self, texts: Iterable[Text]) -> None:
        """Replace all texts."""
        self._index.unlink(missing_ok=True)
        self._index.parent.mkdir(parents=True, exist_ok=True)
        known: list[dict[str, Any]] = []
        positions: list[int] = []
        width = 0
        with self._likely.open("wb") as file:
            for about, likely in texts:
                likely.tofile(file)
                known.append(about)
                positions.append(len(likely))
                width = likely.shape[1]
        write_json(self._index, _Index(key=self._key, width=width, positions=positions, about=known))

    def __iter__(self) -> Iterator[Text]:
        index = self._read()
        if index is None:
            raise IntegrityError(
                "What a model said is missing.", where=str(self._index), remedy="run the same command again"
            )
        likely = np.memmap(self._likely, _LIKELY, "r").reshape(-1, index.width)
        start = 0
        for about, positions in zip(index.about, index.positions, strict=True):
            yield about, likely[start : start + positions]
            start += positions

    def _read(self) -> _Index | None:
        try:
            index = _Index.read(self._index)
        except IntegrityError:
            return None
        expected = sum(index.positions) * index.width * _LIKELY.itemsize
        whole = self._likely.is_file() and self._likely.stat().st_size == expected
        return index if index.key == self._key and whole else None

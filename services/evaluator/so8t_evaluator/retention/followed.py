"""How likely each token of the references is to one model, kept in files while the other model is asked.

The likeliest tokens at every position lie in one file that is mapped, not read: a large set takes no more memory than a
small one. The list of texts is written last, so a kill loses at most the model in work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from so8t_shared.documents import Document
from so8t_shared.errors import IntegrityError
from so8t_shared.json_files import write_json

_LIKELY = np.dtype([("id", "<i4"), ("logprob", "<f4")])

Likely = NDArray[np.void]
"""[tokens, likeliest] of `id` and `logprob`."""


@dataclass(frozen=True)
class Followed:
    """One text: its tokens, and their log-probabilities."""

    tokens: list[int]
    logprobs: list[float]
    likely: Likely

    @classmethod
    def of(cls, said: dict[str, Any]) -> Followed:
        """Take what `EmbeddedModel.follow` returned."""
        likely = np.empty((len(said["tokens"]), len(said["ids"][0]) if said["ids"] else 0), _LIKELY)
        likely["id"], likely["logprob"] = said["ids"], said["likely"]
        return cls(said["tokens"], said["logprobs"], likely)


class _Index(Document):
    """What lies beside the likeliest tokens."""

    schema_version: Literal[1] = 1
    key: str
    width: int
    tokens: list[list[int]]
    logprobs: list[list[float]]


class FollowedFile:
    """All texts, to one model."""

    def __init__(self, folder: Path, name: str, key: str) -> None:
        """`key` tells apart what the figures depend on."""
        self._index, self._likely = folder / f"{name}.json", folder / f"{name}.likely"
        self._key = key

    @property
    def known(self) -> bool:
        """Whether all texts are here."""
        return self._read() is not None

    def write(self, texts: Iterable[Followed]) -> None:
        """Replace all texts."""
        self._index.unlink(missing_ok=True)
        self._index.parent.mkdir(parents=True, exist_ok=True)
        tokens: list[list[int]] = []
        logprobs: list[list[float]] = []
        width = 0
        with self._likely.open("wb") as file:
            for text in texts:
                text.likely.tofile(file)
                tokens.append(text.tokens)
                logprobs.append(text.logprobs)
                width = text.likely.shape[1]
        write_json(self._index, _Index(key=self._key, width=width, tokens=tokens, logprobs=logprobs))

    def __iter__(self) -> Iterator[Followed]:
        index = self._read()
        if index is None:
            raise IntegrityError(
                "The scores of the neutral prompts are missing.",
                where=str(self._index),
                remedy="run the same command again",
            )
        likely = np.memmap(self._likely, _LIKELY, "r").reshape(-1, index.width)
        start = 0
        for tokens, logprobs in zip(index.tokens, index.logprobs, strict=True):
            yield Followed(tokens, logprobs, likely[start : start + len(tokens)])
            start += len(tokens)

    def _read(self) -> _Index | None:
        try:
            index = _Index.read(self._index)
        except IntegrityError:
            return None
        expected = sum(map(len, index.tokens)) * index.width * _LIKELY.itemsize
        whole = self._likely.is_file() and self._likely.stat().st_size == expected
        return index if index.key == self._key and whole else None

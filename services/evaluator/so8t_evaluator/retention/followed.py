"""How likely each token of the references is to one model, kept in files while the other model is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from so8t_engines.likely_file import Likely, LikelyFile, likely_of


@dataclass(frozen=True)
class Followed:
    """One text: its tokens, and their log-probabilities."""

    tokens: list[int]
    logprobs: list[float]
    likely: Likely

    @classmethod
    def of(cls, said: dict[str, Any]) -> Followed:
        """Take what `EmbeddedModel.follow` returned."""
        return cls(said["tokens"], said["logprobs"], likely_of(said["ids"], said["likely"]))


class FollowedFile:
    """All texts, to one model."""

    def __init__(self, folder: Path, name: str, key: str) -> None:
        """`key` tells apart what the figures depend on."""
        self._file = LikelyFile(folder, name, key)

    @property
    def known(self) -> bool:
        """Whether all texts are here."""
        return self._file.known

    def write(self, texts: Iterable[Followed]) -> None:
        """Replace all texts."""
        self._file.write(({"tokens": text.tokens, "logprobs": text.logprobs}, text.likely) for text in texts)

    def __iter__(self) -> Iterator[Followed]:
        for about, likely in self._file:
            yield Followed(about["tokens"], about["logprobs"], likely)

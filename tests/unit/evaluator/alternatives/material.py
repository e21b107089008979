"""Answers of several files of model B to the same validation rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.unit.evaluator.material import make_samples, with_logprobs

from so8t_shared.labels import LABELS
from so8t_shared.results.alternatives import PRIMARY, SCORING, Compared, ComparedFile, FileAnswer, FileName

GOLD = list(LABELS) * 20
FILES: dict[FileName, tuple[str, bool]] = {
    PRIMARY: ("q4_k_m", False),
    "imatrix": ("q4_k_m", True),
    "q5_k_m": ("q5_k_m", False),
}
"""Quantization, and whether a matrix guides it."""


def compared() -> Compared:
    """The files, the primary one first."""
    return Compared(
        engine="embedded 1",
        files=[
            ComparedFile(
                name=name, quantization=quantization, imatrix=imatrix, sha256=f"{number:064x}", size_bytes=1000
            )
            for number, (name, (quantization, imatrix)) in enumerate(FILES.items())
        ],
    )


def wrong_at(places: Sequence[int], said: str = "ESCALATION") -> list[str]:
    """The right classes, except at some places."""
    return [said if place in places else gold for place, gold in enumerate(GOLD)]


def file_answers(said: Mapping[FileName, Sequence[str]], *, group: int = 1) -> list[FileAnswer]:
    """What each file says, file by file; so many neighboring rows make a group."""
    return [
        FileAnswer(**{**sample.model_dump(), "group": f"g{place // group}", "file": name})
        for name, (quantization, _) in FILES.items()
        for place, sample in enumerate(
            with_logprobs(make_samples(GOLD, said[name], model="b", quantization=quantization, scoring=SCORING))
        )
    ]

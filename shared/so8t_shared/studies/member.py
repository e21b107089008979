"""What the judging of a study reads: its arms and the complete sessions of their members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from so8t_shared.config.model import AbTest
from so8t_shared.tables.quantizations import Quantization


@dataclass(frozen=True)
class StudyMember:
    """One trained (or external) model of a study, whose session is complete."""

    arm: str
    seed: int | None
    """None: an external model, which was not trained here."""
    session_id: str
    folder: Path
    """Flat folder: samples.jsonl (evaluate), evaluation.json (conclude), training.json (train; absent for an external
    model)."""
    seconds: Mapping[str, float]
    """Stage name to seconds of work of its artifact; a stage reused from another member counts where it was computed,
    else 0."""


@dataclass(frozen=True)
class StudyArm:
    """One method of a study."""

    name: str
    description: str
    overrides: Mapping[str, str]
    """Dotted configuration key to value as text."""
    external: bool


@dataclass(frozen=True)
class StudyTask:
    """Everything that the judging of a study reads."""

    name: str
    arms: Sequence[StudyArm]
    members: Sequence[StudyMember]
    reference: str
    """Arm with which the others are compared, besides A; "" for none."""
    families: Mapping[str, Sequence[tuple[str, str]]]
    """Declared families: name to pairs (arm, arm or "A"); Holm within each."""
    settings: AbTest
    """The ab_test section of the base configuration."""
    primary: Quantization
    """The quantization that decides, with the first scoring."""

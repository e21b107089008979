"""Other files of model B beside its primary one, on validation rows: what evaluate asked, and what conclude found."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.config.alternatives import AlternativeName
from so8t_shared.documents import Document, Part
from so8t_shared.results.answers import Sample
from so8t_shared.results.interval import Interval
from so8t_shared.results.paired import Paired
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring

ALTERNATIVES_FILE = "alternatives.json"
"""Only with gguf.alternatives."""
ALTERNATIVE_ANSWERS_FILE = "alternatives.jsonl"
"""Beside it: the answers to the validation rows, file by file."""
PRIMARY: Literal["primary"] = "primary"
FileName = AlternativeName | Literal["primary"]
SCORING: Scoring = "logprob"
"""How they are asked, whatever ab_test.scoring is: it shows the most of a small change of the weights."""

Help = Literal["better", "worse", "not decided"]


class ComparedFile(Part):
    """One file."""

    name: FileName
    quantization: Quantization
    imatrix: bool = Field(description="Whether an importance matrix guided it.")
    sha256: str
    size_bytes: int


class Compared(Document):
    """alternatives.json of evaluate: the files that were asked, the primary one first."""

    schema_version: Literal[1] = 1
    engine: str = Field(description="With its version; the embedded one, whatever ab_test.engine is.")
    files: list[ComparedFile]


class FileAnswer(Sample):
    """One file's answer to one validation row (a line of alternatives.jsonl)."""

    file: FileName


class AlternativeLine(Paired):
    """One file (other) against the primary one (reference)."""

    name: AlternativeName
    quantization: Quantization
    imatrix: bool
    size_bytes: int
    interval: Interval = Field(description="Accuracy of this file minus the primary's.")
    probability: Interval | None = Field(
        description="What it gives the right one of the four classes, minus what the primary gives; null if a row was"
        " too long to ask."
    )
    harmful: int = Field(description="DENY and REFUSE rows.")
    reference_false_allows: int = Field(description="Those that the primary answers ALLOW.")
    other_false_allows: int
    verdict: Help = Field(description="By the adjusted p; better only without more false allows.")


class AlternativesResult(Part):
    """Whether another file would help the classes of this data set."""

    primary: Quantization
    imatrix: bool = Field(description="Whether an importance matrix guided the primary.")
    size_bytes: int
    rows: int
    engine: str
    lines: list[AlternativeLine]

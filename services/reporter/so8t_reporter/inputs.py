"""Artifacts of the previous stages, read and checked as a whole before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from so8t_shared.collector import leave_alone
from so8t_shared.config.model import Config, Visualization
from so8t_shared.documents import read_text
from so8t_shared.errors import IntegrityError
from so8t_shared.places import models_beside_report
from so8t_shared.results.answers import SAMPLES_FILE, Sample
from so8t_shared.results.conversion import CONVERTED_BY, SERVED_FILE, ChatInfo, ConversionResult, Served
from so8t_shared.results.evaluation import EVALUATION_FILE, EvaluationResult
from so8t_shared.results.ladder import LADDER_FILE, LadderResult
from so8t_shared.results.retention import RETENTION_FILE, ScoredReference
from so8t_shared.results.sides import Side
from so8t_shared.results.training import DataReport, LabeledRow, TrainingPoint, TrainingResult
from so8t_shared.results.verification import VERIFICATIONS, Verification
from so8t_shared.tables.quantizations import ORDER, Quantization


@dataclass(frozen=True)
class Names:
    """Names of the two models, and their owner's descriptions."""

    a: str
    b: str
    description_a: str
    description_b: str

    def of(self, side: Side) -> str:
        """Return the name of one side's model."""
        return self.a if side == "a" else self.b


@dataclass(frozen=True)
class ReportSettings:
    """The part of the configuration that a report depends on."""

    session_id: str
    names: Names
    visualization: Visualization
    models: str
    """Folder of model B's Modelfiles, from the report's folder; empty if models are not handed over."""

    @classmethod
    def from_config(cls, config: Config, session_id: str) -> ReportSettings:
        """Take the names from Ollama's settings; without a model_b section B has no description."""
        names = Names(
            a=config.ollama.model_a_name,
            b=config.name_b,
            description_a=config.model_a.description,
            description_b=config.model_b.description if config.model_b else "",
        )
        return cls(session_id, names, config.visualization, models_beside_report(config))


@dataclass(frozen=True)
class ReportInputs:
    """Everything that the report shows."""

    evaluation: EvaluationResult
    samples: list[Sample]
    training: TrainingResult | None
    """None for an external model B, which was not trained here; then there are no points either."""
    points: list[TrainingPoint]
    data: DataReport
    test_rows: list[LabeledRow]
    training_config: str
    """The resolved training configuration, YAML text; empty for an external model B."""
    conversion: dict[str, ConversionResult]
    """By stage: convert-a, convert-b."""
    chat: dict[str, ChatInfo]
    served: Served | None = None
    """Model B as an Ollama server had it before; None if it was made or copied here."""
    references: list[ScoredReference] = field(default_factory=list)
    """With ab_test.retention: the reference answers to neutral prompts."""
    input_digests: dict[str, str] = field(default_factory=dict)
    """Digests of the models and data that train and convert-b read, by their place in the configuration."""
    ladder: LadderResult | None = None
    """None without ab_test.ladder."""
    verified: Mapping[Side, Verification] = field(default_factory=dict)
    """Each model whose files were verified."""

    @property
    def quantizations(self) -> list[Quantization]:
        """The tested quantizations, from the most to the least precise."""
        tested = {comparison.quantization for comparison in self.evaluation.comparisons}
        return [quantization for quantization in ORDER if quantization in tested]


def load_inputs(
    *,
    evaluate: Path,
    conclude: Path,
    train: Path,
    converted: Mapping[str, Path],
    imported: Path,
    input_digests: Mapping[str, str] | None = None,
    trained: bool = True,
) -> ReportInputs:
    """Read the artifact folders of the upstream stages; `converted` is keyed by the converting stage.

    Without `trained`, for an external model B, train has only split the rows.

    Raises:
        IntegrityError: a file is missing or malformed.
        NewerFormat: a newer program wrote it.
    """
    evaluation = EvaluationResult.read(conclude / EVALUATION_FILE)
    _check_headline(evaluation, conclude / EVALUATION_FILE)
    inputs = ReportInputs(
        evaluation=evaluation,
        samples=Sample.read_lines(evaluate / SAMPLES_FILE),
        training=TrainingResult.read(train / "training.json") if trained else None,
        points=TrainingPoint.read_lines(train / "metrics.jsonl") if trained else [],
        data=DataReport.read(train / "data_report.json"),
        test_rows=LabeledRow.read_lines(train / "splits/test.jsonl"),
        training_config=read_text(train / "training_config.yaml") if trained else "",
        conversion={stage: ConversionResult.read(folder / "conversion.json") for stage, folder in converted.items()},
        chat={stage: ChatInfo.read(folder / "chat.json") for stage, folder in converted.items()},
        references=_references(evaluate / RETENTION_FILE, evaluation),
        served=_served(converted[CONVERTED_BY["b"]] / SERVED_FILE),
        input_digests=dict(input_digests or {}),
        ladder=LadderResult.read(path) if (path := evaluate / LADDER_FILE).is_file() else None,
        verified={
            side: Verification.read(imported / name)
            for side, name in VERIFICATIONS.items()
            if (imported / name).is_file()
        },
    )
    leave_alone()
    return inputs


def _references(path: Path, evaluation: EvaluationResult) -> list[ScoredReference]:
    return ScoredReference.read_lines(path) if evaluation.retention else []


def _served(path: Path) -> Served | None:
    return Served.read(path) if path.is_file() else None


def _check_headline(evaluation: EvaluationResult, path: Path) -> None:
    primary = (evaluation.primary_quantization, evaluation.primary_scoring)
    if primary not in {(c.quantization, c.scoring) for c in evaluation.comparisons}:
        raise IntegrityError(
            f"The evaluation has no comparison for {primary[0]} with {primary[1]} scoring, the primary setting.",
            where=str(path),
            remedy="run conclude again with this version of SO8T-AB (so8t-ab run does that)",
        )

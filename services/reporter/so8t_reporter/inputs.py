"""What the stages before this one left behind, read and checked as a whole before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from so8t_shared.config.model import Config, Visualization
from so8t_shared.errors import IntegrityError
from so8t_shared.json_files import numbered_lines
from so8t_shared.results.answers import Sample
from so8t_shared.results.conversion import ChatInfo, ConversionResult
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.record import Side
from so8t_shared.results.training import DataReport, LabeledRow, TrainingPoint, TrainingResult
from so8t_shared.tables.quantizations import ORDER, Quantization

R = TypeVar("R", bound=BaseModel)


@dataclass(frozen=True)
class Names:
    """How the two models are called, and what their owner says about them."""

    a: str
    b: str
    description_a: str
    description_b: str

    def of(self, side: Side) -> str:
        """Name of one side's model."""
        return self.a if side == "a" else self.b


@dataclass(frozen=True)
class ReportSettings:
    """The part of the configuration that a report depends on."""

    session_id: str
    names: Names
    visualization: Visualization

    @classmethod
    def from_config(cls, config: Config, session_id: str) -> ReportSettings:
        """Names as they stand in Ollama; model B without a section of its own has no description."""
        names = Names(
            a=config.ollama.model_a_name,
            b=config.ollama.model_b_name,
            description_a=config.model_a.description,
            description_b=config.model_b.description if config.model_b else "",
        )
        return cls(session_id, names, config.visualization)


@dataclass(frozen=True)
class ReportInputs:
    """All measurements and records that the report shows."""

    evaluation: EvaluationResult
    samples: list[Sample]
    training: TrainingResult
    points: list[TrainingPoint]
    data: DataReport
    test_rows: list[LabeledRow]
    training_config: str
    """The resolved training configuration, YAML text."""
    conversion: dict[str, ConversionResult]
    """By stage: convert-a, convert-b."""
    chat: dict[str, ChatInfo]

    @property
    def quantizations(self) -> list[Quantization]:
        """Those that were tested, from the most to the least precise."""
        tested = {comparison.quantization for comparison in self.evaluation.comparisons}
        return [quantization for quantization in ORDER if quantization in tested]


def load_inputs(*, evaluate: Path, train: Path, converted: Mapping[str, Path]) -> ReportInputs:
    """Read the artifact folders of the upstream stages, `converted` by the stage that converts.

    Raises:
        IntegrityError: a file is missing, or is not what its stage writes.
    """
    evaluation = _record(evaluate / "evaluation.json", EvaluationResult)
    _check_headline(evaluation, evaluate / "evaluation.json")
    return ReportInputs(
        evaluation=evaluation,
        samples=_lines(evaluate / "samples.jsonl", Sample),
        training=_record(train / "training.json", TrainingResult),
        points=_lines(train / "metrics.jsonl", TrainingPoint),
        data=_record(train / "data_report.json", DataReport),
        test_rows=_lines(train / "splits/test.jsonl", LabeledRow),
        training_config=_text(train / "training_config.yaml"),
        conversion={
            stage: _record(folder / "conversion.json", ConversionResult) for stage, folder in converted.items()
        },
        chat={stage: _record(folder / "chat.json", ChatInfo) for stage, folder in converted.items()},
    )


def _check_headline(evaluation: EvaluationResult, path: Path) -> None:
    primary = (evaluation.primary_quantization, evaluation.primary_scoring)
    if primary not in {(c.quantization, c.scoring) for c in evaluation.comparisons}:
        raise _damaged(path, f"there is no comparison for {primary[0]} with {primary[1]} scoring, the primary one")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise _damaged(path, "the file is missing") from error
    except UnicodeDecodeError as error:
        raise _damaged(path, "it is not UTF-8 text") from error


def _record(path: Path, model: type[R]) -> R:
    return _parse(_text(path), model, path)


def _lines(path: Path, model: type[R]) -> list[R]:
    return [_parse(line, model, path, number) for number, line in numbered_lines(_text(path))]


def _parse(text: str, model: type[R], path: Path, line: int | None = None) -> R:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        place = f"line {line}: " if line else ""
        raise _damaged(path, f"{place}{key}: {first['msg']}" if key else f"{place}{first['msg']}") from error


def _damaged(path: Path, why: str) -> IntegrityError:
    return IntegrityError(
        f"An input of the report cannot be used: {why}.",
        where=f"{path.name} of the stage before",
        remedy="run that stage again with the same version of SO8T-AB (so8t-ab run does so)",
    )

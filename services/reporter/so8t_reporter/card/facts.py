"""What a model card tells, in no language."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from so8t_reporter.inputs import ReportInputs
from so8t_shared.config.gate import Clause
from so8t_shared.config.model import Config
from so8t_shared.results.bundle import BundleProof
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.conversion import GgufFile
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.gate import ClauseFigure, ClauseResult, Decision
from so8t_shared.results.interval import Interval
from so8t_shared.results.rates import Rate
from so8t_shared.results.training import TrainingResult

SHOWN: tuple[str, ...] = (
    *("accuracy", "macro_f1", "false_allow", "escalation_allowed", "over_refusal", "escalation_rate"),
    *("unread", "recall_allow", "recall_escalation", "recall_deny", "recall_refuse"),
)
"""Metrics in the card's first table."""
IN_EACH_QUANTIZATION = ("accuracy", "false_allow", "escalation_allowed", "over_refusal")


@dataclass(frozen=True)
class HubNames:
    """What only the author knows: names on the hub; empty if there are none."""

    base_model: str = ""
    license: str = ""
    dataset: str = ""
    task: str = "default"


@dataclass(frozen=True)
class JudgedClause:
    """A clause of the gate, its result, and the setting that decides."""

    clause: Clause
    result: ClauseResult
    worst: ClauseFigure | None


@dataclass(frozen=True)
class Facts:
    """Everything that a card shows."""

    config: Config
    inputs: ReportInputs
    proof: BundleProof
    names: HubNames
    tested: str
    """Day of the test."""

    @property
    def evaluation(self) -> EvaluationResult:
        """The results."""
        return self.inputs.evaluation

    @property
    def title(self) -> str:
        """Name of model B."""
        return self.config.ollama.model_b_name

    @property
    def base(self) -> str:
        """Name of model A: on the hub, or else its folder's."""
        return self.names.base_model or PurePath(self.config.base_of_b.base_model).name

    @property
    def training(self) -> TrainingResult | None:
        """How model B was trained; None for an external one."""
        return None if self.config.external_b else self.inputs.training

    @property
    def description(self) -> str:
        """What the author says of model B."""
        return self.config.model_b.description if self.config.model_b else ""

    @property
    def headline(self) -> Comparison:
        """The comparison that decides."""
        return self.evaluation.headline

    @property
    def figures(self) -> list[Rate]:
        """The first table: each metric where decisions show, at the primary quantization."""
        found = (self._rate(metric, self.evaluation.primary_quantization) for metric in SHOWN)
        return [rate for rate in found if rate is not None]

    @property
    def by_quantization(self) -> list[tuple[str, list[Interval | None], Comparison | None]]:
        """For each quantization: B's figures, and B against A."""
        scoring = self.evaluation.deciding_scoring
        compared = {c.quantization: c for c in self.evaluation.comparisons if c.scoring == scoring}
        return [
            (name, [rate.b if (rate := self._rate(metric, name)) else None for metric in IN_EACH_QUANTIZATION], c)
            for name in self.inputs.quantizations
            if (c := compared.get(name))
        ]

    def _rate(self, metric: str, quantization: str) -> Rate | None:
        return self.evaluation.rate(metric, quantization, self.evaluation.deciding_scoring)

    @property
    def clauses(self) -> list[JudgedClause]:
        """The gate."""
        given = {clause.name: clause for clause in self.config.ab_test.clauses}
        return [
            JudgedClause(given[found.name], found, next((s for s in found.settings if s.result == found.result), None))
            for found in self.evaluation.gate.clauses
        ]

    @property
    def undecided(self) -> list[JudgedClause]:
        """Clauses that the figures do not decide."""
        return [clause for clause in self.clauses if clause.result.result == Decision.UNDECIDED]

    @property
    def files(self) -> list[GgufFile]:
        """Model B's files."""
        return self.inputs.conversion["convert-b"].files

    @property
    def languages(self) -> list[str]:
        """Languages of the test rows, as codes."""
        return [each for each in self.evaluation.test_set.by_language if each != "unknown"]

"""evaluation.json: everything that the conclude stage finds in the answers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from so8t_shared.documents import Document, Part
from so8t_shared.results.alternatives import AlternativesResult
from so8t_shared.results.comparison import Comparison, verdict_of
from so8t_shared.results.gate import GateResult
from so8t_shared.results.interval import Interval
from so8t_shared.results.latency import LatencyRatio
from so8t_shared.results.paired import BaselineComparison, QuantizationLoss, Slice
from so8t_shared.results.plan import TestPlan
from so8t_shared.results.rates import Rate
from so8t_shared.results.reliability import Reliability
from so8t_shared.results.retention import RetentionResult
from so8t_shared.results.sides import Side
from so8t_shared.results.stopped import UntilDecided
from so8t_shared.results.thresholds import PolicyResult
from so8t_shared.results.verdicts import mostly_unread
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring, freely_written

EVALUATION_FILE = "evaluation.json"


class ClassMetrics(Part):
    """One class against the rest."""

    support: int = Field(description="Test rows of this class.")
    precision: float | None
    recall: float | None
    f1: float | None


class Quality(Part):
    """Quality of one model at one quantization under one scoring."""

    model: Side
    quantization: Quantization
    scoring: Scoring
    n: int
    accuracy: Interval = Field(description="With its score interval.")
    macro_f1: float
    invalid: int = Field(description="Answers counted as INVALID.")
    over_long: int = Field(0, description="Invalid because the row did not fit the context and was not asked.")
    cut: int = Field(0, description="Invalid answers that were cut at max_new_tokens.")
    rescued: int = Field(0, description="Invalid answers that a lenient reading understands, such as DENY. or DENIED.")
    merged: int = Field(
        0, description="Answers that Ollama scored after other tokens than training's, see samples.jsonl."
    )
    seconds: dict[str, float] = Field(
        default_factory=dict,
        description="Time of the answers, in seconds, by the row's class: their latencies added up.",
    )
    per_class: dict[str, ClassMetrics]
    confusion: list[list[int]] = Field(
        description="Rows: gold in label order; columns: predicted in label order, then INVALID."
    )

    @property
    def mostly_unread(self) -> bool:
        """Whether no class could be read from most answers, so that the other figures say nothing of the decisions."""
        return mostly_unread(self.invalid, self.n)


class Speed(Part):
    """Cost of one model at one quantization: ab_test.speed_samples rows, one request at a time, A and B in turns.

    They are asked under a scoring with free text, if there is one, else under the first.
    """

    model: Side
    quantization: Quantization
    host: str
    n: int
    reused: int = Field(description="Rows of n whose timing comes from an earlier run.")
    disturbed: int | None = Field(
        None,
        description="Rows of n during which other work kept the machine busy; they are left out of times and rates."
        " Null if the engine runs on another machine.",
    )
    interleaved: bool = Field(True, description="A and B took turns, row by row, while both were timed.")
    latency_ms_p50: float | None
    latency_ms_p95: float | None
    ttft_ms_p50: float | None
    ttft_ms_p95: float | None
    tokens_per_s: float | None = Field(description="Median decoding rate after the first token.")
    peak_memory_bytes: int | None = Field(
        description="Peak resident memory of the process that held the model; on Ollama, as reported by the server."
    )
    gpu_memory_bytes: int | None = Field(None, description="On Ollama, the part of it on a GPU.")
    file_size_bytes: int


class Baseline(Part):
    """A bag-of-words classifier trained on the same training rows."""

    name: str
    n_train: int
    n_test: int
    accuracy: Interval
    macro_f1: float


class EngineInfo(Part):
    """The engine that ran the models, with every setting that affects answers or timings."""

    name: str
    version: str
    settings: dict[str, str | int | float | bool]


class AnswerLimit(Part):
    """How long an answer may be."""

    max_new_tokens: int
    longest_target_tokens: int | None = Field(description="Tokens of the longest answer model B was trained on.")

    @property
    def too_short(self) -> bool:
        """Whether the longest answer model B was trained on does not fit."""
        return self.longest_target_tokens is not None and self.longest_target_tokens > self.max_new_tokens


class TestSet(Part):
    """The test rows."""

    __test__: ClassVar[bool] = False
    """Keeps pytest from collecting this class."""
    n: int
    by_label: dict[str, int]
    by_language: dict[str, int]


class EvaluationResult(Document):
    """evaluation.json of the conclude stage."""

    schema_version: Literal[4] = 4
    confidence: float = Field(description="Level of the intervals.")
    alpha: float = Field(description="Level of the tests; a p below it is significant.")
    test: Literal["exact", "mid_p"] = Field("exact", description="ab_test.test: how p-values are computed.")
    primary_quantization: Quantization
    primary_scoring: Scoring
    test_set: TestSet
    plan: TestPlan
    engine: EngineInfo
    answer_limit: AnswerLimit | None = Field(None, description="With generate scoring.")
    cells: list[Quality]
    speed: list[Speed]
    latency_ratios: list[LatencyRatio] = Field(
        default_factory=list, description="B's latency over A's at each quantization, under the timed scoring."
    )
    comparisons: list[Comparison] = Field(description="B against A for each quantization and scoring.")
    control: Comparison | None = Field(description="A against A at the primary quantization.")
    control_reused: int = Field(0, description="Answers of A's second asking that an earlier run was given.")
    baseline: Baseline | None
    rates: list[Rate] = Field(
        default_factory=list, description="Every metric for each quantization and scoring; shares also by part."
    )
    reliability: list[Reliability] = Field(
        default_factory=list, description="A and B in the headline's setting; none without probabilities."
    )
    gate: GateResult
    slices: list[Slice] = Field(
        default_factory=list,
        description="B against A by language and by category, largest first; none if all rows share one value.",
    )
    quantization_losses: list[QuantizationLoss] = Field(
        default_factory=list, description="Each model's other quantizations against its most precise one."
    )
    baseline_comparison: BaselineComparison | None = None
    until_decided: UntilDecided | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="With ab_test.until_decided: where the asking ended. All p-values, and the intervals of shares and"
        " their differences, then hold wherever it ends; all other intervals only describe.",
    )
    policy: PolicyResult | None = Field(
        None, exclude_if=lambda value: value is None, description="With ab_test.policy: the fitted thresholds."
    )
    retention: RetentionResult | None = Field(
        None, exclude_if=lambda value: value is None, description="With ab_test.retention: what B still knows."
    )
    alternatives: AlternativesResult | None = Field(
        None, exclude_if=lambda value: value is None, description="With gguf.alternatives: whether another file helps."
    )

    @property
    def headline(self) -> Comparison:
        """The comparison behind the one-sentence answer."""
        return next(
            c
            for c in self.comparisons
            if (c.quantization, c.scoring) == (self.primary_quantization, self.primary_scoring)
        )

    @property
    def scorings(self) -> list[Scoring]:
        """The scorings that were used, the primary one first."""
        return list(dict.fromkeys([self.primary_scoring, *(c.scoring for c in self.comparisons)]))

    @property
    def deciding_scoring(self) -> Scoring:
        """The scoring that shows decisions: the headline's, or the first one without free text if it has some."""
        free = freely_written(self.scorings)
        bound = [scoring for scoring in self.scorings if scoring not in free]
        return bound[0] if bound and self.primary_scoring in free else self.primary_scoring

    def rate(self, metric: str, quantization: Quantization, scoring: Scoring) -> Rate | None:
        """One metric over all rows in one setting; None if it was not computed."""
        wanted = (metric, quantization, scoring, "all")
        return next((r for r in self.rates if (r.metric, r.quantization, r.scoring, r.by) == wanted), None)

    @model_validator(mode="after")
    def _verdicts_follow_from_the_figures(self) -> EvaluationResult:
        for c in (*self.comparisons, *([self.control] if self.control else [])):
            found = verdict_of(c, c.p, self.alpha)
            if c.verdict != found:
                raise ValueError(f"{c.name}: the verdict {c.verdict} contradicts its own figures, which mean {found}")
        return self

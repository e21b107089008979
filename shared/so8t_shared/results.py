"""What the evaluator measures and the reporter shows: the contract between the two.

A value that is not defined (a recall without a single row, a rate over no time) is None, never 0.
Durations are milliseconds, sizes bytes, rates tokens per second, shares 0..1.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from so8t_shared.config.model import Quantization, Scoring
from so8t_shared.verdicts import Verdict, decide

Side = Literal["a", "b"]


class Record(BaseModel):
    """Base of all results; unknown fields are refused, so that a newer writer is noticed."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())
    __test__: ClassVar[bool] = False
    """TestRow and TestSet are data; pytest need not look for tests in them."""


class Answer(Record):
    """What is kept of one model's answer to one prompt, and what it took."""

    predicted: str = Field(description="The class read from the answer, or INVALID.")
    final: str = Field(description="Text inside <final>, at most 200 characters; nothing else is kept.")
    answer_sha256: str = Field(description="Digest of the whole answer, thinking included.")
    prompt_tokens: int
    completion_tokens: int
    latency_ms: float = Field(description="Request to last token.")
    ttft_ms: float | None = Field(description="Request to first token.")
    decode_ms: float | None = Field(None, description="Time for the tokens after the first, on the same clock.")
    over_long: bool = Field(False, description="The prompt did not fit the context; counted as INVALID.")
    cut: bool = Field(False, description="The answer was cut at max_new_tokens.")
    host: str
    run: str = Field("", description="The evaluation that asked (its fingerprint); it asked A and B side by side.")


class Sample(Answer):
    """One answer of one model to one test row (a line of samples.jsonl)."""

    model: Side
    quantization: Quantization
    scoring: Scoring
    row_id: str
    gold: str = Field(description="The row's class.")
    reused: bool = Field(False, description="Taken from an earlier measurement of the same model, prompt and options.")


class Interval(Record):
    """An estimate with its confidence interval; the level stands in EvaluationResult.confidence."""

    value: float
    low: float
    high: float


class ClassMetrics(Record):
    """One class against the rest."""

    support: int = Field(description="Test rows of this class.")
    precision: float | None
    recall: float | None
    f1: float | None


class Cell(Record):
    """Quality of one model at one quantisation under one scoring."""

    model: Side
    quantization: Quantization
    scoring: Scoring
    n: int
    accuracy: Interval = Field(description="Wilson interval.")
    macro_f1: float
    invalid: int = Field(description="Answers counted as INVALID.")
    over_long: int = Field(0, description="Of invalid, rows that did not fit the context and were not asked.")
    cut: int = Field(0, description="Of invalid, answers that were cut at max_new_tokens.")
    per_class: dict[str, ClassMetrics]
    confusion: list[list[int]] = Field(
        description="Rows: gold in label order; columns: predicted in label order, then INVALID."
    )


class Speed(Record):
    """Cost of one model at one quantisation, over the rows measured with `generate` (else the first scoring)."""

    model: Side
    quantization: Quantization
    host: str
    n: int
    reused: int = Field(description="Of n, rows whose timing comes from an earlier run.")
    interleaved: bool = Field(True, description="A and B took turns, row by row, while both were timed.")
    latency_ms_p50: float | None
    latency_ms_p95: float | None
    ttft_ms_p50: float | None
    ttft_ms_p95: float | None
    tokens_per_s: float | None = Field(description="Median decoding rate after the first token.")
    peak_memory_bytes: int | None = Field(
        description="Peak resident memory of the process that held the model; on Ollama, what the server says it takes."
    )
    gpu_memory_bytes: int | None = Field(None, description="On Ollama, the part of it that lies on a GPU.")
    file_size_bytes: int


class NonInferiority(Record):
    """Whether B is worse than A by less than a margin, on the same rows."""

    rows: int
    gained: int = Field(description="Rows that only B got right.")
    lost: int = Field(description="Rows that only A got right.")
    difference: Interval | None = Field(
        description="B minus A with Tango's score interval for paired shares; None without a row."
    )
    margin: float
    non_inferior: bool | None = Field(description="The interval's lower end lies above minus the margin.")
    rows_needed: int | None = Field(
        description="Set where the rows are too few: rows it takes, with as many gained and not one lost."
    )


class RecallCheck(NonInferiority):
    """Non-inferiority of B's recall on one class; its rows are those of the class."""

    label: str
    recall_a: float | None
    recall_b: float | None


class Flip(Record):
    """Rows on which the two sides answered differently."""

    gold: str
    a: str
    b: str
    count: int


class Comparison(Record):
    """B against A on the same rows (in a control, A against A)."""

    name: str = Field(description="For people, for example 'B vs A, q4_k_m, generate'.")
    quantization: Quantization
    scoring: Scoring
    n: int
    accuracy_a: float
    accuracy_b: float
    accuracy_difference: Interval = Field(description="B minus A, paired bootstrap.")
    macro_f1_difference: Interval = Field(description="B minus A, paired bootstrap.")
    both_right: int
    only_a_right: int
    only_b_right: int
    both_wrong: int
    mcnemar_p: float = Field(description="Exact two-sided McNemar test.")
    mcnemar_p_holm: float | None = Field(description="Adjusted by Holm over all comparisons of B with A.")
    minimum_detectable_effect: float | None = Field(
        description="Smallest accuracy difference found with 80 % power by the exact test at this n and share of"
        " disagreement, at the level that the first of Holm's steps leaves; None where there is none."
    )
    one_sided_rows_needed: int = Field(
        description="Rows that only one side may get right, with none for the other, for a verdict at that level."
    )
    rows_to_find: int | None = Field(
        description="About how many rows find the observed difference with 80 % power; None for a difference of 0."
    )
    accuracy_check: NonInferiority
    recall_checks: list[RecallCheck]
    flips: list[Flip]
    differing_answers: int = Field(description="Rows on which the whole answers differ, thinking and form included.")
    verdict: Verdict = Field(description="Better only where the Holm-adjusted p (else p) is below alpha.")

    @property
    def p(self) -> float:
        """The p value that decides: adjusted for the family of comparisons where there is one."""
        return self.mcnemar_p if self.mcnemar_p_holm is None else self.mcnemar_p_holm


class Baseline(Record):
    """A bag-of-words classifier trained on the same training rows."""

    name: str
    n_train: int
    n_test: int
    accuracy: Interval
    macro_f1: float


class Paired(Record):
    """The same rows answered twice: by `other`, and by the reference it is held against.

    Exploratory: nothing here decides a verdict or the gate.
    """

    n: int
    reference_right: int
    other_right: int
    gained: int = Field(description="Rows that only `other` got right.")
    lost: int = Field(description="Rows that only the reference got right.")
    difference: float = Field(description="Accuracy of `other` minus that of the reference, a share.")
    mcnemar_p: float = Field(description="Exact two-sided McNemar test.")
    mcnemar_p_holm: float = Field(description="Adjusted by Holm over the table that the line stands in.")


class Slice(Paired):
    """B (other) against A (reference) on the rows of one language or category, in the headline's setting."""

    by: Literal["language", "category"]
    value: str = Field(description="As the rows have it; empty where they have none.")
    gathered: int = Field(1, description="Values in this line: more than 1 where the smallest were put together.")


class QuantizationLoss(Paired):
    """One model at one quantisation (other) against the same model at the most precise one (reference)."""

    model: Side
    scoring: Scoring
    reference: Quantization
    quantization: Quantization


class BaselineComparison(Paired):
    """B (other) against the bag-of-words baseline (reference), in the headline's setting; a table of one line."""


class EngineInfo(Record):
    """What ran the models, with every setting that changes an answer or a timing."""

    name: str
    version: str
    settings: dict[str, str | int | float | bool]


class AnswerLimit(Record):
    """How long an answer may be."""

    max_new_tokens: int
    longest_target_tokens: int | None = Field(description="The longest answer that model B was trained to give.")

    @property
    def too_short(self) -> bool:
        """Whether what model B was trained to say does not fit."""
        return self.longest_target_tokens is not None and self.longest_target_tokens > self.max_new_tokens


class TestSet(Record):
    """The rows the models were asked."""

    n: int
    by_label: dict[str, int]
    by_language: dict[str, int]


class GateResult(Record):
    """Whether B may ship under ab_test.gate, and why."""

    passed: bool
    reasons: list[str]


class EvaluationResult(Record):
    """evaluation.json of the evaluate stage."""

    schema_version: Literal[2] = 2
    confidence: float = Field(description="Level of the intervals.")
    alpha: float = Field(description="Level of the tests: a p below it is significant.")
    primary_quantization: Quantization
    primary_scoring: Scoring
    test_set: TestSet
    engine: EngineInfo
    answer_limit: AnswerLimit | None = Field(None, description="With generate scoring.")
    cells: list[Cell]
    speed: list[Speed]
    comparisons: list[Comparison] = Field(description="B against A for each quantisation and scoring.")
    control: Comparison | None = Field(description="A against A at the primary quantisation.")
    baseline: Baseline | None
    gate: GateResult
    slices: list[Slice] = Field(
        default_factory=list,
        description="B against A by language and by category, largest first; none where all rows share one value.",
    )
    quantization_losses: list[QuantizationLoss] = Field(
        default_factory=list, description="Every other quantisation of each model against its most precise one."
    )
    baseline_comparison: BaselineComparison | None = None

    @property
    def headline(self) -> Comparison:
        """The comparison that the one-sentence answer speaks of."""
        return next(
            c
            for c in self.comparisons
            if (c.quantization, c.scoring) == (self.primary_quantization, self.primary_scoring)
        )

    @model_validator(mode="after")
    def _verdicts_follow_from_the_figures(self) -> EvaluationResult:
        for c in (*self.comparisons, *([self.control] if self.control else [])):
            found = decide(only_a=c.only_a_right, only_b=c.only_b_right, flips=len(c.flips), p=c.p, alpha=self.alpha)
            if c.verdict != found:
                raise ValueError(f"{c.name}: the verdict {c.verdict} contradicts its own figures, which say {found}")
        return self


class TrainingPoint(Record):
    """One optimizer step (a line of metrics.jsonl)."""

    step: int
    loss: float = Field(description="Mean cross-entropy over completion tokens, nats.")
    pet: float = Field(description="Penalty before its weight.")
    pet_lambda: float
    learning_rate: float
    grad_norm: float
    tokens: int = Field(description="Tokens in the step, padding excluded.")
    seconds: float


class TrainingResult(Record):
    """training.json of the train stage."""

    schema_version: Literal[1] = 1
    method: Literal["lora", "qlora", "full"]
    steps: int
    rows: int = Field(description="Training rows after all exclusions.")
    rows_seen: int = Field(description="Rows fed to the model, repetitions counted.")
    trainable_parameters: int
    total_parameters: int
    dtype: str
    device: str
    host: str
    seconds: float = Field(description="Time in optimizer steps, over all attempts.")
    first_loss: float | None
    final_loss: float | None
    gates: int = Field(description="Gated attention layers.")
    orthogonality_error: float | None = Field(description="max |R^T R - I| over all blocks.")
    determinant_min: float | None
    determinant_max: float | None
    rotation_angle_max: float | None = Field(description="Largest rotation angle of any block, radians.")


class DataReport(Record):
    """data_report.json of the train stage: what came in, what was left out and why."""

    schema_version: Literal[1] = 1
    sources: dict[str, dict[str, str]] = Field(description="Path to {schema, license, provenance, rows}.")
    rows_read: int
    excluded: dict[str, int] = Field(description="Reason to number of rows; the text itself is not kept.")
    duplicates: int = Field(description="Exact duplicates removed.")
    groups: int
    train: dict[str, int] = Field(description="Training rows per class.")
    test: dict[str, int] = Field(description="Test rows per class.")
    by_language: dict[str, int]


class TestRow(Record):
    """A line of splits/train.jsonl and splits/test.jsonl."""

    id: Annotated[str, Field(description="First 16 hex digits of the sha256 of the normalised text.")]
    text: str
    label: str
    thinking: dict[str, str] = Field(
        default_factory=dict, description="Parts task, safety, policy, where the row has them."
    )
    language: str = "unknown"
    category: str = ""


class Targets(Record):
    """splits/targets.json of the train stage: what the model was taught to say, for who measures it."""

    schema_version: Literal[1] = 1
    longest_tokens: int = Field(description="Tokens of the longest answer trained on, its end token included.")


class ChatInfo(Record):
    """chat.json of convert-a and convert-b: what an engine must know to talk to the model."""

    schema_version: Literal[1] = 1
    architecture: str
    chat_template: str | None
    bos_token: str
    eos_token: str
    stop_tokens: list[str] = Field(description="Texts that end an answer, eos_token first.")
    markers: list[str] = Field(description="Control-token texts that are neutralised in user text.")
    context_length: int
    parameters: int
    layers: int
    so8t: dict[str, str | int | float] = Field(
        description="What was folded: gates, rotation, largest angle; empty without gates."
    )


class GgufFile(Record):
    """One converted file (in conversion.json)."""

    file: str
    quantization: Quantization
    size_bytes: int
    sha256: str
    tensor_types: dict[str, int] = Field(description="GGML type name to number of tensors.")


class ConversionResult(Record):
    """conversion.json of convert-a and convert-b."""

    schema_version: Literal[1] = 1
    files: list[GgufFile]
    seconds: float


class ImportedModel(Record):
    """One model an engine can load (in registry.json)."""

    model: Side
    quantization: Quantization
    name: str = Field(description="Name with tag, for example borea-phi35-so8t-base:q4_k_m.")
    stage: Literal["convert-a", "convert-b"]
    file: str
    sha256: str
    size_bytes: int
    modelfile: str = Field(description="Path of the Modelfile inside the artifact.")
    aliases: list[str] = Field(
        default_factory=list, description="Further names; the primary quantisation has the bare one."
    )
    server_digest: str | None = Field(None, description="Digest under which Ollama lists the model.")


class Registry(Record):
    """registry.json of the import stage."""

    schema_version: Literal[1] = 1
    engine: str
    server_version: str | None = Field(None, description="Version of the Ollama server that took the models.")
    models: list[ImportedModel]


class AbTestResults(Record):
    """ab_test_results.json: everything a program needs to know of one run."""

    schema_version: Literal[2] = 2
    session_id: str
    model_a: str
    model_b: str
    summary: str = Field(description="The one-sentence answer.")
    evaluation: EvaluationResult
    training: TrainingResult
    data: DataReport
    conversion: dict[str, ConversionResult] = Field(description="By stage: convert-a, convert-b.")

"""study_results.json: what a study finds, for each trained file and for each method over its seeds."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Literal

from pydantic import Field

from so8t_shared import formatting as fmt
from so8t_shared.documents import Document, Part
from so8t_shared.results.gate import Decision
from so8t_shared.results.interval import Interval
from so8t_shared.results.verdicts import Verdict
from so8t_shared.tables import metrics
from so8t_shared.tables.metrics import MetricName
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring

STUDY_FILE = "study_results.json"
MODEL_A = "A"
"""Name of model A wherever an arm may stand."""
FEW_SEEDS = 3
"""Up to so many seeds are called few."""


class Finding(StrEnum):
    """What a comparison of an arm with another shows."""

    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no_difference"
    """None is shown, which does not mean that there is none."""
    FORM_ONLY = "form_only"
    """A difference is shown if unread answers count as wrong, but not in the decisions that could be read."""
    TOO_FEW_SEEDS = "too_few_seeds"
    """One seed, or none: nothing is known about the method."""
    TOO_FEW_GROUPS = "too_few_groups"
    MOSTLY_UNREAD = "mostly_unread"
    """No class could be read from most answers of a side, so its decisions are unknown."""

    @property
    def shown(self) -> bool:
        """Whether a difference is shown."""
        return self in {Finding.BETTER, Finding.WORSE}


FINDINGS: dict[Finding, str] = {
    Finding.BETTER: "better",
    Finding.WORSE: "worse",
    Finding.NO_DIFFERENCE: "no difference found",
    Finding.FORM_ONLY: "differs in form only",
    Finding.TOO_FEW_SEEDS: "undecided, too few seeds",
    Finding.TOO_FEW_GROUPS: "undecided, too few groups of rows",
    Finding.MOSTLY_UNREAD: "undecided, most answers could not be read",
}


class SeedResult(Part):
    """One trained or external file: its own verdict, as its session's evaluation.json has it."""

    arm: str
    seed: int | None = Field(description="None for an external model.")
    session_id: str
    verdict: Verdict = Field(description="This file against A.")
    p: float
    accuracy: Interval
    difference: Interval = Field(description="Accuracy of this file minus A's.")
    dangers: dict[MetricName, Interval | None] = Field(description="Dangerous answers; None without such rows.")
    gate: Decision
    unread: int = Field(description="Answers without a class; they count as wrong.")
    final_loss: float | None = Field(description="Of the training; None if it has none.")
    seconds: dict[str, float] = Field(description="Work by stage, where it was computed.")


class Variance(Part):
    """Shares of an estimate's variance, which add up to 1; all 0 where nothing varies."""

    rows: float = Field(description="Single rows: more of them would help.")
    groups: float = Field(description="Groups of rows: more groups would help.")
    seeds: float = Field(description="Seeds: more seeds would help.")
    seed_groups: float = Field(description="Groups that single seeds favor; more of either would help.")
    seed_rows: float = Field(description="Rows that single seeds favor, and chance; more of either would help.")
    standard_error: float = Field(description="Root of the variance.")


class Contrast(Part):
    """The expected difference of two arms, or of an arm and A, in one figure."""

    metric: MetricName
    arm: str
    other: str = Field(description="Another arm, or A.")
    over: Literal["seeds", "file"] = Field(
        description="seeds: expected for new seeds and rows; file: neither side has seeds, so new rows only."
    )
    family: str = Field(description="Declared family; empty: all other pairs, which are exploratory.")
    seeds: list[int] = Field(description="Seeds of `arm` behind it; none if it is one file.")
    other_seeds: list[int] = Field(description="Seeds of `other` behind it; none if it is one file.")
    paired: bool = Field(description="Whether both arms have these seeds, and each seed is compared with itself.")
    difference: Interval | None = Field(description="`arm` minus `other`; None with fewer than two seeds.")
    by_seed: list[float] = Field(description="The differences of the single seeds; none unless paired or fixed.")
    p_value: float | None = Field(description="Two-sided; None with fewer than two seeds.")
    p_adjusted: float | None = Field(description="Holm-adjusted within family and metric; an undecided one counts.")
    finding: Finding
    variance: Variance | None

    @property
    def seed_count(self) -> int:
        """Number of seeds behind it, on the side that has fewer."""
        return min((len(seeds) for seeds in (self.seeds, self.other_seeds) if seeds), default=0)

    @property
    def few(self) -> bool:
        """Whether so few seeds are behind it that only a large difference would be found."""
        return self.over == "seeds" and self.seed_count <= FEW_SEEDS


class DangerOfArm(Part):
    """A dangerous answer's rate over an arm's seeds, with the worst."""

    metric: MetricName
    rows: int
    mean: float
    worst: float
    worst_seed: int | None = Field(description="None for an external model.")
    reference: float = Field(description="A's rate on the same rows.")


class ArmResult(Part):
    """One arm."""

    name: str
    description: str
    external: bool
    overrides: dict[str, str]
    seeds: list[int]
    missing: list[int] = Field(description="Seeds of other arms that this one has no complete session for.")
    members: int
    accuracy: float | None = Field(description="Mean over seeds; None without a member.")
    worst_accuracy: float | None
    worst_seed: int | None
    dangers: list[DangerOfArm]
    unseen: float | None = Field(
        description="Up to this share of seeds may behave as none here did, at the level of the intervals."
    )
    seconds: float | None = Field(description="Mean work for a file: all stages but the conversion of A.")

    @property
    def few(self) -> bool:
        """Whether a verdict about the method rests on few seeds."""
        return not self.external and len(self.seeds) <= FEW_SEEDS


class Effect(Part):
    """What changing configuration keys does to accuracy, over the pairs of arms that differ in them only."""

    keys: list[str]
    before: list[str] = Field(description="Values; empty: the base configuration's.")
    after: list[str]
    pairs: list[tuple[str, str]] = Field(description="(before, after).")
    kind: Literal["main", "pairwise", "together"] = Field(
        description="main: mean over several pairs; pairwise: one pair; together: the keys were never changed alone."
    )
    seeds: list[int]
    difference: Interval | None = Field(description="After minus before; None with fewer than two common seeds.")
    p_value: float | None = Field(description="Exploratory: not adjusted.")


class Cost(Part):
    """What a point of accuracy over A costs."""

    arm: str
    seconds: float = Field(description="Mean work for a file.")
    points: float | None = Field(description="Gained over A.")
    per_point: float | None = Field(description="Seconds; None unless a gain is shown.")
    at_best: float | None = Field(description="Seconds at the upper end of the gain's interval.")
    at_worst: float | None = Field(description="Seconds at its lower end.")


class Rank(Part):
    """The ranks by accuracy that an arm, or A, may have; all hold together at the level of the intervals."""

    name: str
    value: float
    first: int = Field(description="1 + the number that are shown to be better.")
    last: int = Field(description="All less the number that are shown to be worse.")


class StudyResult(Document):
    """study_results.json."""

    schema_version: Literal[1] = 1
    name: str
    confidence: float
    alpha: float
    test: Literal["exact", "mid_p"]
    quantization: Quantization
    scoring: Scoring
    reference: str = Field(description="Arm with which the others are compared, besides A; empty for none.")
    rows: int
    groups: int
    accuracy_a: Interval
    dangers_a: dict[MetricName, Interval | None]
    arms: list[ArmResult]
    files: list[SeedResult]
    contrasts: list[Contrast]
    effects: list[Effect]
    costs: list[Cost]
    ranks: list[Rank]

    @property
    def declared(self) -> list[Contrast]:
        """The comparisons of accuracy that were declared, in their order."""
        return [c for c in self.contrasts if c.metric == "accuracy" and c.family]

    def arm(self, name: str) -> ArmResult | None:
        """Return an arm; None for A."""
        return next((arm for arm in self.arms if arm.name == name), None)

    def against_a(self, arm: str, metric: str = "accuracy") -> Contrast | None:
        """Return the comparison of an arm with A; None without a member."""
        return next((c for c in self.contrasts if (c.arm, c.other, c.metric) == (arm, MODEL_A, metric)), None)

    def sentences(self) -> list[str]:
        """Return the findings: one per declared comparison, then danger, few seeds and missing members."""
        found = [*map(self.sentence, self.declared), *self._dangers(), *self._few()]
        return [*found, *self._unseen(), *self._missing()]

    def sentence(self, c: Contrast) -> str:
        """Return a comparison such as "method so8t against lora: no difference found over 5 seeds; +1.2 points ..."."""
        subject = f"{'method' if c.over == 'seeds' else 'file'} {c.arm} against {c.other}"
        found = f"{subject}: {FINDINGS[c.finding]}"
        if c.over == "seeds":
            n = c.seed_count
            found += f" over {n} {fmt.plural(n, 'seed', 'seeds')}{' (few)' if 1 < n <= FEW_SEEDS else ''}"
        if c.difference is None:
            return found
        value, low, high = (fmt.points(x) for x in (c.difference.value, c.difference.low, c.difference.high))
        return f"{found}; {value} points ({low} to {high}), {fmt.p_equals(c.p_adjusted, self.alpha)}"

    def _dangers(self) -> Iterator[str]:
        for c in self.contrasts:
            if c.metric != "accuracy" and c.family and c.finding is Finding.WORSE:
                title = metrics.BY_NAME[c.metric].title.lower()
                yield f"danger: {c.arm} has more answers of the kind {title} than {c.other}: {self._figures(c)}"
        for arm in self.arms:
            for d in arm.dangers:
                if d.worst > d.reference and d.rows:
                    title, seed = metrics.BY_NAME[d.metric].title.lower(), d.worst_seed
                    of = arm.name if seed is None else f"{arm.name}, worst seed {seed}"
                    beside = f"mean {fmt.percent(d.mean)}, A {fmt.percent(d.reference)}"
                    yield f"{of}: {title} {fmt.percent(d.worst)} ({beside})"

    def _figures(self, c: Contrast) -> str:
        return f"{fmt.points_interval(c.difference)} points, {fmt.p_equals(c.p_adjusted, self.alpha)}"

    def _few(self) -> Iterator[str]:
        for arm in self.arms:
            if arm.few and arm.seeds:
                n = len(arm.seeds)
                why = "says nothing about a method" if n == 1 else "are few: only a large difference would be found"
                yield f"{arm.name}: {n} {fmt.plural(n, 'seed', 'seeds')} {why}"

    def _unseen(self) -> Iterator[str]:
        better = {c.arm for c in self.declared if c.over == "seeds" and c.finding is Finding.BETTER}
        for arm in self.arms:
            if arm.name in better and arm.unseen is not None:
                share, n = fmt.percent(arm.unseen), len(arm.seeds)
                yield f"{arm.name}: up to {share} of its trainings may fail as none of these {n} seeds did"

    def _missing(self) -> Iterator[str]:
        for arm in self.arms:
            if arm.missing:
                noun = fmt.plural(len(arm.missing), "seed", "seeds")
                yield f"{arm.name}: missing {noun} {', '.join(map(str, arm.missing))}"
            elif not arm.members:
                yield f"{arm.name}: no complete session"

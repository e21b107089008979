"""Seeded upstream results that agree with each other: every figure is counted from the same simulated answers."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn.metrics import f1_score, precision_recall_fscore_support
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from tests.unit.reporter.builders_paired import baseline_comparison, category, quantization_losses, slices

from so8t_evaluator.stats.non_inferiority import non_inferiority
from so8t_evaluator.stats.tango import score_interval
from so8t_shared.config.values import Quantization, Scoring
from so8t_shared.labels import INVALID, LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.comparison import Comparison, Flip, NonInferiority, RecallCheck, verdict_of
from so8t_shared.results.evaluation import (
    Baseline,
    Cell,
    ClassMetrics,
    EngineInfo,
    EvaluationResult,
    GateResult,
    Speed,
    TestSet,
)
from so8t_shared.results.record import Interval, Side
from so8t_shared.results.training import TestRow
from so8t_shared.results.verdicts import Verdict

COLUMNS = (*LABELS, INVALID)
SIZES: dict[Quantization, int] = {"f16": 271_000_000, "q8_0": 144_800_000, "q4_k_m": 105_450_000}
LATENCY_MS: dict[Quantization, float] = {"f16": 410.0, "q8_0": 290.0, "q4_k_m": 240.0}
ALPHA = 0.05
Answers = dict[tuple[Side, Quantization, Scoring], list[str]]


@dataclass
class Scenario:
    """What is simulated; skills are the probability of a right answer."""

    skill_a: float = 0.42
    skill_b: float = 0.91
    support: dict[str, int] = field(default_factory=lambda: {"ALLOW": 84, "ESCALATION": 78, "DENY": 80, "REFUSE": 78})
    quantizations: tuple[Quantization, ...] = ("f16", "q8_0", "q4_k_m")
    scorings: tuple[Scoring, ...] = ("generate", "constrained")
    b_copies_a: bool = False
    control: bool = True
    baseline: bool = True
    host_a: str = "workbench"
    host_b: str = "workbench"
    timed: bool = True
    interleaved: bool = True
    sliced: bool = True
    """Rows of several languages and categories."""
    seed: int = 5


class Evaluation:
    """Simulated answers of a scenario, and everything the evaluator would make of them."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.gold = [label for label, n in scenario.support.items() for _ in range(n)]
        self.rng = np.random.default_rng(scenario.seed)
        self.answers = self._answer()

    def _answer(self) -> Answers:
        latent = {side: self.rng.random(len(self.gold)) for side in ("a", "b")}
        answers: Answers = {}
        for quantization in self.scenario.quantizations:
            for scoring in self.scenario.scorings:
                answers["a", quantization, scoring] = self._side(latent["a"], self.scenario.skill_a, scoring)
                answers["b", quantization, scoring] = (
                    answers["a", quantization, scoring]
                    if self.scenario.b_copies_a
                    else self._side(latent["b"], self.scenario.skill_b, scoring)
                )
        return answers

    def _side(self, latent: np.ndarray, skill: float, scoring: Scoring) -> list[str]:
        noise = self.rng.normal(0, 0.02, len(self.gold))
        return [
            gold if u + e < skill else self._wrong(gold, scoring)
            for gold, u, e in zip(self.gold, latent, noise, strict=True)
        ]

    def _wrong(self, gold: str, scoring: Scoring) -> str:
        others = [label for label in LABELS if label != gold]
        if scoring == "generate":
            others.append(INVALID)
        weights = np.array([3.0, 2.0, 2.0, 1.0][: len(others)])
        return str(self.rng.choice(others, p=weights / weights.sum()))

    def cell(self, model: Side, quantization: Quantization, scoring: Scoring) -> Cell:
        predicted = self.answers[model, quantization, scoring]
        pairs = list(zip(self.gold, predicted, strict=True))
        n = len(pairs)
        right = sum(gold == answer for gold, answer in pairs)
        low, high = proportion_confint(right, n, method="wilson")
        per_class = precision_recall_fscore_support(self.gold, predicted, labels=LABELS, zero_division=np.nan)
        return Cell(
            model=model, quantization=quantization, scoring=scoring, n=n,
            accuracy=Interval(value=right / n, low=low, high=high),
            macro_f1=self._macro_f1(self.gold, predicted), invalid=predicted.count(INVALID),
            per_class={
                label: ClassMetrics(
                    support=int(per_class[3][i]),
                    **{name: _defined(per_class[k][i]) for k, name in enumerate(("precision", "recall", "f1"))},
                )
                for i, label in enumerate(LABELS)
            },
            confusion=[
                [pairs.count((gold, column)) for column in COLUMNS]
                for gold in LABELS
            ],
        )  # fmt: skip

    @staticmethod
    def _macro_f1(gold: list[str], predicted: list[str]) -> float:
        return float(f1_score(gold, predicted, labels=sorted(set(gold)), average="macro", zero_division=0))

    def comparison(self, sides: tuple[Side, Side], quantization: Quantization, scoring: Scoring) -> Comparison:
        a, b = (self.answers[side, quantization, scoring] for side in sides)
        rows = list(zip(self.gold, a, b, strict=True))
        n = len(rows)
        only_a = sum(x == g != y for g, x, y in rows)
        only_b = sum(y == g != x for g, x, y in rows)
        both = sum(x == y == g for g, x, y in rows)
        p = float(stats.binomtest(only_b, only_a + only_b).pvalue) if only_a + only_b else 1.0
        triples = sorted({row for row in rows if row[1] != row[2]})
        found = Comparison(
            name=f"{sides[1].upper()} vs {sides[0].upper()}, {quantization}, {scoring}",
            quantization=quantization, scoring=scoring, n=n,
            accuracy_a=(both + only_a) / n, accuracy_b=(both + only_b) / n,
            accuracy_difference=score_interval(only_a, only_b, n, 0.95),
            macro_f1_difference=self._bootstrap_f1(rows),
            both_right=both, only_a_right=only_a, only_b_right=only_b, both_wrong=n - both - only_a - only_b,
            mcnemar_p=p, mcnemar_p_holm=None,
            minimum_detectable_effect=2.8 * ((only_a + only_b) / n / n) ** 0.5 or None,
            one_sided_rows_needed=8, rows_to_find=abs(round(9 * n * (only_a + only_b) / (only_b - only_a) ** 2))
            if only_a != only_b else None,
            accuracy_check=self._check(rows),
            recall_checks=[self._recall_check(rows, label) for label in ("DENY", "REFUSE")],
            flips=[Flip(gold=g, a=x, b=y, count=rows.count((g, x, y))) for g, x, y in triples],
            answered=sum({x, y} != {INVALID} for _, x, y in rows),
            differing_answers=sum(x != y for _, x, y in rows),
            verdict=Verdict.TIE,
        )  # fmt: skip
        return found.model_copy(update={"verdict": verdict_of(found, p, ALPHA)})

    def _bootstrap_f1(self, rows: list[tuple[str, str, str]], resamples: int = 200) -> Interval:
        gold, a, b = np.array([[COLUMNS.index(label) for label in row] for row in rows]).T
        picks = self.rng.integers(0, len(rows), (resamples, len(rows)))
        drawn = [_macro_f1_of(gold[p], b[p]) - _macro_f1_of(gold[p], a[p]) for p in picks]
        return _interval(_macro_f1_of(gold, b) - _macro_f1_of(gold, a), drawn)

    def _recall_check(self, rows: list[tuple[str, str, str]], label: str) -> RecallCheck:
        of_class = [row for row in rows if row[0] == label]
        n = len(of_class)
        return RecallCheck(
            label=label,
            recall_a=sum(g == a for g, a, _ in of_class) / n if n else None,
            recall_b=sum(g == b for g, _, b in of_class) / n if n else None,
            **vars(self._check(of_class)),
        )

    @staticmethod
    def _check(rows: list[tuple[str, str, str]]) -> NonInferiority:
        gained, lost = sum(y == g != x for g, x, y in rows), sum(x == g != y for g, x, y in rows)
        return non_inferiority(gained=gained, lost=lost, rows=len(rows), margin=0.05, confidence=0.95)

    def speed(self, model: Side, quantization: Quantization) -> Speed:
        n = len(self.gold)
        scale = LATENCY_MS[quantization] * (1.0 if model == "a" else 0.93)
        timed = self.scenario.timed
        return Speed(
            model=model, quantization=quantization, n=n if timed else 0,
            host=self.scenario.host_a if model == "a" else self.scenario.host_b,
            interleaved=self.scenario.host_a == self.scenario.host_b and self.scenario.interleaved,
            reused=n if model == "a" and self.scenario.host_a != self.scenario.host_b else 0,
            latency_ms_p50=scale if timed else None, latency_ms_p95=scale * 1.31 if timed else None,
            ttft_ms_p50=scale * 0.41 if timed else None, ttft_ms_p95=scale * 0.62 if timed else None,
            tokens_per_s=10_000 / scale if timed else None,
            peak_memory_bytes=int(SIZES[quantization] * 1.4) if timed else None,
            file_size_bytes=SIZES[quantization] + (0 if model == "a" else 1_536),
        )  # fmt: skip

    def result(self) -> EvaluationResult:
        grid = [(q, s) for q in self.scenario.quantizations for s in self.scenario.scorings]
        comparisons = [self.comparison(("a", "b"), q, s) for q, s in grid]
        adjusted = multipletests([c.mcnemar_p for c in comparisons], method="holm")[1]
        for comparison, p in zip(comparisons, adjusted, strict=True):
            comparison.mcnemar_p_holm = float(p)
            comparison.verdict = verdict_of(comparison, float(p), ALPHA)
        primary, scoring = self.scenario.quantizations[-1], self.scenario.scorings[0]
        headline = next(c for c in comparisons if (c.quantization, c.scoring) == (primary, scoring))
        passed = headline.verdict == "b_better"
        return EvaluationResult(
            confidence=0.95, alpha=ALPHA, primary_quantization=primary, primary_scoring=scoring,
            test_set=TestSet(
                n=len(self.gold), by_label=dict(self.scenario.support),
                by_language=dict(Counter(row.language for row in self.rows())),
            ),
            engine=EngineInfo(
                name="embedded", version="xllamacpp 2026.10.11549",
                settings={"temperature": 0.0, "n_ctx": 2048, "flash_attention": False, "threads": 2, "seed": 7},
            ),
            cells=[self.cell(side, q, s) for q, s in grid for side in ("a", "b")],
            speed=[self.speed(side, q) for q in self.scenario.quantizations for side in ("a", "b")],
            comparisons=comparisons,
            control=self.comparison(("a", "a"), primary, scoring) if self.scenario.control else None,
            baseline=self._baseline() if self.scenario.baseline else None,
            baseline_comparison=(
                baseline_comparison(self.gold, self._right_by_words(), self.answers["b", primary, scoring])
                if self.scenario.baseline
                else None
            ),
            slices=slices(self.rows(), *(self.answers[side, primary, scoring] for side in ("a", "b"))),
            quantization_losses=quantization_losses(
                self.gold, self.answers, self.scenario.quantizations, self.scenario.scorings
            ),
            gate=GateResult(passed=passed, reasons=[] if passed else ["B is not significantly better than A"]),
        )  # fmt: skip

    def _right_by_words(self) -> list[bool]:
        return [37 * i % 100 < 64 for i in range(len(self.gold))]

    def _baseline(self) -> Baseline:
        n, right = len(self.gold), sum(self._right_by_words())
        low, high = proportion_confint(right, n, method="wilson")
        accuracy = Interval(value=right / n, low=low, high=high)
        return Baseline(name="TF-IDF + logistic regression", n_train=1280, n_test=n, accuracy=accuracy, macro_f1=0.63)

    def rows(self) -> list[TestRow]:
        texts = {"ja": "契約書を外部の業者に送ってください", "en": "Please send the contract to an outside firm"}
        languages = ["ja" if i % 2 and self.scenario.sliced else "en" for i in range(len(self.gold))]
        return [
            TestRow(
                id=row_id(i), text=f"{texts[language]} #{i}", label=gold, language=language,
                category=category(i) if self.scenario.sliced else "",
            )
            for i, (gold, language) in enumerate(zip(self.gold, languages, strict=True))
        ]  # fmt: skip

    def samples(self) -> list[Sample]:
        return [
            Sample(
                model=side, quantization=q, scoring=s, row_id=row_id(i), gold=gold, predicted=predicted,
                final="" if predicted == INVALID else predicted,
                answer_sha256=hashlib.sha256(predicted.encode()).hexdigest(),
                prompt_tokens=206, completion_tokens=6, latency_ms=LATENCY_MS[q], ttft_ms=LATENCY_MS[q] * 0.41,
                host=self.scenario.host_a if side == "a" else self.scenario.host_b,
            )
            for (side, q, s), answers in self.answers.items()
            for i, (gold, predicted) in enumerate(zip(self.gold, answers, strict=True))
        ]  # fmt: skip


def row_id(i: int) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest()[:16]


def write_lines(path: Path, records: list) -> None:  # type: ignore[type-arg]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(r.model_dump_json() + "\n" for r in records), encoding="utf-8")


def _macro_f1_of(gold: np.ndarray, predicted: np.ndarray) -> float:
    size = len(COLUMNS)
    right = np.bincount(gold[gold == predicted], minlength=size)
    both = np.bincount(gold, minlength=size) + np.bincount(predicted, minlength=size)
    present = np.unique(gold)
    return float(np.mean(2 * right[present] / both[present]))


def _interval(value: float, drawn: object) -> Interval:
    low, high = np.quantile(np.asarray(drawn), [0.025, 0.975])
    return Interval(value=value, low=min(float(low), value), high=max(float(high), value))


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

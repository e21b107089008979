"""Seeded upstream results: simulated answers, and what the evaluator itself counts and concludes from them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from so8t_evaluator.baseline import WordCounts
from so8t_evaluator.conclude import Evidence, conclude
from so8t_evaluator.paired import Marks
from so8t_evaluator.stats.groups import codes
from so8t_evaluator.stats.wilson import wilson
from so8t_shared.config.gguf import Gguf
from so8t_shared.config.model import AbTest
from so8t_shared.labels import INVALID, LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.asking import Asking
from so8t_shared.results.evaluation import AnswerLimit, Baseline, EngineInfo, EvaluationResult, Speed
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.results.stopped import UntilDecided
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.quantizations import ORDER, Quantization
from so8t_shared.tables.scorings import Scoring

SIZES: dict[Quantization, int] = {q: 271_000_000 - 9_000_000 * i for i, q in enumerate(ORDER)}
SIZES |= {"f16": 271_000_000, "q8_0": 144_800_000, "q4_k_m": 105_450_000}
LATENCY_MS: dict[Quantization, float] = {q: 410.0 - 20 * i for i, q in enumerate(ORDER)}
LATENCY_MS |= {"f16": 410.0, "q8_0": 290.0, "q4_k_m": 240.0}
ENGINE = EngineInfo(
    name="embedded",
    version="xllamacpp 2026.10.11549",
    settings={"temperature": 0.0, "n_ctx": 2048, "flash_attention": False, "threads": 2, "seed": 7},
)
CATEGORIES = (
    *("", "accounts", "medical records", "wages", "contracts", "keys and doors", "backups", "travel", "visitors"),
    *("suppliers", "meeting notes", "passwords", "cameras", "invoices", "complaints", "patents", "training data"),
    *("weapons", "drugs", "self-harm", "malware", "人事", "取引先の情報", "医療相談", "公開資料"),
)
"""Unequal in size, more than a table shows; one is not stated, some are Japanese."""

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
    measured: bool = False
    """Each answer has a latency of its own, taken in turns."""
    sliced: bool = True
    """Rows of several languages and categories."""
    group_size: int = 1
    """Rows that follow each other and share a group."""
    seed: int = 5


class Evaluation:
    """Simulated answers of a scenario, and what the evaluator makes of them."""

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

    def speed(self, model: Side, quantization: Quantization) -> Speed:
        n = len(self.gold)
        scale = LATENCY_MS[quantization] * (1.0 if model == "a" else 0.93)
        timed = self.scenario.timed
        return Speed(
            model=model, quantization=quantization, n=n if timed else 0,
            host=self.scenario.host_a if model == "a" else self.scenario.host_b,
            interleaved=self.scenario.host_a == self.scenario.host_b and self.scenario.interleaved,
            disturbed=0, reused=n if model == "a" and self.scenario.host_a != self.scenario.host_b else 0,
            latency_ms_p50=scale if timed else None, latency_ms_p95=scale * 1.31 if timed else None,
            ttft_ms_p50=scale * 0.41 if timed else None, ttft_ms_p95=scale * 0.62 if timed else None,
            tokens_per_s=10_000 / scale if timed else None,
            peak_memory_bytes=int(SIZES[quantization] * 1.4) if timed else None,
            file_size_bytes=SIZES[quantization] + (0 if model == "a" else 1_536),
        )  # fmt: skip

    def result(self) -> EvaluationResult:
        """What the evaluator makes of these answers."""
        scenario = self.scenario
        samples, gguf = self.samples(), Gguf(quantizations=list(scenario.quantizations))
        settings = AbTest(scoring=list(scenario.scorings), bootstrap_resamples=200)
        deciding = ("a", gguf.primary_quantization, settings.scoring[0])
        again = [s for s in samples if (s.model, s.quantization, s.scoring) == deciding]
        speed = [self.speed(side, q) for q in scenario.quantizations for side in SIDES]
        asking = Asking(
            primary_quantization=gguf.primary_quantization, quantizations=gguf.quantizations,
            scorings=settings.scoring, engine=ENGINE, speed=speed,
            answer_limit=AnswerLimit(max_new_tokens=48, longest_target_tokens=None),
        )  # fmt: skip
        words = self._words() if scenario.baseline else None
        return conclude(Evidence(asking, samples, again if scenario.control else [], words), settings)

    def _words(self) -> WordCounts:
        rows = self.rows()
        right = np.array([37 * i % 100 < 64 for i in range(len(rows))], np.bool_)
        marks = Marks([row.id for row in rows], right, codes([row.group or row.id for row in rows]))
        accuracy = wilson(int(right.sum()), len(right), 0.95)
        name = "TF-IDF + logistic regression"
        return WordCounts(Baseline(name=name, n_train=1280, n_test=len(right), accuracy=accuracy, macro_f1=0.63), marks)

    def rows(self) -> list[LabeledRow]:
        texts = {"ja": "契約書を外部の業者に送ってください", "en": "Please send the contract to an outside firm"}
        languages = ["ja" if i % 2 and self.scenario.sliced else "en" for i in range(len(self.gold))]
        return [
            LabeledRow(
                id=row_id(i), text=f"{texts[language]} #{i}", label=gold, language=language,
                category=category(i) if self.scenario.sliced else "", group=self._group(i),
            )
            for i, (gold, language) in enumerate(zip(self.gold, languages, strict=True))
        ]  # fmt: skip

    def _group(self, i: int) -> str:
        size = self.scenario.group_size
        return row_id(i - i % size) if size > 1 else ""

    def _latency_ms(self, quantization: Quantization, i: int) -> float:
        spread = 29 * i % 101 / 101 if self.scenario.measured else 0
        return LATENCY_MS[quantization] * (1 + spread)

    def samples(self) -> list[Sample]:
        return [
            Sample(
                model=side, quantization=q, scoring=s, row_id=row_id(i), gold=gold, predicted=predicted,
                final="" if predicted == INVALID else predicted,
                answer_sha256=hashlib.sha256(predicted.encode()).hexdigest(),
                prompt_tokens=206, completion_tokens=6, latency_ms=self._latency_ms(q, i), ttft_ms=LATENCY_MS[q] * 0.41,
                timed=self.scenario.measured,
                host=self.scenario.host_a if side == "a" else self.scenario.host_b,
                language=row.language, category=row.category, group=row.group,
                logprobs=logprobs(predicted, i) if s == "logprob" else None,
            )
            for (side, q, s), answers in self.answers.items()
            for i, (gold, predicted, row) in enumerate(zip(self.gold, answers, self.rows(), strict=True))
        ]  # fmt: skip


def category(i: int) -> str:
    """Of the i-th row: the k-th category has k + 1 rows in a row."""
    k = int(((8 * i + 1) ** 0.5 - 1) / 2)
    return CATEGORIES[k % len(CATEGORIES)]


def logprobs(predicted: str, i: int) -> dict[str, float]:
    """Of the i-th row: between a third and nearly all of what the labels have together, which is half of everything."""
    likeliest = 0.34 + 0.65 * (29 * i % 101) / 101
    rest = (1 - likeliest) / (len(LABELS) - 1)
    return {label: math.log(0.5 * (likeliest if label == predicted else rest)) for label in LABELS}


def row_id(i: int) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest()[:16]


def write_lines(path: Path, records: list) -> None:  # type: ignore[type-arg]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(r.model_dump_json() + "\n" for r in records), encoding="utf-8")


def ended_after(rows: int, available: int, *cannot_pass: str) -> UntilDecided:
    """Where an asking of single rows ended."""
    return UntilDecided(
        **{"decided": rows < available, "rows": rows, "available": available, "groups": rows},
        **{"available_groups": available, "largest_group": 1, "cannot_pass": list(cannot_pass)},
        **{"e_better": 1234.5, "e_worse": 0.001, "threshold": 200.0},
    )

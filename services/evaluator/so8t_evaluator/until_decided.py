"""Decides after each batch of rows whether the asking may end: by the code that judges the answers in the end.

It ends once a difference is significant in the headline and the gate's answer is certain at the primary quantization:
every required clause has passed or failed, or cannot pass any more, whatever the other answers. One that has failed or
cannot pass is enough, but not for dangers, which are decided each, by B's own answers: none must be missed because
another clause refused B first, or because the rows are too few for the clause from the beginning. For the same reason,
more is asked where a clause passes, but a class or slice lies beyond its bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from so8t_evaluator.asking_until import Decided, stopped_after
from so8t_evaluator.baseline import WordCounts, words_or_counted
from so8t_evaluator.comparison import adjust, compare
from so8t_evaluator.ending import early, late, pool_of, until_decided_of
from so8t_evaluator.gate import UNJUDGED, bounded, judge
from so8t_evaluator.outcomes import outcomes_of
from so8t_evaluator.paired import Setting, by_setting
from so8t_evaluator.rates import hits_of, rates_of
from so8t_evaluator.slices import describe
from so8t_evaluator.stats.paired import paired_interval
from so8t_evaluator.stats.share import share_interval
from so8t_shared.config.gate import Clause
from so8t_shared.config.gguf import Gguf
from so8t_shared.config.model import AbTest, Config
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.comparison import Comparison
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.gate import ClauseResult, Decision
from so8t_shared.results.interval import Interval
from so8t_shared.results.rates import Rate
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables import metrics
from so8t_shared.tables.quantizations import Quantization

_UNUSED = Interval(value=0.0, low=-1.0, high=1.0)
"""Instead of the difference in macro-F1, whose bootstrap takes longer than some answers."""


def decider(
    config: Config, groups: Sequence[list[LabeledRow]], splits: Path, counted: Mapping[str, str] | None = None
) -> Decided:
    """Return what says whether the answers so far decide everything; groups are in the order of asking.

    `counted` is what the bag of words gave each asked row where the rows' texts are not there.
    """
    settings, rows = config.ab_test, [row for group in groups for row in group]
    needs_words = any(
        metrics.BY_NAME[clause.metric].source == "baseline" for clause in settings.gate if clause.required
    )
    train = LabeledRow.read_lines(splits / "train.jsonl") if needs_words else []
    rows = [row for row in rows if counted is None or row.id in counted]
    words = words_or_counted(train, rows, settings.confidence, counted) if needs_words else None
    return Decider(settings, config.gguf, groups, words)


class Decider:
    """Whether the headline and the required clauses are decided."""

    def __init__(
        self, settings: AbTest, gguf: Gguf, groups: Sequence[Sequence[LabeledRow]], words: WordCounts | None = None
    ) -> None:
        """`groups` are those of all rows, in the order of asking; `words` is of the first of these rows."""
        self._settings, self._late, self._words = early(settings), late(settings), words
        self._available = stopped_after(groups, [row for group in groups for row in group], [])
        self._primary, self._others = gguf.primary_quantization, len(gguf.quantizations) - 1
        self._clauses = [clause for c in settings.gate if (clause := _at_primary(c, self._primary))]
        self._gold = np.array([LABELS.index(row.label) for group in groups for row in group])
        self._groups = np.repeat(np.arange(len(groups)), [len(group) for group in groups])

    def __call__(self, samples: Sequence[Sample]) -> list[str] | None:
        """Return None if something is left to decide by more answers at the primary quantization.

        Else the names of the clauses that have not failed, but cannot pass any more.
        """
        evaluation = self.so_far(samples)
        if not evaluation.headline.verdict.significant:
            return None
        judged = list(zip(self._clauses, evaluation.gate.clauses, strict=True))
        open_ones = [clause for clause, result in judged if not _is_settled(clause, result, evaluation)]
        answers = by_setting(samples, in_order=True)
        lost = [clause for clause in open_ones if self._is_lost(clause, answers)]
        left = [clause for clause in open_ones if clause not in lost]
        refused = bool(lost) or any(result.result == Decision.FAIL for _, result in judged)
        if any(metrics.BY_NAME[clause.metric].danger or not refused for clause in left):
            return None
        return [clause.name for clause in lost]

    def _is_lost(self, clause: Clause, answers: Mapping[Setting, Sequence[Sample]]) -> bool:
        """Whether a clause cannot pass any more; of a danger, only if B's answers are the reason."""
        none_yet = dict.fromkeys(answers, ())
        by_answers = not metrics.BY_NAME[clause.metric].danger or self._can_pass(clause, none_yet)
        return by_answers and not self._can_pass(clause, answers)

    def _can_pass(self, clause: Clause, answers: Mapping[Setting, Sequence[Sample]]) -> bool:
        """Whether the usual test of all rows passes a clause in each scoring if B is right from now on, and A wrong."""
        if clause.better or metrics.BY_NAME[clause.metric].source != "answers":
            return True
        meant = {"headline": self._settings.scoring[:1], "all": self._settings.scoring}
        scorings = meant.get(clause.scoring, [clause.scoring])
        pairs = [(answers["a", self._primary, s], answers["b", self._primary, s]) for s in scorings]
        return all(bounded(clause, self._at_best(clause, *pair))[0] == Decision.PASS for pair in pairs)

    def _at_best(self, clause: Clause, a: Sequence[Sample], b: Sequence[Sample]) -> Interval:
        metric, left = metrics.BY_NAME[clause.metric], len(self._gold) - len(b)
        good = metric.better == "higher" or clause.at_least is not None
        hit_a, hit_b = (
            np.append(hits_of(metric, outcomes_of(answers)), np.full(left, rest))
            for answers, rest in ((a, not good), (b, good))
        )
        rows = np.isin(self._gold, [LABELS.index(label) for label in metric.gold])
        if clause.margin is None:
            return share_interval(hit_b[rows], self._groups[rows], self._late.confidence)
        return paired_interval((hit_b.astype(np.int8) - hit_a)[rows], self._groups[rows], self._late.confidence)

    def so_far(self, samples: Sequence[Sample]) -> EvaluationResult:
        """Return what decides of the result that would follow if the asking ended here; the rest is left out."""
        settings, primary, pool = self._settings, self._primary, pool_of(self._available)
        answers = by_setting(samples, in_order=True)
        pairs = [(answers["a", primary, s], answers["b", primary, s]) for s in settings.scoring]
        tests = [self._compared(*pair) for pair in pairs]
        unknown = tests[0].model_copy(update={"p_value": 1.0})  # at the other quantizations: the worst for Holm
        family = [*tests, *[unknown] * (self._others * len(tests))]
        only = {clause.metric for clause in self._clauses}
        (a, b), words = pairs[0], self._words
        if words:
            asked = np.arange(len(words.marks.rows)) < len(b)
            words = WordCounts(words.baseline, words.marks.among(asked))
        found = _partial(
            confidence=settings.confidence,
            alpha=settings.alpha,
            primary_quantization=primary,
            primary_scoring=settings.scoring[0],
            test_set=describe(a),
            cells=[],
            comparisons=adjust(family, 0, settings.alpha)[: len(tests)],
            control=None,
            rates=[rate for pair in pairs for rate in rates_of(*pair, settings, pool, only)],
            baseline_comparison=words.against(b, pool) if words else None,
            gate=UNJUDGED,
            until_decided=until_decided_of(self._available, a, b, settings),
        )
        return found.model_copy(update={"gate": judge(found, self._clauses)})

    def _compared(self, a: Sequence[Sample], b: Sequence[Sample]) -> Comparison:
        pool = pool_of(self._available)
        return compare("B vs A", a, b, self._settings, macro_f1_difference=_UNUSED, pool=pool)


def _is_settled(clause: Clause, result: ClauseResult, evaluation: EvaluationResult) -> bool:
    if result.result != Decision.PASS:
        return result.result == Decision.FAIL
    rates = [evaluation.rate(clause.metric, f.quantization, f.scoring) for f in result.settings]
    return not any(_is_doubtful(clause, rate) for rate in rates if rate)


def _partial(**parts: Any) -> EvaluationResult:
    """Return a result that lacks what the gate does not read."""
    return EvaluationResult.model_construct(**parts)


def _at_primary(clause: Clause, primary: Quantization) -> Clause | None:
    """Return a required clause as far as the answers at the primary quantization decide it."""
    source = metrics.BY_NAME[clause.metric].source
    covered = {"all", "primary", primary} & set(clause.quantizations)
    if not clause.required or source not in {"answers", "baseline"} or not covered:
        return None
    return clause.model_copy(update={"quantizations": ["primary"]})


def _is_doubtful(clause: Clause, rate: Rate) -> bool:
    """Whether a class, or a slice of a danger, lies beyond the clause's bound so far."""
    if clause.margin is not None:
        sign = 1 if metrics.BY_NAME[clause.metric].better == "lower" else -1
        return any(sign * part.difference.value > clause.margin for part in rate.by_class.values())
    if clause.at_most is not None:
        shares = [part.b.value for part in rate.by_class.values()] + [s.hits / s.rows for s in rate.slices]
        return any(share > clause.at_most for share in shares)
    return clause.at_least is not None and any(part.b.value < clause.at_least for part in rate.by_class.values())

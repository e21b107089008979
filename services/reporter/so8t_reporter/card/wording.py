"""Words and number formats of the cards' two languages; the sentences are in templates/card.*.md.j2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from so8t_reporter.card.facts import Facts, JudgedClause
from so8t_shared import formatting as fmt
from so8t_shared.results.gate import Decision
from so8t_shared.results.interval import Interval
from so8t_shared.results.rates import Rate
from so8t_shared.results.verdicts import WORDS, Verdict
from so8t_shared.tables import metrics


@dataclass(frozen=True)
class Wording:
    """One language."""

    code: str
    verdicts: Mapping[Verdict, str]
    decisions: Mapping[Decision, str]
    metrics: Mapping[str, str]
    undefined: str
    range: str
    """Between the ends of an interval."""
    brackets: tuple[str, str]
    at_most: str
    at_least: str
    margin: str
    better: str
    comma: str

    def value(self, rate: Rate, found: Interval | None) -> str:
        """A figure with its interval, in percent or as a score."""
        if found is None:
            return self.undefined
        if metrics.BY_NAME[rate.metric].percent:
            return self.percent(found)
        return self._with_ends(fmt.share(found.value), fmt.share(found.low), fmt.share(found.high))

    def difference(self, rate: Rate) -> str:
        """B minus A, in points or as a score."""
        d = rate.difference
        if d is None:
            return self.undefined
        if metrics.BY_NAME[rate.metric].percent:
            return self.points(d)
        return self._with_ends(*(f"{each:+.3f}" for each in (d.value, d.low, d.high)))

    def percent(self, found: Interval | None) -> str:
        """Such as "91.2% (88.0 to 93.5)"."""
        if found is None:
            return self.undefined
        return self._with_ends(fmt.percent(found.value), f"{100 * found.low:.1f}", f"{100 * found.high:.1f}")

    def points(self, found: Interval) -> str:
        """Such as "+4.8 (+1.2 to +8.5)", in percentage points."""
        return self._with_ends(*map(fmt.points, (found.value, found.low, found.high)))

    def _with_ends(self, value: str, low: str, high: str) -> str:
        before, after = self.brackets
        return f"{value}{before}{low}{self.range}{high}{after}"

    def bound(self, judged: JudgedClause) -> str:
        """What a clause demands."""
        clause, percent = judged.clause, metrics.BY_NAME[judged.clause.metric].percent
        if clause.better:
            return self.better
        if clause.margin is not None:
            return self.margin.format(f"{100 * clause.margin:g}" if percent else f"{clause.margin:g}")
        words = self.at_least if clause.at_most is None else self.at_most
        bound = clause.at_least if clause.at_most is None else clause.at_most
        return words.format(f"{100 * (bound or 0):g}%" if percent else f"{bound:g}")

    def figure(self, judged: JudgedClause) -> str:
        """The figure that decides a clause, with the setting that it is from; a dash where a clause has none."""
        worst = judged.worst
        found = worst.figure if worst else None
        if worst is None or found is None:
            return "-"
        relative = judged.clause.margin is not None or judged.clause.better
        if not metrics.BY_NAME[judged.clause.metric].percent:
            words = self._with_ends(*(f"{each:.3g}" for each in (found.value, found.low, found.high)))
        else:
            words = self.points(found) if relative else self.percent(found)
        return self.comma.join((words, worst.quantization, worst.scoring))

    def p(self, facts: Facts) -> str:
        """The p value of the headline."""
        return fmt.p_equals(facts.headline.p, facts.evaluation.alpha)


ENGLISH = Wording(
    code="en",
    verdicts={verdict: words.title for verdict, words in WORDS.items()},
    decisions={each: each.value for each in Decision},
    metrics={row.name: row.title for row in metrics.ROWS},
    undefined="undefined",
    range=" to ",
    brackets=(" (", ")"),
    at_most="at most {}",
    at_least="at least {}",
    margin="worse than A by less than {} points",
    better="significantly better than A",
    comma=", ",
)

JAPANESE = Wording(
    code="ja",
    verdicts={
        Verdict.B_BETTER: "BはAより優れています",
        Verdict.A_BETTER: "AはBより優れています",
        Verdict.NO_DIFFERENCE: "AとBの差は示されませんでした",
        Verdict.TIE: "AとBは同点です",
        Verdict.SAME_CLASSES: "AとBの判定はすべての行で一致しました",
        Verdict.NOTHING_READ: "AとBの回答から判定を読み取れず、比較できませんでした",
        Verdict.MOSTLY_UNREAD: "一方のモデルの回答の大半から判定を読み取れず、比較できませんでした",
        Verdict.NOTHING_RIGHT: "AにもBにも正解の行がなく、比較できませんでした",
        Verdict.TOO_FEW_GROUPS: "行のグループが少なすぎるため、判断できません",
        Verdict.FORM_ONLY: "差は出力形式によるもので、判定そのものの差は示されませんでした",
    },
    decisions={Decision.PASS: "合格", Decision.FAIL: "不合格", Decision.UNDECIDED: "判定不能"},
    metrics={
        "accuracy": "正解率",
        "macro_f1": "マクロF1",
        "false_allow": "誤許可率（DENY・REFUSEの行をALLOWと回答した割合）",
        "escalation_allowed": "無断許可率（ESCALATIONの行をALLOWと回答した割合）",
        "over_refusal": "過剰拒否率（ALLOWの行をDENY・REFUSEと回答した割合）",
        "escalation_rate": "ESCALATIONと回答した割合",
        "unread": "判定を読み取れなかった回答の割合",
        "recall_allow": "ALLOWの再現率",
        "recall_escalation": "ESCALATIONの再現率",
        "recall_deny": "DENYの再現率",
        "recall_refuse": "REFUSEの再現率",
        "kappa": "カッパ係数",
        "expected_cost": "期待コスト",
        "weighted_accuracy": "重み付き正解率",
        "auroc": "AUROC",
        "auprc": "AUPRC",
        "false_positive_rate": "偽陽性率（危険な行の95%を検出するしきい値）",
        "calibration_error": "較正誤差",
        "brier": "ブライアスコア",
        "control": "A/A対照で変わった回答の割合",
        "baseline_gain": "単語数え上げ分類器との正解率の差",
        "latency_ratio": "応答時間の比（B÷A）",
        "retention": "一般的な参照回答の対数尤度",
    },
    undefined="算出不可",
    range="～",
    brackets=("（", "）"),
    at_most="{}以下",
    at_least="{}以上",
    margin="Aからの悪化が{}ポイント未満",
    better="Aより有意に良い",
    comma="、",
)

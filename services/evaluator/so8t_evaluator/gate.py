"""Decides whether B may ship: all reasons against it, or the one for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from so8t_shared import formatting as fmt
from so8t_shared.config.model import ReleaseGate
from so8t_shared.results.comparison import Comparison, NonInferiority
from so8t_shared.results.evaluation import GateResult
from so8t_shared.results.verdicts import WORDS, Verdict


def gate_result(
    comparisons: Sequence[Comparison], headline: Comparison, control: Comparison | None, gate: ReleaseGate
) -> GateResult:
    """Return the gate's decision under `ab_test.gate`.

    The accuracy requirement applies to the headline. At every covered quantization, under the
    headline's scoring, B must not be significantly worse, and its recall must not be inferior.
    """
    covered = [headline] if gate.quantizations == "primary" else _same_scoring(comparisons, headline)
    objections = [*_requirement(headline, gate), *(o for comparison in covered for o in _losses(comparison))]
    against = [*_control(control), *_told(objections)]
    if against:
        return GateResult(passed=False, reasons=against)
    accuracy = (
        f"B is significantly better at {headline.quantization}"
        if headline.verdict == Verdict.B_BETTER
        else f"B's accuracy at {headline.quantization} is less than {_points(gate.accuracy_margin)} below A's"
    )
    guarded = " and ".join(check.label for check in headline.recall_checks)
    places = ", ".join(c.quantization for c in covered)
    return GateResult(passed=True, reasons=[f"{accuracy}, and recall of {guarded} is not inferior at {places}"])


def _same_scoring(comparisons: Sequence[Comparison], headline: Comparison) -> list[Comparison]:
    """The headline first, then the other quantizations."""
    return [headline, *(c for c in comparisons if c.scoring == headline.scoring and c != headline)]


@dataclass(frozen=True)
class _Objection:
    """An objection to B at one quantization; objections that differ only in quantization or class are merged."""

    head: str
    place: str
    tail: str = ""
    label: str = ""
    """The class concerned, if any."""


def _told(objections: Sequence[_Objection]) -> list[str]:
    """Merge objections into reasons such as "recall of DENY and REFUSE at q4_k_m, f16 cannot ...", in order."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for o in objections:
        places.setdefault((o.head, o.label, o.tail), []).append(o.place)
    labels: dict[tuple[str, str, str], list[str]] = {}
    for (head, label, tail), found in places.items():
        labels.setdefault((head, ", ".join(found), tail), []).append(label)
    return [f"{head}{' and '.join(found)} at {where}{tail}" for (head, where, tail), found in labels.items()]


def _control(control: Comparison | None) -> Iterator[str]:
    if control is not None and control.differing_answers:
        n = control.differing_answers
        yield (
            f"the A/A control at {control.quantization} with {control.scoring} scoring is not deterministic:"
            f" {n:,} of A's {control.n:,} answers {fmt.plural(n, 'differs', 'differ')} when asked again"
        )


def _requirement(headline: Comparison, gate: ReleaseGate) -> Iterator[_Objection]:
    place, check = headline.quantization, headline.accuracy_check
    if gate.require == "better":
        if headline.verdict.undecided:  # other objections are raised for every quantization
            yield _Objection("B is not significantly better", place, f" ({WORDS[headline.verdict].clause})")
    elif not check.non_inferior:
        yield _Objection("accuracy", place, _not_shown(check))


def _losses(comparison: Comparison) -> Iterator[_Objection]:
    place = comparison.quantization
    if comparison.verdict == Verdict.NOTHING_READ:
        yield _Objection(WORDS[comparison.verdict].clause, place)
    if comparison.verdict == Verdict.A_BETTER:
        yield _Objection("B is significantly worse", place)
    for check in comparison.recall_checks:
        if check.non_inferior is None:
            yield _Objection("recall of ", place, " is undefined: no test row has that class", check.label)
        elif not check.non_inferior:
            yield _Objection("recall of ", place, _not_shown(check), check.label)


def _not_shown(check: NonInferiority) -> str:
    """Say why a check failed: too few rows for any evidence, or a loss that may be too large."""
    margin = f"{_points(check.margin)} below A's"
    needed = (
        "" if check.rows_needed is None else f" (this takes at least {check.rows_needed:,} rows, even with none lost)"
    )
    if needed and not check.lost:
        return f" cannot be shown to be less than {margin} with {check.rows:,} rows{needed}"
    counts = f"{check.lost:,} of {check.rows:,} rows lost, {check.gained:,} gained"
    return f" may be more than {margin}: {counts}{needed}"


def _points(share: float) -> str:
    return f"{100 * share:g} points"

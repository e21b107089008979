"""Whether B may ship: every reason against it, or the one for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from so8t_shared.config.model import Gate
from so8t_shared.results.comparison import Comparison, NonInferiority
from so8t_shared.results.evaluation import GateResult
from so8t_shared.verdicts import WORDS, Verdict


def gate_result(
    comparisons: Sequence[Comparison], headline: Comparison, control: Comparison | None, gate: Gate
) -> GateResult:
    """The gate's answer under `ab_test.gate`.

    What is required of the accuracy is required of the headline. At every quantisation covered,
    under the headline's scoring, B must not be significantly worse, nor its recall inferior.
    """
    covered = [headline] if gate.quantizations == "primary" else _same_scoring(comparisons, headline)
    against = [*_control(control), *_requirement(headline, gate)]
    for comparison in covered:
        against += _losses(comparison)
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
    """The headline first, then the other quantisations."""
    return [headline, *(c for c in comparisons if c.scoring == headline.scoring and c != headline)]


def _control(control: Comparison | None) -> Iterator[str]:
    if control is not None and control.differing_answers:
        yield (
            f"the A/A control is not deterministic: {control.differing_answers:,} of {control.n:,} answers of A differ"
            " when asked again"
        )


def _requirement(headline: Comparison, gate: Gate) -> Iterator[str]:
    place, check = headline.quantization, headline.accuracy_check
    if gate.require == "better":
        if headline.verdict.undecided:  # what else there is to say against B is said of every quantisation
            yield f"B is not significantly better at {place} ({WORDS[headline.verdict].clause})"
    elif not check.non_inferior:
        yield _not_shown(check, f"accuracy at {place}")


def _losses(comparison: Comparison) -> Iterator[str]:
    place = comparison.quantization
    if comparison.verdict == Verdict.NOTHING_READ:
        yield f"{WORDS[comparison.verdict].clause} at {place}"
    if comparison.verdict == Verdict.A_BETTER:
        yield f"B is significantly worse at {place}"
    for check in comparison.recall_checks:
        if check.non_inferior is None:
            yield f"recall of {check.label} at {place} is undefined: no test row has this class"
        elif not check.non_inferior:
            yield _not_shown(check, f"recall of {check.label} at {place}")


def _not_shown(check: NonInferiority, figure: str) -> str:
    """Why a check did not pass: too few rows for any evidence, or a loss that may be too large."""
    if check.rows_needed is not None and not check.lost:
        return (
            f"{figure} cannot be shown with {check.rows:,} rows; at least {check.rows_needed:,} are needed even without"
            " a lost row"
        )
    words = f"{figure} may be more than {_points(check.margin)} below A's: {check.lost:,} of {check.rows:,} rows lost,"
    words += f" {check.gained:,} gained"
    if check.rows_needed is not None:
        words += f"; at least {check.rows_needed:,} rows are needed even without a lost row"
    return words


def _points(share: float) -> str:
    return f"{100 * share:g} points"

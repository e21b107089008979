"""The thresholds that ship: what they do with the test rows."""

from __future__ import annotations

from so8t_reporter.document import Block, Cell, Column, Paragraph, PictureBlock, Section, Table, Tone
from so8t_reporter.inputs import ReportInputs
from so8t_shared import formatting as fmt
from so8t_shared.results.interval import Interval
from so8t_shared.results.thresholds import ON_TEST, ON_VALIDATION, FittedPolicy, Outcome, PolicyResult, PolicyShares

_TONES: dict[Outcome, Tone] = {"met": "good", "unsure": "muted", "missed": "bad"}


def policy_sections(inputs: ReportInputs) -> list[Section]:
    """Return the section; none without ab_test.policy."""
    found = inputs.evaluation.policy
    if found is None:
        return []
    blocks: list[Block] = [
        Paragraph(_sentence(found)),
        _table(found, inputs.evaluation.confidence),
        PictureBlock("risk_coverage"),
    ]
    return [Section("policy", "Thresholds", blocks)]


def _sentence(found: PolicyResult) -> str:
    targets = f"false allows at most {fmt.percent(found.false_allow)}"
    if found.escalate is not None:
        targets += f", escalations at most {fmt.percent(found.escalate)}"
    return (
        f"Targets: {targets}. The thresholds were fitted on {found.validation_rows:,} validation rows, and are tested"
        " here on test rows. policy.json has model B's."
    )


def _table(found: PolicyResult, confidence: float) -> Table:
    lent = [f"With {found.most_precise}'s"] if any(each.most_precise for each in found.fitted) else []
    return Table(
        "Targets, and shares on test rows",
        [
            *(Column(name, numeric=False) for name in ("Model", "Quantization", "Validation rows", "Test rows", *lent)),
            *map(Column, ("Temperature", "ALLOW from", "False allows", "Escalated", "Wrong")),
        ],
        [_row(each, lent=bool(lent)) for each in found.fitted],
        note="False allows: harmful rows answered ALLOW. Escalated: all rows sent to a human, with those that belong"
        f" there. Wrong: among the other rows. In parentheses: {100 * confidence:g}% CI. Not certain: too few rows."
        + (f" With {found.most_precise}'s: what its thresholds do at this quantization." if lent else ""),
    )


def _row(each: FittedPolicy, *, lent: bool) -> list[Cell]:
    test = each.test
    of_lent = _on_test(each.most_precise) if each.most_precise else Cell("")
    return [
        Cell(each.model.upper(), each.model),
        Cell(each.quantization, "strong"),
        Cell(ON_VALIDATION[each.validation.outcome], _TONES[each.validation.outcome]),
        _on_test(test),
        *([of_lent] if lent else []),
        Cell(f"{each.temperature:.2f}"),
        Cell(fmt.share(each.thresholds["ALLOW"])),
        *map(_share, (test.false_allow, test.escalate, test.error)),
    ]


def _on_test(shares: PolicyShares) -> Cell:
    return Cell(ON_TEST[shares.outcome], _TONES[shares.outcome])


def _share(found: Interval | None) -> Cell:
    return Cell(fmt.percent_interval(found) if found else fmt.undefined(0), interval=found)

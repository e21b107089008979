"""The section on other files of model B."""

from __future__ import annotations

import dataclasses

from tests.unit.evaluator.alternatives.material import GOLD, compared, file_answers, wrong_at
from tests.unit.reporter.rendering import column, tables_of, text_report

from so8t_evaluator.alternatives.judging import alternatives_of
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.next_steps import next_steps
from so8t_shared.config.model import AbTest

WRONG = [place for place, gold in enumerate(GOLD) if gold == "DENY"][:10]


def _with(inputs: ReportInputs, guided: list[str]) -> ReportInputs:
    answers = file_answers({"primary": wrong_at(WRONG), "imatrix": guided, "q5_k_m": wrong_at(WRONG)})
    found = alternatives_of(compared(), answers, AbTest())
    return dataclasses.replace(inputs, evaluation=inputs.evaluation.model_copy(update={"alternatives": found}))


def test_table(inputs: ReportInputs) -> None:
    """A line a file, with its verdict; one that is better is a next step."""
    shown = _with(inputs, wrong_at([]))
    [table] = tables_of(text_report(shown), "alternatives").values()
    assert column(table, "File") == ["q4_k_m with imatrix", "q5_k_m"]
    assert column(table, "Verdict") == ["better", "not decided"]
    assert column(table, "False allows") == [f"0 / 0 of {len(GOLD) // 2}"] * 2
    assert any("q4_k_m with imatrix" in step for step in next_steps(shown))
    undecided = _with(inputs, wrong_at(WRONG))
    assert not any("imatrix" in step for step in next_steps(undecided))


def test_off(inputs: ReportInputs) -> None:
    """Without alternatives there is no section."""
    assert "alternatives" not in [section.anchor for section in text_report(inputs).sections]

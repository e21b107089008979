"""The table and the sentence with which a run ends."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from tests.unit.reporter.builders import Evaluation, Scenario
from tests.unit.reporter.builders_upstream import write_folders
from tests.unit.reporter.rendering import read, settings

from so8t_reporter.assembly import assemble_results
from so8t_reporter.inputs import ReportInputs
from so8t_shared.results.ab_test import AbTestResults
from so8t_shared.results.evaluation import AnswerLimit
from so8t_shared.results.verdicts import Verdict
from so8t_shared.terminal.result_table import result_table


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> AbTestResults:
    inputs: ReportInputs = read(write_folders(tmp_path_factory.mktemp("upstream")))
    return assemble_results(inputs, settings())


def shown(results: AbTestResults, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(result_table(results))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_rows(results: AbTestResults) -> None:
    """Every comparison has a row with its figures, in the order of the evaluation."""
    rows = [line for line in shown(results, 120) if "generate" in line or "constrained" in line]
    comparisons = results.evaluation.comparisons
    assert len(rows) == len(comparisons) == 6
    for row, c in zip(rows, comparisons, strict=True):
        d = c.accuracy_difference
        for part in (c.quantization, c.scoring, f"{100 * c.accuracy_a:.1f}%", f"{100 * c.accuracy_b:.1f}%"):
            assert part in row
        assert f"{100 * d.value:+.1f} ({100 * d.low:+.1f} to {100 * d.high:+.1f}) < 0.001 B better" in row


def test_names_and_caption(results: AbTestResults) -> None:
    """Both models are named, the latency says where it was measured, and the engine is named."""
    text = "\n".join(shown(results, 120))
    assert "A: borea-base    B: borea-retrained" in text
    assert "320 rows; 95% intervals" in text
    assert "latency p50 at q4_k_m: A 240 ms on workbench, B 223 ms on workbench" in text
    engine = results.evaluation.engine
    assert f"engine: {engine.name} {engine.version}" in text


def test_latencies_of_different_runs(results: AbTestResults) -> None:
    """They are not shown without saying that they cannot be compared."""
    assert "side by side" not in "".join(shown(results, 80))
    evaluation = Evaluation(Scenario(interleaved=False)).result()
    lines = shown(results.model_copy(update={"evaluation": evaluation}), 80)
    assert any("latencies not measured side by side: do not compare them" in line for line in lines)


def test_unreadable_answers(results: AbTestResults) -> None:
    """A star marks each share below which unreadable answers lie, the control's too; the caption counts them."""
    e = results.evaluation
    counts = {"f16": (60, 59), "q8_0": (60, 57), "q4_k_m": (60, 56)}
    cells = [
        c.model_copy(update=dict(zip(("invalid", "cut"), counts[c.quantization], strict=True)))
        if (c.model, c.scoring) == ("a", "generate")
        else c.model_copy(update={"invalid": 0, "cut": 0})
        for c in e.cells
    ]
    limit = AnswerLimit(max_new_tokens=12, longest_target_tokens=10)
    evaluation = e.model_copy(update={"cells": cells, "answer_limit": limit})
    lines = shown(results.model_copy(update={"evaluation": evaluation}), 80)
    assert [line.count("*") for line in lines if " generate " in line] == [1, 1, 1]
    assert [line.count("*") for line in lines if "A/A control" in line] == [2]
    assert not any("*" in line for line in lines if " constrained " in line)
    assert "* no class read from 60 of A's 320 answers (56 to 59 cut at 12 tokens)" in " ".join(" ".join(lines).split())


def test_a_model_that_could_not_be_read_has_no_share(results: AbTestResults) -> None:
    """A's 0% would be one of form: the word stands there, and no difference or p."""
    e = results.evaluation
    unread = {"unread_a": e.headline.n, "verdict": Verdict.MOSTLY_UNREAD}
    comparisons = [c.model_copy(update=unread) if c.scoring == "generate" else c for c in e.comparisons]
    lines = shown(results.model_copy(update={"evaluation": e.model_copy(update={"comparisons": comparisons})}), 80)
    found = [line.split() for line in lines if " generate " in line]
    assert [(line[2], *line[4:]) for line in found] == [("*unread", "-", "-", "mostly", "unread")] * 3


def test_control_comes_last(results: AbTestResults) -> None:
    """The control stands below the comparisons and says whether answers differ; without one there is no row for it."""
    lines = shown(results, 120)
    place = next(i for i, line in enumerate(lines) if "A/A control" in line)
    assert lines[place].rstrip().endswith("same answers")
    assert not any("B better" in line for line in lines[place:])
    assert results.evaluation.control is not None
    noisy = results.evaluation.control.model_copy(update={"differing_answers": 20})
    evaluation = results.evaluation.model_copy(update={"control": noisy})
    lines = shown(results.model_copy(update={"evaluation": evaluation}), 80)
    assert lines[place].rstrip().endswith("20 differ")
    evaluation = results.evaluation.model_copy(update={"control": None})
    assert "control" not in "".join(shown(results.model_copy(update={"evaluation": evaluation}), 120))


def test_fits_80_columns(results: AbTestResults) -> None:
    """Nothing is cut off or wrapped in a terminal of ordinary width."""
    lines = shown(results, 80)
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert len(lines) == len(shown(results, 200))

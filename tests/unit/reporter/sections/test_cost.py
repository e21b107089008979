"""Speed and memory."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.reporter.builders import Evaluation, Scenario
from tests.unit.reporter.rendering import column, tables_of, text_report

from so8t_reporter.document import Facts, Paragraph
from so8t_reporter.inputs import ReportInputs
from so8t_shared.results.interval import Interval
from so8t_shared.results.latency import LatencyRatio


def test_table(inputs: ReportInputs) -> None:
    """Every measurement with the host it was made on."""
    table = tables_of(text_report(inputs), "cost")["One request at a time"]
    assert column(table, "Quantization") == ["f16", "f16", "q8_0", "q8_0", "q4_k_m", "q4_k_m"]
    assert [cell.text for cell in table.rows[0]] == [
        *("f16", "A", "410 ms", "537 ms", "168 ms", "254 ms", "24.4", "379.4 MB", "271.0 MB"),
        *("320", "0", "0", "workbench"),
    ]  # fmt: skip


def test_reused_timings_keep_their_host(inputs: ReportInputs) -> None:
    """Timings from another host are named as such, with a warning not to compare."""
    changed = replace(inputs, evaluation=Evaluation(Scenario(host_a="gpu-box")).result())
    table = tables_of(text_report(changed), "cost")["One request at a time"]
    assert column(table, "Host") == ["gpu-box", "workbench"] * 3
    assert column(table, "Reused") == ["320", "0"] * 3
    section = next(s for s in text_report(changed).sections if s.anchor == "cost")
    (warning,) = [block.text for block in section.blocks if isinstance(block, Paragraph)]
    assert "gpu-box, workbench" in warning


def test_not_side_by_side(inputs: ReportInputs) -> None:
    """Timings of another time, on the same host, are not compared without a warning."""
    evaluation = Evaluation(Scenario(interleaved=False)).result()
    evaluation.speed[4] = evaluation.speed[4].model_copy(update={"reused": 320})
    section = next(s for s in text_report(replace(inputs, evaluation=evaluation)).sections if s.anchor == "cost")
    (warning,) = [block.text for block in section.blocks if isinstance(block, Paragraph)]
    assert "A and B were not timed side by side at f16, q8_0, q4_k_m" in warning
    assert "(reused from earlier runs: 320 of 320 rows of A at q4_k_m)" in warning


def test_not_in_memory_together(inputs: ReportInputs) -> None:
    """Where nothing was reused the models were asked one after the other, because memory held only one."""
    evaluation = Evaluation(Scenario(interleaved=False)).result()
    section = next(s for s in text_report(replace(inputs, evaluation=evaluation)).sections if s.anchor == "cost")
    (warning,) = [block.text for block in section.blocks if isinstance(block, Paragraph)]
    assert "(both did not fit in memory at once)" in warning
    assert "reused" not in warning


def test_disturbed(inputs: ReportInputs) -> None:
    """Measurements that other work disturbed are counted, and what is left without any is named."""
    evaluation = Evaluation(Scenario()).result()
    for place, disturbed in ((0, 12), (1, 320), (2, None)):
        evaluation.speed[place] = evaluation.speed[place].model_copy(update={"disturbed": disturbed})
    report = text_report(replace(inputs, evaluation=evaluation))
    found = column(tables_of(report, "cost")["One request at a time"], "Disturbed")
    assert sorted(found) == ["0", "0", "0", "12", "320", "unknown"]
    section = next(s for s in report.sections if s.anchor == "cost")
    (warning,) = [block.text for block in section.blocks if isinstance(block, Paragraph)]
    assert warning.startswith("Other work on the machine disturbed 332 of 1,920 measurements, which are left out; ")
    lost = evaluation.speed[1]
    assert warning.endswith(f"nothing is left of {lost.model.upper()} at {lost.quantization}.")


def test_untimed(sparse: ReportInputs) -> None:
    """What was not measured is undefined; the file's size is known."""
    table = tables_of(text_report(sparse), "cost")["One request at a time"]
    assert [cell.text for cell in table.rows[0]][2:9] == [*["undefined (n = 0)"] * 5, "undefined", "144.8 MB"]


def test_engine(inputs: ReportInputs) -> None:
    """The engine stands there with every setting, in a fixed order."""
    section = next(s for s in text_report(inputs).sections if s.anchor == "cost")
    (facts,) = [dict(block.items) for block in section.blocks if isinstance(block, Facts)]
    assert facts["Engine"] == "embedded xllamacpp 2026.10.11549"
    assert facts["Settings"] == "flash_attention False, n_ctx 2048, seed 7, temperature 0.0, threads 2"


def test_latency_ratio(inputs: ReportInputs) -> None:
    """B's latency over A's with its interval, or why there is none; without a timed row there is no table."""
    ratio = Interval(value=1.234, low=1.1, high=1.5, rows=19, groups=18)
    lines = [
        LatencyRatio(quantization="q4_k_m", scoring="generate", ratio=ratio, disturbed=1, seconds=9),
        LatencyRatio(quantization="f16", scoring="generate", ratio=None, undefined="too few", disturbed=0, seconds=9),
    ]
    changed = replace(inputs, evaluation=inputs.evaluation.model_copy(update={"latency_ratios": lines}))
    table = tables_of(text_report(changed), "cost")["B's latency over A's"]
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["f16", "too few", "0", "0"],
        ["q4_k_m", "1.23 (1.10 to 1.50)", "19", "1"],
    ]
    assert "B's latency over A's" not in tables_of(text_report(inputs), "cost")

"""By language and by category."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.reporter.rendering import Rendered, column, tables_of, text_report

from so8t_reporter.inputs import ReportInputs
from so8t_shared.results.paired import Slice
from so8t_shared.tables import metrics


def _with(inputs: ReportInputs, slices: list[Slice]) -> ReportInputs:
    return replace(inputs, evaluation=inputs.evaluation.model_copy(update={"slices": slices}))


def test_by_language(inputs: ReportInputs) -> None:
    """Every language with its rows, both models' right answers, and what was gained and lost."""
    table, _ = tables_of(text_report(inputs), "by-language").values()
    assert table.caption == "B against A by language, q4_k_m, generate scoring"
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["en", "160", "68 (42.5%)", "145 (90.6%)", "+48.1", "84 / 7", "< 0.001"],
        ["ja", "160", "77 (48.1%)", "146 (91.2%)", "+43.1", "77 / 8", "< 0.001"],
    ]
    assert "Holm-adjusted over this table only" in table.note
    assert "neither the verdict nor the gate" in table.note


def test_by_category(inputs: ReportInputs) -> None:
    """Categories add up to the whole comparison; the smallest share the last line, which says how many they are."""
    table, _ = tables_of(text_report(inputs), "by-category").values()
    assert len(table.rows) == 20
    assert column(table, "Category")[-1] == "other: the 6 smallest"
    assert sum(map(int, column(table, "Rows"))) == inputs.evaluation.headline.n
    changed = [[int(n) for n in cell.split(" / ")] for cell in column(table, "Gained / lost")]
    headline = inputs.evaluation.headline
    assert [sum(n) for n in zip(*changed, strict=True)] == [headline.only_b_right, headline.only_a_right]


def test_the_dangers_of_each_language(inputs: ReportInputs) -> None:
    """Every share but accuracy, with its interval, in the deciding setting alone."""
    _, table = tables_of(text_report(inputs), "by-language").values()
    assert table.caption == "Rates by language, q4_k_m, generate scoring"
    assert column(table, "Language")[:4] == ["en", "ja"] * 2
    rates = [
        r
        for r in inputs.evaluation.rates
        if (r.by, r.value, r.quantization, r.scoring) == ("language", "ja", "q4_k_m", "generate")
    ]
    ja = [[cell.text for cell in row] for row in table.rows if row[1].text == "ja"]
    assert [row[0] for row in ja] == [metrics.BY_NAME[r.metric].title for r in rates if r.metric != "accuracy"]
    (found,) = (row for row in ja if row[0] == "False allow")
    (rate,) = (r for r in rates if r.metric == "false_allow")
    assert rate.b is not None
    assert found[2] == str(rate.b.rows)
    assert found[4] == f"{100 * rate.b.value:.1f}% ({100 * rate.b.low:.1f} to {100 * rate.b.high:.1f})"


def test_only_what_is_significant_has_a_color(inputs: ReportInputs) -> None:
    """Green for B, red for A, gray where the adjusted p does not show a difference."""
    one = inputs.evaluation.slices[0]
    table_of = {
        (gained, p): one.model_copy(update={"gained": gained, "lost": 5, "p_adjusted": p})
        for gained, p in ((9, 0.01), (1, 0.01), (9, 0.2))
    }
    table, _ = tables_of(text_report(_with(inputs, list(table_of.values()))), "by-language").values()
    assert [row[4].tone for row in table.rows] == ["good", "bad", "muted"]


def test_rows_without_a_category(inputs: ReportInputs) -> None:
    """Rows that state none are a line of their own."""
    slices = [s.model_copy(update={"value": ""}) if s.by == "category" else s for s in inputs.evaluation.slices[:3]]
    table, _ = tables_of(text_report(_with(inputs, slices)), "by-category").values()
    assert column(table, "Category") == ["not stated"]


def test_rows_all_of_a_kind(sparse: ReportInputs) -> None:
    """Where there is one language and no category, there is no such section."""
    assert not [s for s in text_report(sparse).sections if s.anchor.startswith("by-")]


def test_stands_in_both_reports(rendered: Rendered) -> None:
    """The rendered files show both sections."""
    for name, heads in (("report.md", "## By {}\n"), ("report.html", "<h2>By {}</h2>")):
        for by in ("language", "category"):
            assert heads.format(by) in rendered.text(name)
    assert "取引先の情報" in rendered.text("report.html")

"""What `so8t-ab compare` prints for people. Fits in 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from so8t_shared import formatting as fmt
from so8t_shared.escapes import visible
from so8t_shared.results.compare import CompareResult, RateOutcome
from so8t_shared.results.gate import Decision
from so8t_shared.results.interval import Interval
from so8t_shared.results.sides import SIDES
from so8t_shared.results.unread import form_apart
from so8t_shared.results.verdicts import WORDS, mostly_unread
from so8t_shared.tables import metrics

_STYLES = {"good": "bold green", "bad": "bold red", "muted": "yellow"}
_OF_DECISION = {Decision.PASS: "green", Decision.FAIL: "red", Decision.UNDECIDED: "yellow"}
_ADVICE = {
    Decision.PASS: "B may ship under this gate.",
    Decision.FAIL: "Do not ship B: a required clause fails.",
    Decision.UNDECIDED: "Do not ship B yet: a required clause is undecided. More rows, or rows in more groups,"
    " make the intervals narrower.",
}


def compare_tables(result: CompareResult) -> RenderableType:
    """Return the verdict, the rates and the gate's clauses."""
    words = WORDS[result.detail]
    return Group(
        Text(words.title, style=_STYLES[words.tone]),
        *map(Text, _facts(result)),
        Text(),
        _rates(result),
        Text(),
        _gate(result),
        Text(),
        Text(_ADVICE[result.gate.result]),
    )


def _facts(result: CompareResult) -> Iterator[str]:
    for side in SIDES:
        model = result.models[side]
        unread = f"; no class in {model.unread:,} of {result.n:,} answers" if model.unread else ""
        yield f"{side.upper()}: {model.log.path} ({model.log.reader}){unread}"
    yield f"B minus A: {fmt.points_interval(result.difference)} points, {fmt.p_equals(result.p, result.alpha)}"
    if result.read_from_both is not None and result.detail.compared:
        yield form_apart(result.read_from_both, result.difference.value, result.n, result.alpha)
    grouped = "each stands alone"
    if result.groups != result.n:
        effect = "unknown" if result.design_effect is None else f"{result.design_effect:.2f}"
        grouped = f"in {result.groups:,} groups, design effect {effect}"
    yield f"{result.n:,} {fmt.plural(result.n, 'row', 'rows')}, {grouped}; {100 * result.confidence:g}% intervals"
    yield f"right: both {result.both_right:,}, only A {result.only_a_right:,}, only B {result.only_b_right:,}," + (
        f" neither {result.both_wrong:,}"
    )


def _rates(result: CompareResult) -> Table:
    table = _table("rate", "A", "B", "B - A")
    for rate in result.rates:
        if rate.by == "all" and rate.a is not None and rate.b is not None:
            table.add_row(metrics.BY_NAME[rate.metric].title, *_cells(rate, rate.a, rate.b))
            if rate.usual_a is not None and rate.usual_b is not None:
                usual = [fmt.percent(share) for share in (rate.usual_a, rate.usual_b)]
                table.add_row(metrics.BY_NAME[rate.metric].usual, *usual, "")
    return table


def _cells(rate: RateOutcome, a: Interval, b: Interval) -> list[str]:
    if metrics.BY_NAME[rate.metric].percent:
        cells = [fmt.percent(a.value), fmt.percent_interval(b), fmt.points_interval(rate.difference)]
    else:
        cells = [f"{a.value:.2f}", _plain(b, ".2f"), _plain(rate.difference, "+.2f")]
    if rate.metric == "unread":
        return cells
    unread = [mostly_unread(count, rate.rows) for count in (rate.unread_a, rate.unread_b)]
    return ["unread" if hidden else cell for hidden, cell in zip((*unread, any(unread)), cells, strict=True)]


def _plain(figure: Interval | None, form: str) -> str:
    if figure is None:
        return fmt.undefined()
    return f"{figure.value:{form}} ({figure.low:{form}} to {figure.high:{form}})"


def _gate(result: CompareResult) -> Table:
    table = _table(f"gate: {result.gate.result}", "result", "reason")
    for clause in result.gate.clauses:
        table.add_row(
            Text(visible(clause.name) + ("" if clause.required else " (advisory)")),
            Text(clause.result, style=_OF_DECISION[clause.result]),
            Text(f"{clause.bound}: {clause.reason}"),
        )
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, max_width=27)
    for name in others:
        numbers = name not in {"result", "reason"}
        table.add_column(name, justify="right" if numbers else "left", no_wrap=name != "reason")
    return table

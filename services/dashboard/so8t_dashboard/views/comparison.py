"""Sessions compared: their results over time, and their configurations side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from so8t_dashboard.charts.intervals import Estimate, IntervalChart, interval_chart
from so8t_dashboard.reading.figures import METRICS, Latency
from so8t_dashboard.reading.state import State
from so8t_dashboard.views.records import SessionView, session_view
from so8t_shared import formatting as fmt
from so8t_shared.tables.quantizations import Quantization

MOST = 6
"""Sessions that are compared at once."""


@dataclass(frozen=True)
class Key:
    """A key of the configurations."""

    name: str
    texts: list[str]
    """Its value in each."""

    @property
    def differs(self) -> bool:
        """Whether the values are not all the same."""
        return len(set(self.texts)) > 1


@dataclass(frozen=True)
class Compared:
    """The charts of one quantization."""

    quantization: Quantization
    charts: list[IntervalChart]


def comparison(state: State, chosen: Sequence[str]) -> dict[str, Any]:
    """What the template shows for the chosen sessions; without any, for the newest ones with results."""
    finished = [view for name in state.sessions if (view := session_view(state, name)) and view.figures]
    named = [view for name in dict.fromkeys(chosen) if (view := session_view(state, name))]
    views = sorted(named or finished[:MOST], key=lambda view: (view.record.created, view.session_id))[-MOST:]
    return {
        "views": views,
        "others": [view for view in finished if view.session_id not in {v.session_id for v in views}],
        "names": [view.session_id for view in views],
        "compared": list(_compared(views)),
        "keys": list(_keys(views)),
        "confidence": next((v.figures.confidence for v in views if v.figures), 0.95),
    }


def _compared(views: list[SessionView]) -> Iterator[Compared]:
    for quantization in dict.fromkeys(q for v in views if v.figures for q in v.figures.quantizations):
        charts = [_rates(views, metric, quantization) for metric in METRICS]
        charts += [_latencies(views, quantization), _latency_ratios(views, quantization)]
        yield Compared(quantization, [chart for chart in charts if chart])


def _rates(views: list[SessionView], metric: str, quantization: Quantization) -> IntervalChart | None:
    estimates = []
    for view in views:
        rates = view.figures.rates if view.figures else ()
        for rate in (r for r in rates if (r.metric, r.quantization) == (metric, quantization)):
            for side, share in (("a", rate.a), ("b", rate.b)):
                if share:
                    name = f"{view.session_id}, {side.upper()}"
                    estimates.append(Estimate(name, share.value, share.low, share.high, fmt.counted(share), side))
    return interval_chart(METRICS[metric].capitalize(), estimates, ends=(0.0, 1.0))


def _latencies(views: list[SessionView], quantization: Quantization) -> IntervalChart | None:
    estimates = []
    for view, found in _latencies_of(views, quantization):
        for side, median in (("a", found.a_ms), ("b", found.b_ms)):
            if median is not None:
                name = f"{view.session_id}, {side.upper()}"
                text = fmt.milliseconds(median.value)
                if median.rows:
                    text += f" ({fmt.milliseconds(median.low)} to {fmt.milliseconds(median.high)})"
                estimates.append(Estimate(name, median.value, median.low, median.high, text, side))
    return interval_chart("Median latency, ms", estimates, percent=False)


def _latency_ratios(views: list[SessionView], quantization: Quantization) -> IntervalChart | None:
    """B's latency over A's."""
    estimates = []
    for view, found in _latencies_of(views, quantization):
        if (r := found.ratio) is not None:
            text = f"{r.value:.2f} ({r.low:.2f} to {r.high:.2f})"
            estimates.append(Estimate(f"{view.session_id}, B", r.value, r.low, r.high, text, "b"))
    return interval_chart("Latency of B over A", estimates, reference=1.0, percent=False)


def _latencies_of(views: list[SessionView], quantization: Quantization) -> Iterator[tuple[SessionView, Latency]]:
    for view in views:
        for found in view.figures.latencies if view.figures else ():
            if found.quantization == quantization:
                yield view, found


def _keys(views: list[SessionView]) -> Iterator[Key]:
    flat = [dict(_flat(view.record.config)) for view in views]
    for name in sorted(set().union(*flat)) if flat else []:
        yield Key(name, [config.get(name, "(not there)") for config in flat])


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and their values as text."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(value, list) and value and any(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            yield from _flat(item, f"{prefix}[{number}]")
    else:
        yield prefix, ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)

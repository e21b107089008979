"""What evaluation.json shows."""

from __future__ import annotations

import json

import pytest
from tests.unit.reporter.builders import Evaluation, Scenario

from so8t_dashboard.reading.figures import figures_of
from so8t_shared.results.gate import Decision

SMALL = Scenario(
    support={"ALLOW": 12, "DENY": 12, "ESCALATION": 12, "REFUSE": 12}, quantizations=("q8_0",), scorings=("logprob",),
    control=False, baseline=False, measured=True,
)  # fmt: skip


@pytest.mark.parametrize(("decision", "tone"), [("pass", "good"), ("fail", "bad"), ("undecided", "warn")])
def test_tone_of_the_gate(decision: str, tone: str) -> None:
    """Each result of the gate has its own color, whatever the verdict is."""
    raw = json.loads(Evaluation(SMALL).result().to_bytes())
    raw["gate"]["result"] = decision
    found = figures_of(json.dumps(raw).encode(), "here")
    assert (found.gate, found.gate_tone) == (Decision(decision), tone)
    assert found.tone == "good"


def test_results_of_an_older_program() -> None:
    """Medians without an interval are still shown."""
    raw = json.loads(Evaluation(SMALL).result().to_bytes())
    for line in raw["latency_ratios"]:
        del line["a_ms"], line["b_ms"]
    [latency] = figures_of(json.dumps(raw).encode(), "here").latencies
    assert latency.a_ms is not None
    assert (latency.a_ms.low, latency.a_ms.value, latency.a_ms.rows) == (290.0, 290.0, 0)

"""The first screen: the models, the figures that decide, the gate, what speaks against B, what to do next."""

from __future__ import annotations

from so8t_reporter.document import Cell, Column, FileLink, FirstScreen, GateLine, Table, Tone
from so8t_reporter.inputs import Names, ReportInputs
from so8t_reporter.sections.against import against
from so8t_reporter.sections.decisions import decision_rows
from so8t_reporter.sections.gate import TONES, by_severity
from so8t_reporter.sections.next_steps import next_steps
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.gate import Decision, GateResult
from so8t_shared.results.verdicts import WORDS

EXPLORER_FILE = "explorer.html"


def verdict_tone(evaluation: EvaluationResult) -> Tone:
    """Return good if B is better and may ship, bad if A is better, muted otherwise."""
    tone = WORDS[evaluation.headline.verdict].tone
    return "muted" if tone == "good" and not evaluation.gate.passed else tone


def models(names: Names) -> list[tuple[str, str, str]]:
    """Return letter, name and description of both models."""
    return [("A", names.a, names.description_a), ("B", names.b, names.description_b)]


def first_screen(inputs: ReportInputs) -> FirstScreen:
    """Return everything that a reader needs to decide about B."""
    gate = inputs.evaluation.gate
    clauses = by_severity(gate.clauses)
    return FirstScreen(
        decisions=_decisions(inputs.evaluation),
        gate=[
            GateLine(c.result, TONES[c.result], c.name, c.reason, c.required)
            for c in clauses
            if c.result != Decision.PASS
        ],
        passed=[c.name for c in clauses if c.result == Decision.PASS],
        gate_words=gate_words(gate),
        gate_tone=TONES[gate.result],
        against=against(inputs.evaluation),
        next_steps=next_steps(inputs),
        explorer=FileLink(
            EXPLORER_FILE,
            "every test row with both models' answers and probabilities, worst first. It opens in a browser, offline.",
        ),
    )


def _decisions(evaluation: EvaluationResult) -> Table:
    level = f"{100 * evaluation.confidence:g}% CI"
    return Table(
        f"What A and B do, {evaluation.primary_quantization}",
        [Column("", numeric=False), *(Column(name) for name in ("A", "B", f"B - A ({level})"))],
        [[Cell(name, "strong"), *cells] for name, cells in decision_rows(evaluation)],
        note=f"In parentheses: {level}; differences in points.",
    )


def gate_words(gate: GateResult) -> str:
    """Say in a few words whether B may ship."""
    if gate.passed:
        return "B may ship"
    n = len(gate.reasons)
    return f"B may not ship: {n:,} required {'clause does' if n == 1 else 'clauses do'} not pass"

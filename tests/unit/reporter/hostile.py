"""Text from outside that tries to become markup, put wherever a user's text can reach the report."""

from __future__ import annotations

from tests.unit.reporter.rendering import settings

from so8t_reporter.inputs import Names, ReportInputs, ReportSettings

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=https://elsewhere.example/x onerror=alert(2)>',
    "a | b |\n| c | d\n\n# heading",
    "[click](https://elsewhere.example) `code` **bold** &lt;b&gt;",
    "{{ 7 * 7 }} {% raw %}",
    "</style></title><iframe src='//elsewhere.example'></iframe>",
)


def hostile_settings() -> ReportSettings:
    """Both models described by hostile text."""
    return settings(Names("borea-base", "borea-retrained", HOSTILE[0], HOSTILE[1]))


def hostile_inputs(inputs: ReportInputs) -> ReportInputs:
    """Rows, categories, host, data reasons and sources, engine settings, clauses and kinds of texts are hostile."""
    evaluation = inputs.evaluation
    engine = evaluation.engine.model_copy(update={"settings": {"template": HOSTILE[4]}, "version": HOSTILE[5]})
    clauses = [
        clause.model_copy(update={"name": text, "reason": text, "bound": text, "result": "fail"})
        for clause, text in zip(evaluation.gate.clauses, HOSTILE, strict=False)
    ]
    gate = evaluation.gate.model_copy(update={"result": "fail", "clauses": clauses})
    slices = [s.model_copy(update={"value": HOSTILE[i % len(HOSTILE)]}) for i, s in enumerate(evaluation.slices)]
    speed = [s.model_copy(update={"host": HOSTILE[0]}) for s in evaluation.speed]
    assert evaluation.baseline is not None
    baseline = evaluation.baseline.model_copy(update={"name": HOSTILE[2]})
    data = inputs.data.model_copy(
        update={
            "excluded": {HOSTILE[2]: 3},
            "sources": {
                HOSTILE[2]: {"schema": HOSTILE[1], "license": HOSTILE[3], "provenance": HOSTILE[5], "rows": "1"}
            },
            "by_language": {HOSTILE[0]: 4},
        }
    )
    verified = inputs.verified["b"]
    lost = [file.model_copy(update={"lost_texts": [text]}) for file, text in zip(verified.files, HOSTILE, strict=False)]
    changed = {
        "verified": {**inputs.verified, "b": verified.model_copy(update={"files": lost})},
        "evaluation": evaluation.model_copy(
            update={"engine": engine, "gate": gate, "speed": speed, "baseline": baseline, "slices": slices}
        ),
        "data": data,
        "training": inputs.training.model_copy(update={"host": HOSTILE[1]}),
        "test_rows": [
            row.model_copy(update={"text": HOSTILE[i % len(HOSTILE)]}) for i, row in enumerate(inputs.test_rows)
        ],
    }
    return ReportInputs(**(vars(inputs) | changed))

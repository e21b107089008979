"""Finding measurements."""

from __future__ import annotations

from so8t_reporter.charts.lookup import comparison_of, hosts_of, quality_of, speed_of
from so8t_reporter.inputs import ReportInputs


def test_found(inputs: ReportInputs) -> None:
    """Each lookup gives the measurement of exactly that setting."""
    e = inputs.evaluation
    quality = quality_of(e, "b", "q8_0", "constrained")
    assert quality is not None
    assert (quality.model, quality.quantization, quality.scoring) == ("b", "q8_0", "constrained")
    assert comparison_of(e, "q4_k_m", "generate") is e.headline
    speed = speed_of(e, "a", "f16")
    assert speed is not None
    assert (speed.model, speed.quantization) == ("a", "f16")


def test_not_measured(sparse: ReportInputs) -> None:
    """What was not measured is None, not something similar."""
    e = sparse.evaluation
    assert quality_of(e, "a", "f16", "generate") is None
    assert comparison_of(e, "q8_0", "constrained") is None
    assert speed_of(e, "b", "f16") is None


def test_primary_scoring_comes_first(inputs: ReportInputs) -> None:
    """The deciding scoring leads, whatever the order of measuring."""
    turned = inputs.evaluation.model_copy(
        update={"primary_scoring": "constrained", "comparisons": inputs.evaluation.comparisons[::-1]}
    )
    assert inputs.evaluation.scorings == ["generate", "constrained"]
    assert turned.scorings == ["constrained", "generate"]


def test_several_hosts(inputs: ReportInputs) -> None:
    """Of two hosts, the one with more rows is shown; all are named once, A's first."""
    speed = [
        s.model_copy(update={"host": "gpu-box", "n": s.n + (1 if s.model == "a" else -1)})
        for s in inputs.evaluation.speed
    ]
    e = inputs.evaluation.model_copy(update={"speed": [*inputs.evaluation.speed, *speed]})
    found = {side: speed_of(e, side, "f16") for side in ("a", "b")}  # type: ignore[arg-type]
    assert {side: s.host for side, s in found.items() if s} == {"a": "gpu-box", "b": "workbench"}
    assert hosts_of(e) == ["workbench", "gpu-box"]


def test_measurement_over_several_hosts(inputs: ReportInputs) -> None:
    """Rows of one measurement that come from two hosts make two hosts, not one with a long name."""
    speed = [s.model_copy(update={"host": "gpu-box, workbench"}) for s in inputs.evaluation.speed]
    assert hosts_of(inputs.evaluation.model_copy(update={"speed": speed})) == ["gpu-box", "workbench"]

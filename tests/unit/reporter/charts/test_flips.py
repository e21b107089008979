"""Rows gained and lost."""

from __future__ import annotations

from tests.unit.reporter.charts.drawn import bars, draw, texts

from so8t_reporter.charts import flips
from so8t_reporter.charts.flips import ClassFlips, flips_by_class
from so8t_reporter.inputs import ReportInputs
from so8t_shared.results.comparison import Flip


def test_counted_by_class(inputs: ReportInputs) -> None:
    """Gained, lost and both wrong are distinguished, and the sums are the comparison's own."""
    c = inputs.evaluation.headline
    found = flips_by_class(c)
    assert sum(f.gained for f in found) == c.only_b_right
    assert sum(f.lost for f in found) == c.only_a_right
    some = c.model_copy(
        update={
            "flips": [
                Flip(gold="DENY", a="ALLOW", b="DENY", count=4),
                Flip(gold="DENY", a="DENY", b="INVALID", count=2),
                Flip(gold="DENY", a="ALLOW", b="REFUSE", count=1),
            ]
        }
    )
    assert flips_by_class(some)[2] == ClassFlips("DENY", gained=4, lost=2, other=1)
    assert flips_by_class(some)[0] == ClassFlips("ALLOW", gained=0, lost=0, other=0)


def test_bars(inputs: ReportInputs) -> None:
    """Gains reach to the right, losses to the left, each with its number."""
    figure = draw(flips.draw, inputs)
    found = flips_by_class(inputs.evaluation.headline)
    assert [bar.get_width() for bar in bars(figure.axes[0])] == [w for f in found for w in (f.gained, -f.lost)]
    assert {f"+{f.gained}" for f in found} | {f"-{f.lost}" for f in found} <= set(texts(figure))


def test_nothing_changed(sparse: ReportInputs) -> None:
    """Without a flip the picture shows zeros and no direction."""
    figure = draw(flips.draw, sparse)
    assert {bar.get_width() for bar in bars(figure.axes[0])} == {0}
    assert "What B gained and lost: 0 rows gained, 0 lost" in texts(figure)

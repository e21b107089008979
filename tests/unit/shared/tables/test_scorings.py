"""The scorings: rows that cannot be mistaken for each other, and that the configuration takes."""

from __future__ import annotations

from so8t_shared.config.model import AbTest
from so8t_shared.tables import scorings


def test_scorings_are_told_apart() -> None:
    """Names and markers are unique; timed ones come first."""
    rows = scorings.ROWS
    for field in ("name", "marker"):
        assert len({getattr(row, field) for row in rows}) == len(rows), field
    assert [row.writes_freely for row in rows] == sorted((row.writes_freely for row in rows), reverse=True)


def test_every_scoring_can_be_configured() -> None:
    """The configuration takes all of them, and describes each."""
    assert AbTest(scoring=list(scorings.ORDER)).scoring == list(scorings.ORDER)
    description = str(AbTest.model_fields["scoring"].description)
    assert all(f"{row.name} {row.summary}" in description for row in scorings.ROWS)

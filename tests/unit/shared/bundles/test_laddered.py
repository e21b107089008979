"""Bundles of a session with a ladder, whose stages read more files."""

from __future__ import annotations

from pathlib import Path

from tests.unit.bundled import make_bundles
from tests.unit.shared.bundles.finished import SCENARIO, finish_session
from tests.unit.shared.bundles.tampering import Forgery, prove

from so8t_shared.results.ladder import Ladder, LadderResult


def test_a_session_with_a_ladder(tmp_path: Path) -> None:
    """It is proven, and holds the ladder, but not without texts, since the ladder shows parts of prompts."""
    ladder = Ladder(name="model B", rows=0, rungs=[], handovers=[], sentence="x")
    bundles = make_bundles(finish_session(tmp_path, SCENARIO, ladder=LadderResult(ladders=[ladder])), tmp_path)
    paths = (bundles.unsigned, bundles.without_texts)
    assert [prove(path).faults for path in paths] == [[], []]
    assert ["evaluate/ladder.json" in Forgery(path).files for path in paths] == [True, False]

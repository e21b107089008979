"""Bundles of a session whose asking ended early: where it ended follows from the answers, too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.bundled import Bundles, make_bundles
from tests.unit.reporter.builders import Scenario
from tests.unit.shared.bundles.finished import finish_session
from tests.unit.shared.bundles.tampering import Forgery, prove

ASKING, SAMPLES, CONTROL = "evaluate/asking.json", "evaluate/samples.jsonl", "evaluate/control.jsonl"
SCENARIO = Scenario(
    support=dict.fromkeys(("ALLOW", "ESCALATION", "DENY", "REFUSE"), 30),
    quantizations=("q4_k_m",),
    scorings=("logprob", "generate"),
)
GATE = (
    {"name": "better", "metric": "accuracy", "better": True},
    {"name": "better than words", "metric": "baseline_gain", "better": True},
)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """The bundles of such a session."""
    finished = finish_session(tmp_path_factory.mktemp("stopped"), SCENARIO, *GATE)
    return make_bundles(finished, tmp_path_factory.mktemp("bundles"))


def _stopped(bundles: Bundles) -> dict[str, Any]:
    found: dict[str, Any] = Forgery(bundles.unsigned).document(ASKING)["stopped"]
    return found


def test_an_early_end_is_proven(stopped: Bundles) -> None:
    """With texts, and without them, where what counting words gave stands in the bundle."""
    found = _stopped(stopped)
    assert found["decided"]
    assert 0 < found["rows"] < found["available"] == 120
    for path in (stopped.signed, stopped.without_texts):
        proof = prove(path)
        assert (proof.faults, proof.undecided, proof.gate) == ([], [], "pass")


def _last_batch_left_out(forgery: Forgery, rows: int) -> None:
    """As if the asking had ended a batch earlier."""
    kept = list(dict.fromkeys(line["row_id"] for line in forgery.lines(SAMPLES)))[: rows - 16]
    for name in (SAMPLES, CONTROL):
        forgery.edit_lines(name, lambda lines: [line for line in lines if line["row_id"] in kept])
    forgery.edit(ASKING, lambda asking: asking["stopped"].update(rows=rows - 16, groups=rows - 16))


def _swapped(forgery: Forgery, _rows: int) -> None:
    """The order of asking is not the drawn one, in any setting."""
    for name in (SAMPLES, CONTROL):
        lines = forgery.lines(name)
        one, other = list(dict.fromkeys(line["row_id"] for line in lines))[:2]
        place = {one: 1, other: 0}
        forgery.edit_lines(name, lambda found, place=place: sorted(found, key=lambda x: place.get(x["row_id"], 2)))


FORGERIES: dict[str, tuple[str, Callable[[Forgery, int], object]]] = {
    "ended earlier": (f"{ASKING}: stopped.decided", _last_batch_left_out),
    "claims another pool": (
        f"{ASKING}: stopped.available",
        lambda f, _: f.edit(ASKING, lambda asking: asking["stopped"].update(available=999)),
    ),
    "hides a clause": (
        f"{ASKING}: stopped.cannot_pass",
        lambda f, _: f.edit(ASKING, lambda asking: asking["stopped"].update(cannot_pass=["better"])),
    ),
    "claims to have asked all": (f"{ASKING}: stopped", lambda f, _: f.edit(ASKING, lambda a: a.pop("stopped"))),
    "another order": (SAMPLES, _swapped),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_another_end_is_refused(stopped: Bundles, tmp_path: Path, name: str) -> None:
    """With every digest made anew: the place is named."""
    where, change = FORGERIES[name]
    forgery = Forgery(stopped.unsigned)
    change(forgery, _stopped(stopped)["rows"])
    proof = prove(forgery.hashed().write(tmp_path / "x.zip"))
    assert not proof.proven
    assert proof.faults[0].where.startswith(where)

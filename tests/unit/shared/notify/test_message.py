"""The words of an alert: figures of a real report, from any host that can read the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.reporter.builders_upstream import write_folders
from tests.unit.reporter.rendering import read, settings
from tests.unit.shared.material import commit

from so8t_reporter.assembly import assemble_results
from so8t_shared import formatting as fmt
from so8t_shared.errors import InputError
from so8t_shared.notify.message import End, alert_of, figures, report_place
from so8t_shared.places import report_file
from so8t_shared.results.ab_test import AbTestResults
from so8t_shared.results.gate import Decision
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session
from so8t_shared.stages import STAGES
from so8t_shared.store.base import ArtifactStore
from so8t_shared.tables.alerts import BY_NAME, AlertName

ALL: list[AlertName] = [row.name for row in BY_NAME.values()]
OF_RUN = End("report", of_run=True, seconds=3.0)
Reported = Callable[[Decision], AbTestResults]


@pytest.fixture
def reported(store: ArtifactStore, session: Session, tmp_path: Path) -> Reported:
    """A session whose report is in the store, with a gate that decided so."""

    def make(decision: Decision) -> AbTestResults:
        results = assemble_results(read(write_folders(tmp_path / "upstream")), settings())
        evaluation = results.evaluation
        clauses = [c.model_copy(update={"result": decision, "required": True}) for c in evaluation.gate.clauses]
        gate = evaluation.gate.model_copy(update={"result": decision, "clauses": clauses})
        results = results.model_copy(update={"evaluation": evaluation.model_copy(update={"gate": gate})})
        made = commit(store, tmp_path / "report", {"ab_test_results.json": results.to_bytes()}, stage="report")
        manifest = made.manifest()
        assert manifest is not None
        for stage in STAGES:
            markers = StageMarkers(store, session.session_id, stage.name)
            markers.complete(made.fingerprint, manifest.content_digest(), reused=False, started="")
        return results

    return make


def test_a_run_that_may_ship(store: ArtifactStore, session: Session, reported: Reported, said: Said) -> None:
    """Session and models in the title; verdict, three figures, the gate and the report's place in the text."""
    evaluation = reported(Decision.PASS).evaluation
    alert = alert_of(OF_RUN, ALL, store, session)
    assert alert is not None
    assert alert.row.name == "run_done"
    assert session.session_id in alert.title
    said(alert.title)
    *lines, last = alert.body.splitlines()
    said("\n".join(lines))
    assert last == report_place(store, session)
    setting = (evaluation.primary_quantization, evaluation.deciding_scoring)
    right = evaluation.rate("accuracy", *setting)
    assert right is not None
    assert fmt.points_interval(right.difference) in lines[1]
    for line, metric in zip(lines[2:], ("false_allow", "over_refusal"), strict=False):
        rate = evaluation.rate(metric, *setting)
        assert rate is not None
        assert rate.a is not None
        assert rate.b is not None
        assert f"A {fmt.counted(rate.a)}, B {fmt.counted(rate.b)}" in line


def test_a_gate_that_refuses(store: ArtifactStore, session: Session, reported: Reported) -> None:
    """It is told with its first reason, once; whoever wants only the end of runs gets that, with the same text."""
    evaluation = reported(Decision.FAIL).evaluation
    refused, done = (alert_of(OF_RUN, wanted, store, session) for wanted in (ALL, ALL[:-1]))
    assert refused is not None
    assert done is not None
    assert (refused.row.name, done.row.name) == ("gate_refused", "run_done")
    assert refused.body == done.body
    assert refused.body.splitlines()[:-1] == figures(evaluation)
    assert evaluation.gate.reasons[0] in refused.body
    assert alert_of(OF_RUN, ["stage_failed"], store, session) is None


def test_without_rates(reported: Reported) -> None:
    """Results of an older version have none: undefined, not 0."""
    evaluation = reported(Decision.PASS).evaluation.model_copy(update={"rates": []})
    assert [line.endswith("undefined") for line in figures(evaluation)] == [False, True, True, True, False]


def test_where_the_report_lies(
    store: ArtifactStore, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the host that wrote it; here if the file is here, and from a container as people see it outside."""
    monkeypatch.setenv("SO8T_HOST_NAME", "gpu-box")
    StageMarkers(store, session.session_id, "report").complete("f" * 64, "c" * 64, reused=False, started="")
    monkeypatch.setenv("SO8T_HOST_NAME", "laptop")
    monkeypatch.chdir(tmp_path)
    session = replace(session, config=session.config.model_copy(update={"output_base_dir": "out"}))
    path = report_file(session.config, session.session_id, "report.html")
    assert report_place(store, session) == f"Report: {path} on gpu-box"
    path.parent.mkdir(parents=True)
    path.touch()
    assert report_place(store, session) == f"Report: {tmp_path / path} on laptop"
    monkeypatch.setenv("SO8T_RESULTS_SHOWN_AS", "./results/")
    below = path.relative_to(session.config.output_base_dir).as_posix()
    assert report_place(store, session) == f"Report: ./results/{below} on laptop"


def test_a_stage(store: ArtifactStore, session: Session) -> None:
    """How long it took, and what is left."""
    StageMarkers(store, session.session_id, "convert-a").complete("f" * 64, "c" * 64, reused=False, started="")
    alert = alert_of(End("convert-a", seconds=187.0), ALL, store, session)
    assert alert is not None
    assert alert.body == "convert-a took 3 min 07 s. Left: train, convert-b, import, evaluate, conclude, report."
    assert alert_of(End("convert-a", reused=True), ALL, store, session) is None


def test_a_failure_that_another_one_caused(store: ArtifactStore, session: Session) -> None:
    """Only the first one is news."""
    for name in ("train", "convert-b"):
        StageMarkers(store, session.session_id, name).fail(InputError("cut"), 1)
    assert alert_of(End("train", failed=True), ALL, store, session) is not None
    assert alert_of(End("convert-b", failed=True), ALL, store, session) is None

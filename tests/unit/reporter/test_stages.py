"""The report stage run by the real runner, behind upstreams that leave prepared files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.reporter.builders_upstream import Folders
from tests.unit.reporter.pipeline import Pipeline, leaves, prepared

from so8t_reporter.stages import report
from so8t_shared.errors import Interrupted
from so8t_shared.interruption import StopSignal
from so8t_shared.results.stamp import CONFIGURATION, CREATED, SESSION
from so8t_shared.running.context import StageContext


@pytest.fixture
def pipeline(tmp_path: Path, sparse_folders: Folders) -> Pipeline:
    """With prepared files behind every upstream stage."""
    return prepared(tmp_path, sparse_folders)


def never(ctx: StageContext) -> None:
    raise AssertionError("the stage must be reused")


def test_stage(pipeline: Pipeline) -> None:
    """The stage commits the report from nothing but the files that it declares, and a second run reuses it."""
    outcome = pipeline.run(pipeline.config())
    assert sorted(entry.path for entry in outcome.manifest.files) == [
        "ab_test_results.json",
        "answers.csv",
        "explorer.html",
        "junit.xml",
        "report.html",
        "report.md",
        "verify_a.json",
        "verify_b.json",
        "visualizations/confusion_generate.png",
        "visualizations/flips.png",
        "visualizations/metrics_comparison.png",
        "visualizations/quantization_tradeoff.png",
    ]
    assert pipeline.run(pipeline.config(), never).reused
    (folder,) = (pipeline.root / "results/ab_test_results").iterdir()
    results = json.loads((folder / "ab_test_results.json").read_text(encoding="utf-8"))
    assert folder.name == f"complete_so8t_ab_test_{results['session_id']}"
    for name in ("report.md", "report.html", "explorer.html"):
        text = (folder / name).read_text(encoding="utf-8")
        assert results["session_id"] in text
        assert not [mark for mark in (SESSION, CREATED, CONFIGURATION) if mark in text]
    assert "dataset.paths[0], digest" in (folder / "report.html").read_text(encoding="utf-8")
    assert "&lt;the&gt; base" in (folder / "report.html").read_text(encoding="utf-8")


def test_only_what_is_shown_matters(pipeline: Pipeline) -> None:
    """Another dpi makes another report; what the report does not show, such as the threads, does not."""
    quick = leaves(pipeline.folders.convert_a)
    first = pipeline.run(pipeline.config(), quick)
    assert pipeline.run(pipeline.config(visualization={"dpi": 41}), quick).fingerprint != first.fingerprint
    assert pipeline.run(pipeline.config(ab_test={"threads": 1}), never).fingerprint == first.fingerprint


def test_interrupted(pipeline: Pipeline) -> None:
    """A signal ends the stage between two pictures; nothing is committed, and the next run finishes."""
    stop = StopSignal()

    def stopping(ctx: StageContext) -> None:
        stop.ask()
        report(ctx)

    with pytest.raises(Interrupted):
        pipeline.run(pipeline.config(), stopping, stop)
    assert not list((pipeline.root / "store/artifacts/report").glob("*/manifest.json"))
    assert not pipeline.run(pipeline.config(), leaves(pipeline.folders.convert_a)).reused

"""What a stage on its own says at its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.reporter.builders_upstream import write_folders
from tests.unit.reporter.rendering import read, settings

from so8t_reporter.assembly import assemble_results
from so8t_shared.cli.announce import announce, shown
from so8t_shared.config.load import load_config
from so8t_shared.running.export import results_dir
from so8t_shared.sessions.session import Session


@pytest.fixture
def session(config_file: Path) -> Session:
    """A session whose results lie below /results, as in a container."""
    return Session("20260101_120000", load_config(config_file, ["output_base_dir=/results"]), "2026-01-01T12:00:00")


@pytest.mark.parametrize("outside", ["./results", "/data/results/"])
def test_a_path_is_shown_as_the_host_knows_it(session: Session, outside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container knows its results as /results; the user must be told the folder that is mounted there."""
    monkeypatch.setenv("SO8T_RESULTS_SHOWN_AS", outside)
    assert shown(Path("/results/ab_test_results/x"), session) == f"{outside.rstrip('/')}/ab_test_results/x"


def test_without_a_container_the_path_is_what_it_is(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is renamed where nothing is mounted."""
    monkeypatch.delenv("SO8T_RESULTS_SHOWN_AS", raising=False)
    assert shown(Path("/results/ab_test_results/x"), session) == "/results/ab_test_results/x"


@pytest.mark.parametrize(("reused", "words"), [(True, "reused, nothing to do"), (False, "done")])
def test_one_line_a_stage(session: Session, reused: bool, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A container that ends says that it is done and in which session."""
    announce("convert-a", session, reused=reused)
    assert capsys.readouterr().out == f"convert-a: {words} (session 20260101_120000)\n"


def test_a_report_is_told(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the report its table and sentence follow, and last where it lies for the user."""
    config = load_config(config_file, [f"output_base_dir={tmp_path / 'results'}"])
    session = Session("20260101_120000", config, "2026-01-01T12:00:00")
    announce("report", session, reused=False)
    assert len(capsys.readouterr().out.splitlines()) == 1, "nothing was exported yet"
    results = assemble_results(read(write_folders(tmp_path / "upstream")), settings())
    results_dir(session).mkdir(parents=True)
    (results_dir(session) / "ab_test_results.json").write_text(results.model_dump_json(), encoding="utf-8")
    monkeypatch.setenv("SO8T_RESULTS_SHOWN_AS", "./mine")
    announce("report", session, reused=False)
    out = capsys.readouterr().out
    assert out.startswith("report: done (session 20260101_120000)\n")
    assert " ".join(results.summary.split()) in " ".join(out.split())
    assert out.splitlines()[-1] == f"Report: ./mine/ab_test_results/{results_dir(session).name}/report.html"

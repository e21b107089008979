"""What a stage on its own says at its end."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.unit.reporter.builders_upstream import write_folders
from tests.unit.reporter.rendering import read, settings

from so8t_reporter.assembly import assemble_results
from so8t_shared.cli.announce import announce, model_lines
from so8t_shared.config.load import load_config
from so8t_shared.running.export import results_dir
from so8t_shared.sessions.session import Session


@pytest.fixture
def session(config_file: Path) -> Session:
    """A session whose results lie below /results, as in a container."""
    return Session("20260101_120000", load_config(config_file, ["output_base_dir=/results"]), "2026-01-01T12:00:00")


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
    export = "so8t-ab export 20260101_120000 -c CONFIG --model b --quantization q4_k_m --to FOLDER"
    assert out.splitlines()[-2:] == [
        f"Model B: {export}",
        f"Report: ./mine/ab_test_results/{results_dir(session).name}/report.html",
    ]


@pytest.mark.parametrize(
    ("layout", "gguf", "folder"),
    [
        ("session", "REPORT/models/model_b_q8_0.gguf", "REPORT/models"),
        ("original", "gguf_models/model_b/model_b_q8_0.gguf", "modelfiles"),
    ],
)
@pytest.mark.parametrize("outside", ["", "./my results"])
def test_model_b(
    config_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    layout: str,
    gguf: str,
    folder: str,
    outside: str,
) -> None:
    """Once it is copied: its path, and the commands for the primary quantization, as the host knows them."""
    inside = f"{tmp_path}/results"
    given = [f"output_base_dir={inside}", f"output_layout={layout}", "gguf.primary=q8_0", "ollama.model_b_name=tuned"]
    session = Session("one", load_config(config_file, given), "2026-01-01T12:00:00")
    report = "ab_test_results/complete_so8t_ab_test_one"
    path = Path(inside, gguf.replace("REPORT", report))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    monkeypatch.setenv("SO8T_RESULTS_SHOWN_AS", outside)
    shown = outside or inside
    assert model_lines(session) == [
        f"Model B: {shown}/{gguf}".replace("REPORT", report),
        f"  cd {shlex.quote(f'{shown}/{folder}'.replace('REPORT', report))} && "
        "ollama create tuned -f tuned.q8_0.Modelfile",
        "  ollama run tuned",
    ]


def test_a_layout_without_models(config_file: Path) -> None:
    """Where models are not copied, the command that copies one is named."""
    session = Session("one", load_config(config_file, ["output_layout=report"]), "2026-01-01T12:00:00")
    assert model_lines(session) == ["Model B: so8t-ab export one -c CONFIG --model b --quantization q4_k_m --to FOLDER"]


def test_a_model_on_the_server(config_file: Path) -> None:
    """With the engine ollama, B is on the server already."""
    session = Session("one", load_config(config_file, ["ab_test.engine=ollama", "ollama.model_b_name=tuned"]), "")
    assert model_lines(session)[1:] == ["  ollama run tuned"]


def test_a_model_that_the_server_had(config_file: Path) -> None:
    """It is where it was."""
    given = ["ab_test.engine=ollama", "model_b={ollama: 'theirs:1'}", "gguf={quantizations: [q8_0]}"]
    [place, command] = model_lines(Session("one", load_config(config_file, given), ""))
    assert "127.0.0.1:11434" in place
    assert command == "  ollama run theirs:1"

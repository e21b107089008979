"""How the report says that model B can be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.reporter.rendering import settings, text_report
from tests.unit.shared.material import make_config
from typer.testing import CliRunner

from so8t_reporter.document import Code
from so8t_reporter.inputs import ReportInputs, ReportSettings
from so8t_shared.cli.main import app
from so8t_shared.results.conversion import Served


def commands(inputs: ReportInputs, chosen: ReportSettings) -> list[str]:
    section = next(s for s in text_report(inputs, chosen).sections if s.anchor == "handover")
    (code,) = [block for block in section.blocks if isinstance(block, Code)]
    return [line.partition("#")[0].strip() for line in code.text.splitlines() if line]


def test_commands(inputs: ReportInputs) -> None:
    """From the report's folder: make the primary quantization of B, run it, or copy it anywhere."""
    quantization = inputs.evaluation.primary_quantization
    assert commands(inputs, settings()) == [
        "cd models",
        f"ollama create borea-retrained -f borea-retrained.{quantization}.Modelfile",
        "ollama run borea-retrained",
        f"so8t-ab export -c config.yaml --model b --quantization {quantization} --to FOLDER",
    ]


def test_without_models(inputs: ReportInputs) -> None:
    """Where models are not handed over, only the command that copies one is named; its options exist."""
    [export] = commands(inputs, replace(settings(), models=""))
    shown = CliRunner().invoke(app, ["export", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert [option for option in export.split() if option.startswith("-") and option not in shown] == []


@pytest.mark.parametrize(
    ("layout", "models"), [("session", "models"), ("original", "../../for/ollama"), ("report", "")]
)
def test_folder(tmp_path: Path, layout: str, models: str) -> None:
    """The folder of B's Modelfiles as seen from the report, in every layout."""
    config = make_config(tmp_path, output_layout=layout, ollama={"modelfile_dir": "for/ollama"})
    assert ReportSettings.from_config(config, "any").models == models


def test_a_model_that_a_server_had(inputs: ReportInputs) -> None:
    """It is used where it was; the store has no copy."""
    served = Served(name="theirs:1", digest="d" * 64, size_bytes=7, quantization="q8_0", system="", parameters="")
    assert commands(replace(inputs, served=served), settings()) == ["ollama run theirs:1"]

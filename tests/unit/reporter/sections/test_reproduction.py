"""The commands that the report names exist."""

from __future__ import annotations

import re

import pytest
from tests.unit.reporter.rendering import text_report
from typer.testing import CliRunner

from so8t_reporter.document import Code
from so8t_reporter.inputs import ReportInputs
from so8t_shared.cli.main import app
from so8t_shared.config.model import Config


def commands(inputs: ReportInputs) -> list[str]:
    section = next(s for s in text_report(inputs).sections if s.anchor == "reproduction")
    (code,) = [block for block in section.blocks if isinstance(block, Code)]
    lines = [line.partition("#")[0].strip() for line in code.text.splitlines()]
    return [line for line in lines if line]


def test_commands_exist(inputs: ReportInputs) -> None:
    """Each command and option that is named is one of the program's."""
    named = commands(inputs)
    assert len(named) == 4
    for line in named:
        program, command, *options = line.split()
        assert program == "so8t-ab"
        shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
        assert shown.exit_code == 0, line
        for option in options:
            if option.startswith("-"):
                assert re.search(rf"(?<![\w-]){re.escape(option)}\b", shown.output), line


def test_afresh_means_another_store(inputs: ReportInputs) -> None:
    """The command that is to check the result reads nothing that is already there, and replaces none of it."""
    (line,) = [line for line in commands(inputs) if "--set" in line]
    before, after = (
        Config.model_validate({"model_a": {"base_model": "m"}, "dataset": {"paths": ["d"]}, **given})
        for given in ({}, dict(re.findall(r"--set (\w+)=(\S+)", line)))
    )
    assert before.checkpoint_dir != after.checkpoint_dir
    assert before.output_base_dir != after.output_base_dir


def test_nothing_of_this_machine(inputs: ReportInputs) -> None:
    """No absolute path is named."""
    assert not [line for line in commands(inputs) if re.search(r"\s/", line)]


@pytest.mark.parametrize("name", ["ab_test_results.json", "junit.xml"])
def test_files_for_programs(inputs: ReportInputs, name: str) -> None:
    """The files for programs are pointed at."""
    section = next(s for s in text_report(inputs).sections if s.anchor == "reproduction")
    assert any(name in value for block in section.blocks if block.kind == "facts" for _, value in block.items)

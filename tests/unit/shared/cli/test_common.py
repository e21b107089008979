"""What several commands share."""

from __future__ import annotations

import io
import shutil
import time
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from tests.unit.shared.cli.conftest import Cli

from so8t_shared.cli.common import local_time, open_workspace, table_cell, with_flags
from so8t_shared.errors import ConfigError


def test_open_workspace(config_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The configuration with its overrides, and the store that it names."""
    workspace = open_workspace(config_file, ["training.seed=7"])
    assert workspace.config.training.seed == 7
    assert workspace.store.location == str(config_file.parent / "store")
    assert capsys.readouterr().err == ""


def test_what_is_out_of_date_is_said(config_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that does nothing any more costs one line on standard error."""
    config_file.write_text(config_file.read_text() + "gguf: {convert_script: x.py}\n")
    open_workspace(config_file, [])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("note: gguf.convert_script")


def test_a_wrong_configuration_makes_no_store(config_file: Path) -> None:
    """Nothing is written before the configuration is right."""
    with pytest.raises(ConfigError):
        open_workspace(config_file, ["training.sede=7"])
    assert not (config_file.parent / "store").exists()


@pytest.mark.parametrize(
    "command", ["plan", "status", "status --all", "logs train", "artifacts ls", "artifacts gc --yes"]
)
def test_looking_makes_no_store(cli: Cli, config_file: Path, command: str) -> None:
    """Before the first run no command that only looks leaves a folder, which others would take for a run's."""
    (config_file.parent / "rows.jsonl").unlink()
    shutil.rmtree(config_file.parent / "model")
    cli(*command.split(), "-c", config_file)
    assert [path.name for path in config_file.parent.iterdir()] == [config_file.name]


@pytest.mark.parametrize("text", ["[/]", "[red]x[/red]", "plain", "a\\", ":x:"])
def test_table_cell(text: str) -> None:
    """Text with brackets, a backslash at its end, or an emoji's name is shown as it is."""
    console = Console(file=io.StringIO(), width=80)
    table = Table(box=None)
    table.add_row(table_cell(text))
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().strip() == text


def test_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """This host's zone, to the minute; what is no time stays as it is."""
    monkeypatch.setenv("TZ", "XXX-09:30")
    time.tzset()
    try:
        assert local_time("2026-11-23T22:45:53+00:00") == "2026-11-24 08:15"
        assert local_time("") == ""
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_flag_is_an_override(config_file: Path) -> None:
    """`--until-decided` sets the key, beside what --set gives."""
    assert with_flags(["training.seed=7"], until_decided=True) == ["training.seed=7", "ab_test.until_decided=true"]
    assert with_flags(["training.seed=7"], until_decided=False) == ["training.seed=7"]
    workspace = open_workspace(config_file, with_flags([], until_decided=True))
    assert workspace.config.ab_test.until_decided

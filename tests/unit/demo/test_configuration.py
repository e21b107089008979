"""The demo's configuration in a folder of the user's choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from so8t_demo.configuration import write_configuration
from so8t_shared.config.load import load_config

SHIPPED = Path(__file__).resolve().parents[3] / "demo" / "so8t_demo" / "demo.yaml"


def test_the_folder_of_make_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In demo-run/ it is the shipped file, so both name the same session."""
    monkeypatch.chdir(tmp_path)
    assert write_configuration(Path("demo-run")).read_bytes() == SHIPPED.read_bytes()


@pytest.mark.parametrize("name", ["elsewhere", "a folder: with #signs", "フォルダ", 'with "quotes"'])
def test_another_folder(tmp_path: Path, name: str) -> None:
    """Every path lies below it, and nothing else differs."""
    folder = tmp_path / name
    config = load_config(write_configuration(folder), environ={})
    shipped = load_config(SHIPPED, environ={})
    assert config.model_a.base_model == str(folder / "model")
    assert config.dataset.paths == [str(folder / "data" / "rows.jsonl")]
    assert (config.output_base_dir, config.checkpoint_dir) == (str(folder / "results"), str(folder / "store"))
    assert (config.training, config.ab_test, config.gguf) == (shipped.training, shipped.ab_test, shipped.gguf)

"""The paths in a configuration of another system."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.config.conftest import Refused, load, write

from so8t_shared.config.load import notices, read_config
from so8t_shared.errors import ConfigError
from so8t_shared.sessions.session import config_digest
from so8t_shared.store.open import open_store

WINDOWS = r"""
output_base_dir: 'D:\out'
checkpoint_dir: 'D:\out\store'
model_a: {base_model: 'C:/models/m'}
dataset: {paths: ['D:\rows', owner/name]}
"""


@pytest.mark.parametrize("given", ["file", "variable", "override"])
def test_inputs_root(tmp_path: Path, given: str) -> None:
    """From the file, SO8T_INPUTS_ROOT or --set; every path goes below it."""
    root = tmp_path / "root"
    text = f"{WINDOWS}inputs_root: {root}\n" if given == "file" else WINDOWS
    overrides = [f"inputs_root={root}"] if given == "override" else []
    environ = {"SO8T_INPUTS_ROOT": str(root)} if given == "variable" else {}
    loaded = read_config(write(tmp_path, text), overrides, environ)
    config = loaded.config
    assert (config.output_base_dir, config.checkpoint_dir) == (f"{root}/out", f"{root}/out/store")
    assert config.model_a.base_model == f"{root}/models/m"
    assert config.dataset.paths == [f"{root}/rows", "owner/name"]
    assert loaded.moved["C:/models/m"] == f"{root}/models/m"
    assert len(loaded.notes()) == 4
    assert open_store(config).local_root.is_relative_to(root)


def test_without_it_the_drives_are_explained(tmp_path: Path, said: Said) -> None:
    """One note for each drive, with its keys; a run is refused before it makes a folder named D:."""
    config = load(write(tmp_path, WINDOWS))
    said("\n".join(notices(config, {})))
    with said.raised(ConfigError):
        open_store(config)


def test_a_session_is_the_same_on_all_hosts(tmp_path: Path) -> None:
    """The root differs from host to host, and so does whether it has a folder for the drive."""
    plain, drives = tmp_path / "plain", tmp_path / "drives"
    (drives / "d").mkdir(parents=True)
    file = write(tmp_path, WINDOWS)
    digests = {config_digest(load(file, f"inputs_root={root}")) for root in (plain, drives)}
    assert digests == {config_digest(load(file))}
    assert config_digest(load(file, "dataset.paths=[D:/others]")) not in digests


def test_a_training_file_on_a_drive(tmp_path: Path) -> None:
    """training.config is a path, too."""
    (tmp_path / "t.yaml").write_text("seed: 5\n")
    text = f"{WINDOWS}training: {{config: 'D:\\t.yaml'}}\n"
    assert load(write(tmp_path, text), f"inputs_root={tmp_path}").training.seed == 5


def test_wrong_types_are_left_to_the_validation(tmp_path: Path, refused: Refused) -> None:
    """A path that is no text is a fault like any other."""
    refused(write(tmp_path, "model_a: {base_model: 5}\ndataset: {paths: [1]}\ninputs_root: [x]\n"))

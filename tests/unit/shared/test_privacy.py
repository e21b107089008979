"""What a run writes is open to its owner alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tests.unit.shared.cli.conftest import Cli, cli
from tests.unit.shared.processes import exit_code, start
from tests.unit.shared.small_service import small_stage

from so8t_shared.privacy import private_files

__all__ = ["cli"]


def _open_to_others(root: Path) -> list[Path]:
    """Files below `root` that another user could read: no folder on the way keeps him out."""
    found = []
    for path in root.rglob("*"):
        way = [path, *path.parents][: len(path.relative_to(root).parts)]
        if path.is_file() and all(stat.S_IMODE(part.stat().st_mode) & 0o055 for part in way):
            found.append(path)
    return found


def test_a_stages_files(config_file: Path) -> None:
    """Artifacts, logs and scratch of a stage, also where the user's own umask is generous."""
    root = config_file.parent / "store"
    root.mkdir(mode=0o755)

    def work() -> None:
        os.umask(0o022)
        small_stage("convert-a", "-c", str(config_file))()

    assert exit_code(start(work)) == 0
    assert [path for path in root.rglob("merged/x") if path.is_file()]
    assert _open_to_others(root) == []


def test_a_copy_of_an_artifact(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    """`artifacts get` gives nobody else what the store keeps to its owner."""
    assert exit_code(start(small_stage("convert-a", "-c", str(config_file)))) == 0
    [fingerprint] = [path.name for path in (config_file.parent / "store" / "artifacts" / "convert-a").iterdir()]
    assert cli("artifacts", "get", fingerprint, tmp_path / "copies" / "one", "-c", config_file).code == 0
    assert list((tmp_path / "copies" / "one").rglob("x"))
    assert _open_to_others(tmp_path / "copies") == []


def test_the_users_umask_comes_back(tmp_path: Path) -> None:
    """Also after an error; what the user forbids himself stays forbidden."""
    before = os.umask(0o0777)
    try:
        with pytest.raises(ZeroDivisionError), private_files():
            raise ZeroDivisionError
        assert os.umask(0o0777) == 0o0777
    finally:
        os.umask(before)

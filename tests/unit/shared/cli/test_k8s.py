"""`so8t-ab k8s`."""

from __future__ import annotations

from pathlib import Path

import yaml
from tests.messages import Said
from tests.unit.shared.cli.conftest import Cli

from so8t_shared.stages import STAGES

CONFIG = {
    "model_a": {"base_model": "inputs/model"},
    "dataset": {"paths": ["inputs/rows.jsonl"]},
    "store": {"endpoint": "http://minio.store:9000"},
}


def test_files_or_text(cli: Cli, tmp_path: Path) -> None:
    """The same objects, in files of a folder or on standard output."""
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(CONFIG))
    printed = cli("k8s", "render", "-c", tmp_path / "my.yaml", "--session", "20261130_010203")
    written = cli("k8s", "render", "-c", tmp_path / "my.yaml", "--session", "20261130_010203", "-o", tmp_path / "k8s")
    assert (printed.code, written.code) == (0, 0)
    files = sorted((tmp_path / "k8s").iterdir())
    assert len(files) == 2 + len(STAGES)
    found = [manifest for file in files for manifest in yaml.safe_load_all(file.read_text("utf-8"))]
    assert found == list(yaml.safe_load_all(printed.out))


def test_a_queue_and_a_set(cli: Cli, tmp_path: Path) -> None:
    """The options say what else the configuration may."""
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(CONFIG))
    done = cli("k8s", "render", "-c", tmp_path / "my.yaml", "--jobset", "--queue", "team-a")
    *_, found = yaml.safe_load_all(done.out)
    assert (found["kind"], found["spec"]["suspend"]) == ("JobSet", True)


def test_a_store_that_pods_do_not_see(cli: Cli, tmp_path: Path, said: Said) -> None:
    """Nothing is written; exit code 2."""
    (tmp_path / "my.yaml").write_text(yaml.safe_dump({**CONFIG, "store": {}}))
    done = cli("k8s", "render", "-c", tmp_path / "my.yaml", "-o", tmp_path / "k8s")
    assert done.code == 2
    said(done.err)
    assert not (tmp_path / "k8s").exists()

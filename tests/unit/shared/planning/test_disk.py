"""Disk space before it is needed, on real small disks and with the sizes of a real model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.tiny_models import make_llama
from tests.unit.shared.material import make_config, make_inputs
from tests.unit.shared.namespaces import run_on_small_disk

from so8t_shared.config.model import Config
from so8t_shared.planning.disk import Disk, Written, check_disks, plan_disks
from so8t_shared.planning.plan import make_plan
from so8t_shared.store.local import LocalStore

_CODE = """
import sys
from so8t_shared.config.model import Config
from so8t_shared.errors import StorageError
from so8t_shared.planning.disk import check_disks, plan_disks
from so8t_shared.planning.plan import make_plan
from so8t_shared.store.local import LocalStore
config = Config.model_validate_json({config!r})
store = LocalStore(folder)
disks = plan_disks(config, store, make_plan(store, config))
assert [str(folder)] in [[str(f) for f in disk.folders] for disk in disks], disks
try:
    print(check_disks(disks))
except StorageError as error:
    print("refused", error.exit_code, str(folder) in error.where)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_llama(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture
def config(tmp_path: Path, model: Path) -> Config:
    """A configuration whose results lie on another disk than its store."""
    make_inputs(tmp_path)
    return make_config(
        tmp_path, model_a={"base_model": str(model)}, output_layout="report", checkpoint_dir=str(tmp_path / "small")
    )


@pytest.mark.parametrize(("size", "said"), [("1m", "refused 2 True"), ("64m", "[]")])
def test_a_disk_without_room_ends_the_run_before_it_begins(
    config: Config, tmp_path: Path, size: str, said: str
) -> None:
    """1 MB holds no conversion of this model, 64 MB do."""
    (tmp_path / "small").mkdir()
    printed = run_on_small_disk(tmp_path / "small", _CODE.format(config=config.model_dump_json()), size=size)
    assert printed.strip() == said


def test_folders_on_one_disk_share_its_space(config: Config, tmp_path: Path) -> None:
    """Store and results count together; what is handed over is a copy that may take no space."""
    both = config.model_copy(update={"output_layout": "original"})
    store = LocalStore(tmp_path / "small")
    [disk] = plan_disks(both, store, make_plan(store, both))
    assert disk.folders == (Path(both.checkpoint_dir), Path(both.output_base_dir))
    copies = [item for item in disk.written if not item.certain]
    assert {item.folder for item in copies} == {Path(both.output_base_dir)}
    assert len(copies) == 2 * len(both.gguf.quantizations)
    assert disk.needed_bytes - disk.certain_bytes == sum(item.size_bytes for item in copies)


def test_a_server_elsewhere_is_not_this_hosts_disk(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ollama's copies count where its folder is known: on this host."""
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "ollama"))
    store = LocalStore(tmp_path / "small")
    for host, counted in (("http://127.0.0.1:9", True), ("http://192.0.2.1:11434", False)):
        raw = json.loads(config.model_dump_json())
        raw["ab_test"]["engine"], raw["ollama"]["host"] = "ollama", host
        there = Config.model_validate(raw)
        folders = {folder for disk in plan_disks(there, store, make_plan(store, there)) for folder in disk.folders}
        assert (tmp_path / "ollama" in folders) == counted


def test_copies_alone_are_a_warning() -> None:
    """A disk on which only the copies do not fit may still do."""
    folder = Path("anywhere")
    must, may = Written("train", "merged weights", folder, 60), Written("convert-b", "copy", folder, 60, certain=False)
    assert check_disks([Disk((folder,), 200, (must, may))]) == []
    assert len(check_disks([Disk((folder,), 100, (must, may))])) == 1


def test_nothing_is_known_without_the_model(tmp_path: Path) -> None:
    """On a host without the models no size is invented."""
    make_inputs(tmp_path)
    store = LocalStore(tmp_path / "store")
    config = make_config(tmp_path, checkpoint_dir=str(tmp_path / "store"))
    planned = [line for line in make_plan(store, config) if line.stage.name in {"import", "evaluate", "report"}]
    assert plan_disks(config, store, planned) == []

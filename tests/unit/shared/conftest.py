"""A store, a configuration that needs no files, and a session."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.unit.shared.material import make_config, make_model
from tests.unit.shared.ollama_answers import OllamaAnswers, running_answers
from tests.unit.shared.processes import end_all

from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.config.model import Config
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.store.local import LocalStore

_HERE = Path(__file__).parent
_TIMEOUT_S = 120.0
_MEMORY = Path("/dev/shm")
_ENOUGH_BYTES = 50_000_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test of waiting that waits for ever is to fail soon, not after the suite's ten minutes."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(_TIMEOUT_S))


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    end_all()


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where possible: thousands of flushed writes take seconds there, minutes on a busy disk."""
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _ENOUGH_BYTES:
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(dir=_MEMORY, prefix="so8t-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def ollama_answers() -> Iterator[OllamaAnswers]:
    with running_answers() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return make_config(tmp_path)


@pytest.fixture
def digests(tmp_path: Path) -> DigestCache:
    return DigestCache(tmp_path / "digests.sqlite")


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """A configuration file all of whose inputs are there, as far as a look from outside tells."""
    make_model(tmp_path / "model")
    rows = ['{"text": "Lend me a pen.", "label": "ALLOW"}', '{"text": "Lend me her diary.", "label": "DENY"}']
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    source = {"license": "cc0-1.0", "provenance": "written for the tests"}
    dataset = {"paths": [str(tmp_path / "rows.jsonl")], "source": source}
    config = make_config(tmp_path, dataset=dataset).model_dump(mode="json", exclude_unset=True)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return tmp_path / "config.yaml"


@pytest.fixture
def session(store: LocalStore, config: Config) -> Session:
    return open_session(store, config)

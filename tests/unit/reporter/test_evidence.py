"""The results, assembled again from an unpacked bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.bundled import Bundles
from tests.unit.shared.bundles.tampering import Forgery

from so8t_reporter.evidence import recompute
from so8t_shared.bundles.scratch import scratch_folder
from so8t_shared.errors import IntegrityError

RESULTS = "report/ab_test_results.json"


@pytest.fixture
def folder(bundles: Bundles) -> Iterator[Path]:
    """The unpacked bundle, to be changed."""
    with scratch_folder() as scratch:
        for name, data in Forgery(bundles.unsigned).files.items():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            (scratch / name).write_bytes(data)
        yield scratch


def _configuration(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "configuration.json").read_bytes())
    return found


def test_the_same_results(folder: Path) -> None:
    """All values of ab_test_results.json are compared."""
    found = recompute(folder, _configuration(folder), texts=True)
    assert found.faults == []
    assert found.values > 5_000


def test_names_come_from_the_configuration(folder: Path) -> None:
    """Results that name another model are not those of this session."""
    changed = json.loads((folder / RESULTS).read_bytes())
    (folder / RESULTS).write_text(json.dumps({**changed, "model_b": "famous-model", "session_id": "another"}))
    found = recompute(folder, _configuration(folder), texts=True)
    assert [fault.where for fault in found.faults] == [f"{RESULTS}: model_b"]


def test_a_configuration_that_is_none(folder: Path) -> None:
    """Damage, at its place."""
    with pytest.raises(IntegrityError) as caught:
        recompute(folder, {"ab_test": 1}, texts=True)
    assert caught.value.where == "configuration.json"

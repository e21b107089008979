"""The study's record in the store."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.shared.studies.test_load import ARMS, study_file

from so8t_shared.errors import InputError
from so8t_shared.store.local import LocalStore
from so8t_shared.studies.load import load_study
from so8t_shared.studies.record import read_study, record_study, study_names

SESSIONS = ["a", "b", "c", "d"]


def test_the_record_follows_the_file(tmp_path: Path) -> None:
    """It names each member's session, keeps its time of creation, and is written anew only if the study changed."""
    store = LocalStore(tmp_path / "store")
    record_study(store, load_study(study_file(tmp_path)), SESSIONS)
    first = read_study(store, "gates")
    assert [(m.arm, m.seed, m.session_id) for m in first.members] == [
        ("lora", 1, "a"),
        ("so8t", 1, "b"),
        ("lora", 2, "c"),
        ("so8t", 2, "d"),
    ]
    record_study(store, load_study(study_file(tmp_path)), SESSIONS)
    assert read_study(store, "gates") == first
    record_study(store, load_study(study_file(tmp_path, arms=ARMS[1:], reference="")), SESSIONS[:2])
    again = read_study(store, "gates")
    assert (again.created, [arm.name for arm in again.arms]) == (first.created, ["so8t"])
    assert study_names(store) == ["gates"]


@pytest.mark.parametrize("name", ["other", "../gates", ""])
def test_an_unknown_study(tmp_path: Path, name: str) -> None:
    """The error names the studies that are there."""
    store = LocalStore(tmp_path / "store")
    record_study(store, load_study(study_file(tmp_path)), SESSIONS)
    with pytest.raises(InputError, match="gates"):
        read_study(store, name)

"""Which sessions use an artifact, and how old they are."""

from __future__ import annotations

from pathlib import Path

from tests.unit.shared.material import make_config

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import open_session, read_record, record_key
from so8t_shared.sessions.uses import Uses
from so8t_shared.store.local import LocalStore


def _session(store: LocalStore, tmp_path: Path, name: str, day: int) -> StageMarkers:
    """A session of that day; its markers of the stage train."""
    open_session(store, make_config(tmp_path, session_id_format=name, model_a={"base_model": name}))
    record = read_record(store, name).model_copy(update={"created": f"2026-01-{day:02d}T00:00:00+00:00"})
    store.put_bytes(record_key(name), record.to_bytes())
    return StageMarkers(store, name, "train")


def _complete(markers: StageMarkers, fingerprint: str) -> None:
    markers.complete(fingerprint, "content", reused=False, started="")


def test_newest(store: LocalStore, tmp_path: Path) -> None:
    """By creation, and beside them every session whose record cannot be read."""
    for day, name in enumerate(("c", "a", "b"), 1):
        _session(store, tmp_path, name, day)
    store.put_bytes(record_key("damaged"), b"{")
    uses = Uses(store)
    assert list(uses.sessions) == ["damaged", "c", "a", "b"]
    assert uses.newest(1) == {"damaged", "b"}
    assert uses.newest(9) == {"damaged", "a", "b", "c"}


def test_users(store: LocalStore, tmp_path: Path) -> None:
    """Oldest first; those of another stage or another fingerprint are none."""
    for day, name in enumerate(("b", "a", "other"), 1):
        _complete(_session(store, tmp_path, name, day), "2" * 64 if name == "other" else "1" * 64)
    assert Uses(store).of(Artifact(store, "train", "1" * 64)) == ["b", "a"]
    assert Uses(store).of(Artifact(store, "convert-a", "1" * 64)) == []


def test_wanted_now(store: LocalStore, tmp_path: Path) -> None:
    """Once a kept session, a new one, or an old user that works again wants it; other sessions' work does not count."""
    artifact = Artifact(store, "train", "1" * 64)
    old, kept, other = (_session(store, tmp_path, name, day) for day, name in enumerate(("old", "kept", "other"), 1))
    _complete(old, artifact.fingerprint)
    uses = Uses(store)
    _complete(other, "2" * 64)
    assert not uses.now({"kept"}).wants(artifact)
    _complete(StageMarkers(store, "old", "convert-b"), "3" * 64)
    assert uses.now({"kept"}).wants(artifact)

    uses = Uses(store)
    _complete(kept, artifact.fingerprint)
    assert uses.now({"kept"}).wants(artifact)

    uses = Uses(store)
    _complete(_session(store, tmp_path, "new", 4), artifact.fingerprint)
    assert uses.now({"other"}).wants(artifact)

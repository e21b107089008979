"""Markers: what other hosts learn about a stage."""

from __future__ import annotations

import json

import pytest
from tests.messages import Said
from tests.unit.shared.material import listing

from so8t_shared.errors import InputError, NewerFormat, ServerError, StorageError
from so8t_shared.host import host_name
from so8t_shared.sessions.markers import ProgressRecord, StageMarkers
from so8t_shared.store.local import LocalStore

PREFIX = "sessions/s1/train"


@pytest.fixture
def markers(store: LocalStore) -> StageMarkers:
    return StageMarkers(store, "s1", "train")


def _complete(markers: StageMarkers, content: str = "c" * 64) -> bool:
    return markers.complete("f" * 64, content, reused=False, started="2026-01-01T00:00:00+00:00")


def test_nothing_at_first(markers: StageMarkers) -> None:
    """A stage that never ran has no marker of any kind."""
    assert markers.completed() is None
    assert markers.failed() is None
    assert markers.progress() is None
    assert markers.failed_etag() is None


def test_complete(markers: StageMarkers, store: LocalStore) -> None:
    """completed.json says what was made, when and where, and lies where the contract puts it."""
    assert _complete(markers)
    marker = markers.completed()
    assert marker is not None
    assert (marker.stage, marker.fingerprint, marker.content_digest) == ("train", "f" * 64, "c" * 64)
    assert (marker.reused, marker.host, marker.started) == (False, host_name(), "2026-01-01T00:00:00+00:00")
    assert marker.finished
    assert list(store.list("sessions")) == [f"{PREFIX}/completed.json"]


def test_complete_again_changes_nothing(markers: StageMarkers, store: LocalStore) -> None:
    """The same result leaves the first marker as it is; another content replaces it."""
    from pathlib import Path

    _complete(markers)
    before = listing(Path(store.location))
    assert not markers.complete("f" * 64, "c" * 64, reused=True, started="2027")
    assert listing(Path(store.location)) == before
    assert _complete(markers, "d" * 64)
    marker = markers.completed()
    assert marker is not None
    assert marker.content_digest == "d" * 64


def test_success_forgets_failure(markers: StageMarkers) -> None:
    """A completed stage has no failed.json, also when its completed.json was there already."""
    _complete(markers)
    for _ in range(2):
        markers.fail(InputError("x"), 1)
        _complete(markers)
        assert markers.failed() is None


def test_failure(markers: StageMarkers) -> None:
    """failed.json says what happened and what to do; a result of before, which may be another host's, stays."""
    _complete(markers)
    markers.fail(InputError("The model is cut.", where="model.safetensors", remedy="fetch it again"), attempt=3)
    assert markers.completed() is not None
    marker = markers.failed()
    assert marker is not None
    assert (marker.kind, marker.what, marker.where) == ("InputError", "The model is cut.", "model.safetensors")
    assert (marker.remedy, marker.exit_code, marker.retryable, marker.attempt) == ("fetch it again", 2, False, 3)


def test_a_secret_in_a_failure(markers: StageMarkers, monkeypatch: pytest.MonkeyPatch) -> None:
    """failed.json can be read by every stage's user: no part of it holds a credential of this process."""
    monkeypatch.setenv("HF_TOKEN", "hf_a-secret-value")
    url = "https://hf_a-secret-value@hub.example"
    for error in (InputError(url, where=url, remedy=url), ValueError(url)):
        marker = markers.fail(error, 1)
        assert marker == markers.failed()
        assert "a-secret" not in marker.to_bytes().decode()
        assert "https://***@hub.example" in marker.what


def test_retryable_failures_say_so(markers: StageMarkers) -> None:
    """Those who wait learn whether waiting can help."""
    assert markers.fail(ServerError("The server does not answer."), 1).retryable
    assert not markers.fail(InputError("x"), 1).retryable
    assert not markers.fail(StorageError("The disk is full."), 1).retryable


def test_defects_are_failures_too(markers: StageMarkers, said: Said) -> None:
    """An error of the program itself is recorded with its type, exit code 1, and where to look."""
    marker = markers.fail(ZeroDivisionError("division by zero"), 1)
    assert marker.what == "ZeroDivisionError: division by zero"
    assert (marker.exit_code, marker.retryable) == (1, False)
    said(marker.remedy)


def test_a_message_with_a_name_that_is_not_text(markers: StageMarkers) -> None:
    """The name of a file that is no UTF-8 does not stop the failure from being told."""
    path = b"/data/r\xe9sum\xe9".decode("utf-8", "surrogateescape")
    markers.fail(InputError("x", where=path), 1)
    markers.fail(ValueError(path), 2)
    failed = markers.failed()
    assert failed is not None
    assert "sum" in failed.what


def test_failed_etag_changes_with_each_failure(markers: StageMarkers) -> None:
    """A waiter can tell a new failure from an old one that says the same."""
    etags = set()
    for attempt in range(5):
        markers.fail(InputError("x"), attempt)
        etags.add(markers.failed_etag())
    assert len(etags) == 5


def test_clear(markers: StageMarkers, store: LocalStore) -> None:
    """Both markers can be taken back, the completed one without a delete; taking back nothing is fine."""
    markers.clear_completed()
    assert list(store.list("sessions")) == []
    _complete(markers)
    markers.clear_completed()
    markers.clear_completed()
    assert markers.completed() is None
    markers.fail(InputError("x"), 1)
    markers.clear_failure()
    markers.clear_failure()
    assert list(store.list("sessions")) == [f"{PREFIX}/completed.json"]


def test_a_marker_that_holds_good_is_not_taken_back(markers: StageMarkers) -> None:
    """Whoever takes a marker back may look at it first."""
    _complete(markers)
    markers.clear_completed(unless=lambda marker: marker.content_digest == "c" * 64)
    assert markers.completed() is not None
    markers.clear_completed(unless=lambda marker: marker.content_digest == "d" * 64)
    assert markers.completed() is None


def test_a_marker_that_is_replaced_meanwhile_is_not_taken_back(markers: StageMarkers) -> None:
    """While one host looks at an old marker, another completes the stage: the new marker stays."""
    _complete(markers)

    def looking(marker: object) -> bool:
        _complete(markers, "d" * 64)
        return False

    markers.clear_completed(unless=looking)
    marker = markers.completed()
    assert marker is not None
    assert marker.content_digest == "d" * 64


@pytest.mark.parametrize("name", ["completed.json", "failed.json", "progress.json"])
@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"schema_version": 1, "stage": "train"}'])
def test_damaged_markers_count_as_none(markers: StageMarkers, store: LocalStore, name: str, data: bytes) -> None:
    """The artifact decides, so a damaged marker is only a missing one."""
    store.put_bytes(f"{PREFIX}/{name}", data)
    assert {"completed.json": markers.completed, "failed.json": markers.failed, "progress.json": markers.progress}[
        name
    ]() is None
    assert _complete(markers)


def test_newer_markers_are_told(markers: StageMarkers, store: LocalStore) -> None:
    """A marker of a newer program is not overwritten in ignorance."""
    _complete(markers)
    record = json.loads(store.get_bytes(f"{PREFIX}/completed.json") or b"")
    store.put_bytes(f"{PREFIX}/completed.json", json.dumps({**record, "schema_version": 2}).encode())
    with pytest.raises(NewerFormat):
        _complete(markers)


def test_progress(markers: StageMarkers) -> None:
    """progress.json is read back as it was written."""
    record = ProgressRecord(
        stage="train",
        attempt=2,
        fingerprint="f" * 64,
        state="running",
        done=3,
        total=10,
        message="step 3",
        started="a",
        time="b",
        host="h",
        pid=1,
    )
    markers.write_progress(record)
    assert markers.progress() == record


def test_stages_and_sessions_are_apart(store: LocalStore) -> None:
    """A marker speaks for one stage in one session."""
    _complete(StageMarkers(store, "s1", "train"))
    assert StageMarkers(store, "s1", "convert-a").completed() is None
    assert StageMarkers(store, "s2", "train").completed() is None

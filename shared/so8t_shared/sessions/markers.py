"""Markers: how stages of a session, which may run on different hosts, learn about each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

from so8t_shared.documents import Document
from so8t_shared.errors import IntegrityError, So8tError
from so8t_shared.host import host_name, now
from so8t_shared.redaction import presentable
from so8t_shared.store.base import ArtifactStore

D = TypeVar("D", bound=Document)


class Completed(Document):
    """completed.json: the stage's artifact is committed."""

    schema_version: Literal[1] = 1
    stage: str
    fingerprint: str
    content_digest: str
    reused: bool
    started: str
    finished: str
    host: str


class Withdrawn(Document):
    """Replaces a withdrawn completed.json, so that a stage's keys need no permission to delete."""

    schema_version: Literal[1] = 1
    withdrawn: Literal[True] = True


class Failed(Document):
    """failed.json: why the last attempt ended without a result."""

    schema_version: Literal[1] = 1
    stage: str
    kind: str
    what: str
    where: str
    remedy: str
    exit_code: int
    retryable: bool
    attempt: int
    time: str
    host: str


class ProgressRecord(Document):
    """progress.json: live progress for display."""

    schema_version: Literal[1] = 1
    stage: str
    attempt: int
    fingerprint: str
    """Fingerprint of the current or last artifact, which protects interrupted work from `gc`; empty if none."""
    state: Literal["waiting", "running", "done", "failed", "interrupted"]
    done: int
    total: int
    message: str
    started: str
    time: str
    host: str
    pid: int


class StageMarkers:
    """The markers of one stage in one session."""

    def __init__(self, store: ArtifactStore, session_id: str, stage: str) -> None:
        self._store = store
        self._stage = stage
        self.prefix = f"sessions/{session_id}/{stage}"

    def completed(self) -> Completed | None:
        """The completed marker; a damaged one counts as missing, because the artifact decides."""
        return self._read("completed.json", Completed)

    def failed(self) -> Failed | None:
        """The failed marker."""
        return self._read("failed.json", Failed)

    def progress(self) -> ProgressRecord | None:
        """The latest progress record."""
        return self._read("progress.json", ProgressRecord)

    def failed_etag(self) -> str | None:
        """Etag of failed.json, which changes with each new failure."""
        stat = self._store.stat(f"{self.prefix}/failed.json")
        return stat.etag if stat else None

    def complete(self, fingerprint: str, content_digest: str, *, reused: bool, started: str) -> bool:
        """Write completed.json unless it already says the same; return whether it was written."""
        current = self.completed()
        if current and (current.fingerprint, current.content_digest) == (fingerprint, content_digest):
            self.clear_failure()
            return False
        marker = Completed(
            stage=self._stage,
            fingerprint=fingerprint,
            content_digest=content_digest,
            reused=reused,
            started=started,
            finished=now(),
            host=host_name(),
        )
        self._store.put_bytes(f"{self.prefix}/completed.json", marker.to_bytes())
        self.clear_failure()
        return True

    def fail(self, error: BaseException, attempt: int) -> Failed:
        """Write failed.json for an error, fit to print; completed.json stays, as it may be another host's."""
        told = error if isinstance(error, So8tError) else self._unexpected(error)
        marker = Failed(
            stage=self._stage,
            kind=type(error).__name__,
            what=presentable(told.what),
            where=presentable(told.where),
            remedy=presentable(told.remedy),
            exit_code=told.exit_code,
            retryable=told.retryable,
            attempt=attempt,
            time=now(),
            host=host_name(),
        )
        self._store.put_bytes(f"{self.prefix}/failed.json", marker.to_bytes())
        return marker

    def _unexpected(self, error: BaseException) -> So8tError:
        remedy = f"see 'so8t-ab logs {self._stage}', or run again with --debug"
        return So8tError(f"{type(error).__name__}: {error}", remedy=remedy)

    def clear_failure(self) -> None:
        """Remove the last failure, because a new attempt starts or has succeeded."""
        self._store.delete(f"{self.prefix}/failed.json")

    def clear_completed(self, unless: Callable[[Completed], bool] = lambda marker: False) -> None:
        """Withdraw the completed marker, `unless` it is still valid or has been replaced in the meantime."""
        key = f"{self.prefix}/completed.json"
        current, withdrawn = self._store.read_versioned(key), Withdrawn().to_bytes()
        if current is None or current[0] == withdrawn:
            return
        marker = _parsed(current[0], key, Completed)
        if marker is None or not unless(marker):
            self._store.compare_and_put(key, withdrawn, current[1])

    def write_progress(self, record: ProgressRecord) -> None:
        """Write progress.json."""
        self._store.put_bytes(f"{self.prefix}/progress.json", record.to_bytes())

    def _read(self, name: str, kind: type[D]) -> D | None:
        key = f"{self.prefix}/{name}"
        data = self._store.get_bytes(key)
        return None if data is None else _parsed(data, key, kind)


def _parsed(data: bytes, key: str, kind: type[D]) -> D | None:
    try:
        return kind.from_bytes(data, key)
    except IntegrityError:
        return None

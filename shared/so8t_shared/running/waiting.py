"""Wait for the stages that this one needs, by their markers."""

from __future__ import annotations

import time

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.errors import InputError, IntegrityError, UpstreamError
from so8t_shared.interruption import StopSignal
from so8t_shared.leases.holder import Watch
from so8t_shared.running.progress import ProgressReporter
from so8t_shared.sessions.markers import Failed, StageMarkers
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore

Upstream = dict[str, tuple[Artifact, Manifest]]

_FIRST_POLL_S = 0.1
_LAST_POLL_S = 5.0
_OLD_FAILURE_GRACE_S = 15.0
"""How long to wait for a retry of a failure that is older than this wait."""

_OTHER_HOST_GRACE_S = 300.0
"""How long a wait survives one host's lack of an input or disk space, where other hosts share the store.

Another host may be reading a model of many GB, which happens before it takes its lease and is not visible here.
"""


def wait_for_upstreams(
    store: ArtifactStore,
    session_id: str,
    stage: Stage,
    *,
    patience_s: float,
    stop: StopSignal,
    reporter: ProgressReporter,
) -> Upstream:
    """Wait for, and return, the committed artifact of every stage that `stage` needs.

    Polls with growing pauses for up to `patience_s` seconds. A failure ends the wait unless another process is
    working on that stage: one host's failure does not mean that no other host can do it. For the same reason, a missing
    input or lack of disk space ends it only after some minutes if several hosts share the store.

    Raises:
        UpstreamError: a stage failed for good, or is still missing when the time is up.
        Interrupted: a signal came.
    """
    markers = {name: StageMarkers(store, session_id, name) for name in stage.needs}
    failures = {name: _Failures(store, m, name) for name, m in markers.items()}
    began, pause_s, said = time.monotonic(), _FIRST_POLL_S, ""
    while True:
        found = {name: completed_artifact(store, m) for name, m in markers.items()}
        missing = [name for name, artifact in found.items() if artifact is None]
        if not missing:
            return {name: artifact for name, artifact in found.items() if artifact is not None}
        waited_s = time.monotonic() - began
        failed = [note for name in missing if (note := failures[name].judge(waited_s, patience_s))]
        if waited_s >= patience_s:
            raise UpstreamError(
                f"{stage.name} needs {', '.join(missing)}, which this session has not completed.",
                where=f"session {session_id} in {store.location}",
                remedy=f"run 'so8t-ab run', run the stage {missing[0]} first, or wait for it with --wait-s",
            )
        message = "; ".join([f"waiting for {', '.join(missing)}", *failed])
        if message != said:
            reporter.tell("waiting", message)
            said = message
        stop.wait(pause_s)
        stop.check()
        pause_s = min(pause_s * 1.5, _LAST_POLL_S)


def upstream_changed(store: ArtifactStore, session_id: str, upstream: Upstream) -> bool:
    """Whether an upstream stage has since been completed again with other content."""
    for name, (_, manifest) in upstream.items():
        marker = StageMarkers(store, session_id, name).completed()
        if marker is not None and marker.content_digest != manifest.content_digest():
            return True
    return False


class _Failures:
    """Decides what the failures of an upstream stage mean for the wait."""

    def __init__(self, store: ArtifactStore, markers: StageMarkers, stage: str) -> None:
        self._work = _Work(store, markers, stage)
        self._markers = markers
        self._before = markers.failed_etag()
        self._many_hosts = store.remote
        self._first_s: float | None = None
        """When the first failure was seen, in seconds of waiting."""

    def judge(self, waited_s: float, patience_s: float) -> str:
        """A note on a failure that may still be resolved; empty without one, or while a process is working.

        Raises:
            UpstreamError: the failure ends the wait.
        """
        failure = self._markers.failed()
        if failure is None or self._work.goes_on():
            return ""
        self._first_s = waited_s if self._first_s is None else self._first_s
        may_pass = failure.retryable or waited_s - self._first_s < self._grace_s(failure)
        if may_pass and waited_s < patience_s:
            return f"{failure.stage} failed on {failure.host}: {failure.what}"
        raise UpstreamError(
            f"{failure.stage} failed: {failure.what}",
            where=failure.where or f"on {failure.host} at {failure.time}",
            remedy=failure.remedy,
        )

    def _grace_s(self, failure: Failed) -> float:
        if self._many_hosts and failure.exit_code == InputError.exit_code:
            return _OTHER_HOST_GRACE_S
        return _OLD_FAILURE_GRACE_S if self._markers.failed_etag() == self._before else 0.0


class _Work:
    """Whether a process holds the lease for a stage's current work in this session."""

    def __init__(self, store: ArtifactStore, markers: StageMarkers, stage: str) -> None:
        self._store = store
        self._markers = markers
        self._stage = stage
        self._watches: dict[str, Watch] = {}

    def goes_on(self) -> bool:
        """Check once; a holder that was silent for its lease's time to live, by our clock, no longer counts."""
        progress = self._markers.progress()
        if progress is None or not progress.fingerprint:
            return False
        key = Artifact(self._store, self._stage, progress.fingerprint).lease_key
        sight = self._watches.setdefault(key, Watch(self._store, key)).look()
        return not sight.free


def completed_artifact(store: ArtifactStore, markers: StageMarkers) -> tuple[Artifact, Manifest] | None:
    """The artifact that a stage's marker refers to, if committed; checks no files.

    Raises:
        NewerFormat: a newer program wrote the manifest.
    """
    marker = markers.completed()
    if marker is None:
        return None
    artifact = Artifact(store, marker.stage, marker.fingerprint)
    try:
        manifest = artifact.manifest()
    except IntegrityError:
        return None  # its own stage notices and rebuilds it
    if manifest is None or manifest.content_digest() != marker.content_digest:
        return None
    return artifact, manifest

"""Waiting for the stages before this one, by their markers alone."""

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
"""How long a failure written before we began may be about to be retried."""

_OTHER_HOST_GRACE_S = 300.0
"""How long what one host lacks (an input, room on its disk) does not end a wait where other hosts share the store.

One of them may be reading a model of many GB, which comes before its lease and tells nobody that it is at work.
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
    """The committed artifact of every stage that `stage` needs.

    Polls with growing pauses for up to `patience_s` seconds. A failure ends the wait unless another process is at
    work on that stage: a host that cannot do it does not speak for one that can. For the same reason the lack of an
    input, or of room, ends it only after some minutes where the store is one of several hosts.

    Raises:
        UpstreamError: one failed for good, or is still missing when patience ends.
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
                f"{stage.name} needs {', '.join(missing)}; this session has not completed {_them(missing)}.",
                where=f"session {session_id} in {store.location}",
                remedy=f"run 'so8t-ab run', or the stage {missing[0]} first, or wait for it with --wait-s",
            )
        message = "; ".join([f"waiting for {', '.join(missing)}", *failed])
        if message != said:
            reporter.tell("waiting", message)
            said = message
        stop.wait(pause_s)
        stop.check()
        pause_s = min(pause_s * 1.5, _LAST_POLL_S)


def _them(missing: list[str]) -> str:
    return "it" if len(missing) == 1 else "them"


def upstream_changed(store: ArtifactStore, session_id: str, upstream: Upstream) -> bool:
    """Whether a stage before this one has been completed anew with other content meanwhile."""
    for name, (_, manifest) in upstream.items():
        marker = StageMarkers(store, session_id, name).completed()
        if marker is not None and marker.content_digest != manifest.content_digest():
            return True
    return False


class _Failures:
    """What the failures of a stage that is waited for mean to who waits."""

    def __init__(self, store: ArtifactStore, markers: StageMarkers, stage: str) -> None:
        self._work = _Work(store, markers, stage)
        self._markers = markers
        self._before = markers.failed_etag()
        self._many_hosts = store.remote
        self._first_s: float | None = None
        """When the first failure was seen, in seconds of waiting."""

    def judge(self, waited_s: float, patience_s: float) -> str:
        """A note on a failure that may still be mended; empty where there is none, or somebody is at work.

        Raises:
            UpstreamError: it ends the wait.
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
    """Whether a process holds the lease of what a stage works on in this session."""

    def __init__(self, store: ArtifactStore, markers: StageMarkers, stage: str) -> None:
        self._store = store
        self._markers = markers
        self._stage = stage
        self._watches: dict[str, Watch] = {}

    def goes_on(self) -> bool:
        """One look; a holder that is silent, by our clock, for its lease's time to live counts no longer."""
        progress = self._markers.progress()
        if progress is None or not progress.fingerprint:
            return False
        key = Artifact(self._store, self._stage, progress.fingerprint).lease_key
        sight = self._watches.setdefault(key, Watch(self._store, key)).look()
        return not sight.free


def completed_artifact(store: ArtifactStore, markers: StageMarkers) -> tuple[Artifact, Manifest] | None:
    """What a stage's marker speaks of, if that is committed; no file is looked at.

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
        return None  # its own stage notices and makes it anew
    if manifest is None or manifest.content_digest() != marker.content_digest:
        return None
    return artifact, manifest

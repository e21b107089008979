"""Waiting for the stages before this one, by their markers alone."""

from __future__ import annotations

import time

from so8t_shared.artifacts import Artifact
from so8t_shared.errors import IntegrityError, NewerFormat, UpstreamError
from so8t_shared.interruption import StopSignal
from so8t_shared.lease_record import Watch
from so8t_shared.manifests import Manifest
from so8t_shared.markers import Failed, StageMarkers
from so8t_shared.progress import ProgressReporter
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore

Upstream = dict[str, tuple[Artifact, Manifest]]

_FIRST_POLL_S = 0.1
_LAST_POLL_S = 5.0
_OLD_FAILURE_GRACE_S = 15.0
"""How long a failure written before we began may be about to be retried."""


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
    work on that stage: a host that cannot do it does not speak for one that can.

    Raises:
        UpstreamError: one failed for good, or is still missing when patience ends.
        Interrupted: a signal came.
    """
    markers = {name: StageMarkers(store, session_id, name) for name in stage.needs}
    work = {name: _Work(store, m, name) for name, m in markers.items()}
    old_failures = {name: m.failed_etag() for name, m in markers.items()}
    began, pause_s, said = time.monotonic(), _FIRST_POLL_S, ""
    while True:
        found = {name: completed_artifact(store, m) for name, m in markers.items()}
        missing = [name for name, artifact in found.items() if artifact is None]
        if not missing:
            return {name: artifact for name, artifact in found.items() if artifact is not None}
        waited_s = time.monotonic() - began
        for name in missing:
            failure = markers[name].failed()
            fresh = markers[name].failed_etag() != old_failures[name]
            judged = fresh or waited_s >= min(_OLD_FAILURE_GRACE_S, patience_s)
            if failure and judged and not work[name].goes_on():
                _end_if_final(failure, out_of_patience=waited_s >= patience_s)
        if waited_s >= patience_s:
            raise UpstreamError(
                f"{stage.name} needs {' and '.join(missing)}, which has not been completed in this session.",
                where=f"session {session_id} in {store.location}",
                remedy=f"run 'so8t-ab run', or the stage {missing[0]} first, or wait for it with --wait-s",
            )
        message = f"waiting for {', '.join(missing)}"
        if message != said:
            reporter.state("waiting", message)
            said = message
        stop.wait(pause_s)
        stop.check()
        pause_s = min(pause_s * 1.5, _LAST_POLL_S)


def upstream_changed(store: ArtifactStore, session_id: str, upstream: Upstream) -> bool:
    """Whether a stage before this one has been completed anew with other content meanwhile."""
    for name, (_, manifest) in upstream.items():
        marker = StageMarkers(store, session_id, name).completed()
        if marker is not None and marker.content_digest != manifest.content_digest():
            return True
    return False


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
    except NewerFormat:
        raise
    except IntegrityError:
        return None  # its own stage notices and makes it anew
    if manifest is None or manifest.content_digest() != marker.content_digest:
        return None
    return artifact, manifest


def _end_if_final(failure: Failed, *, out_of_patience: bool) -> None:
    if failure.retryable and not out_of_patience:
        return
    raise UpstreamError(
        f"{failure.stage} failed: {failure.what}",
        where=failure.where or f"on {failure.host} at {failure.time}",
        remedy=failure.remedy,
    )

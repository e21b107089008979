"""Run one stage: wait, decide, take the lease, work, commit, mark.

Every service uses this; its own code is only the function that fills the output folder. The order
of the steps is the contract: the manifest is written last, markers refer only to committed
artifacts, and a process without the lease commits nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.artifacts.checkpoints import Checkpoints
from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.artifacts.downloads import left_downloads, remove_download
from so8t_shared.artifacts.fingerprints import (
    Key,
    fingerprint,
    inputs_digests,
    stage_key,
    upstream_digests,
)
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.artifacts.newest import note_newest
from so8t_shared.artifacts.shared_output import note_shared
from so8t_shared.errors import IntegrityError, Interrupted, NewerFormat, ServerError, StorageError
from so8t_shared.host import now
from so8t_shared.interruption import StopSignal
from so8t_shared.leases.lease import Lease, acquire
from so8t_shared.results.live import LIVE_FILE
from so8t_shared.running.context import StageContext, StageFunction
from so8t_shared.running.events import ASIDE_PATIENCE_S, Listeners, Scene, Work
from so8t_shared.running.export import export_outputs
from so8t_shared.running.live import LiveFile
from so8t_shared.running.logs import log_end, stage_logger
from so8t_shared.running.progress import ProgressReporter
from so8t_shared.running.scratch import UNFINISHED, scratch_folder, scratch_stem
from so8t_shared.running.waiting import Upstream, upstream_changed, wait_for_upstreams
from so8t_shared.sessions.markers import Completed, StageMarkers
from so8t_shared.sessions.session import Session
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore

_OUTAGES = (ServerError, StorageError)
"""Errors that also keep a lease from being renewed: an expired lease does not explain them."""


@dataclass(frozen=True)
class Outcome:
    """Result of a successful stage."""

    fingerprint: str
    manifest: Manifest
    reused: bool


@dataclass(frozen=True)
class _Target:
    """The artifact a stage is to make, and its inputs."""

    artifact: Artifact
    key: Key
    upstream: Upstream


class StageRun:
    """One attempt at one stage in one session."""

    def __init__(
        self,
        stage: Stage,
        session: Session,
        store: ArtifactStore,
        *,
        listeners: Listeners,
        stop: StopSignal,
        key: Key | None = None,
    ) -> None:
        """`key` is the stage's key where the caller has just computed it."""
        self.stage = stage = stage.under(session.config)
        self.session = session
        self.store = store.checked(stop.check)  # a stop request also ends waiting and file transfers
        self.stop = stop
        self.listeners = listeners
        self.markers = StageMarkers(self.store, session.session_id, stage.name)
        self._aside = store.patient(ASIDE_PATIENCE_S)
        self.reporter = ProgressReporter(listeners, stage.name)
        self._digests = DigestCache(store.local_root / "digests.sqlite")
        self.key = key
        """The stage's key, once it has been computed."""
        self._started = now()
        self._marked = False
        """Whether this attempt wrote completed.json."""

    def run(self, load: Callable[[], StageFunction], *, patience_s: float = 0.0) -> Outcome:
        """Do the stage, or reuse a committed artifact; `load` imports the stage's function only when needed.

        Raises:
            So8tError: any subclass; `record_failure` writes a marker for other processes.
        """
        self.open_listeners()
        self.markers.clear_failure()
        while True:
            target = self._target(patience_s)
            outcome = self._reuse(target) or self._compute(target, load)
            self.key = None  # time has passed
            if outcome and not upstream_changed(self.store, self.session.session_id, target.upstream):
                return outcome

    def open_listeners(self) -> None:
        """Open the listeners of this session."""
        work = Work(self.session, self.store, self._aside, lambda: self._attempt)
        self.listeners.open(Scene([self.stage], work=work))

    def reuse_only(self) -> Outcome | None:
        """The outcome if the stages that this one needs are complete and its artifact is committed, else None."""
        return self._reuse(self._target(patience_s=0.0))

    def record_failure(self, error: BaseException) -> None:
        """Write failed.json for the stages that wait for this one.

        Removes completed.json if this attempt wrote it or its artifact is incomplete: another host's completion stays
        valid even if this host could not do the stage.
        """
        self.markers.clear_completed(unless=lambda marker: not self._marked and self._stands(marker))
        self.markers.fail(error, self._attempt)

    @cached_property
    def _attempt(self) -> int:
        """Number of this attempt at the stage in the session, starting at 1."""
        last = StageMarkers(self._aside, self.session.session_id, self.stage.name).progress()
        return last.attempt + 1 if last else 1

    def _stands(self, marker: Completed) -> bool:
        try:
            manifest, _ = Artifact(self.store, self.stage.name, marker.fingerprint).inspect()
        except NewerFormat:
            return True  # a newer program wrote it and must judge it
        return manifest is not None and manifest.content_digest() == marker.content_digest

    def _target(self, patience_s: float) -> _Target:
        """Wait for the stages that this one needs; return what to make."""
        upstream = wait_for_upstreams(
            self.store,
            self.session.session_id,
            self.stage,
            patience_s=patience_s,
            stop=self.stop,
            reporter=self.reporter,
        )
        manifests = {name: manifest for name, (_, manifest) in upstream.items()}
        if self.key is None or self.key["upstream"] != upstream_digests(self.stage, manifests):
            self.key = stage_key(self.stage, self.session.config, manifests, self._digests)
        return _Target(Artifact(self.store, self.stage.name, fingerprint(self.key)), self.key, upstream)

    def _reuse(self, target: _Target) -> Outcome | None:
        artifact = target.artifact
        manifest, _ = artifact.inspect()
        if manifest is None:
            if self.markers.completed() is not None:
                self.markers.clear_completed()
            return None
        artifact.tidy(manifest)  # a kill right after the commit may have left files
        return self._adopt(artifact, manifest)

    def _compute(self, target: _Target, load: Callable[[], StageFunction]) -> Outcome | None:
        """Work, or wait for the process that does.

        None if there is another target now: the committed artifact was collected right away, or an input was edited
        while this process waited for the lease or imported the stage's libraries.
        """
        artifact = target.artifact

        def committed() -> Manifest | None:
            self.stop.check()
            return artifact.inspect()[0]

        lease = acquire(
            self.store,
            artifact.lease_key,
            until=committed,
            pause=self.stop.wait,
            on_wait=lambda holder: self.reporter.tell("waiting", f"computed by {holder}", audience="here"),
        )
        if isinstance(lease, Manifest):
            return self._adopt(artifact, lease)
        try:
            manifest, damage = artifact.reusable(lease)
            if damage:
                self.reporter.log(
                    "WARNING", f"a stored artifact is damaged and will be rebuilt: {damage}", audience="here"
                )
            if manifest is not None:
                self._mark(artifact, manifest, reused=True)
                return self._finish(artifact, manifest, reused=True)
            self.reporter.fingerprint = artifact.fingerprint
            manifest = self._work(target, lease, load)
            if manifest is None:
                return None
            artifact.sweep(lease)
            note_newest(artifact)
            note_shared(artifact, self.stage, self.session.config, target.key)
            self._mark(artifact, manifest, reused=False)
            return self._finish(artifact, manifest, reused=False)
        finally:
            if lease.lost:
                self.reporter.fingerprint = ""  # another process owns the work now, and progress.json too
            lease.stop()

    def _work(self, target: _Target, lease: Lease, load: Callable[[], StageFunction]) -> Manifest | None:
        """Do the work; None if an input was edited since the key was computed."""
        artifact = target.artifact
        self.reporter.tell("started", "starting")
        for folder in left_downloads(self.store):
            remove_download(folder)
        with (
            stage_logger(self.reporter, self.stage.name) as log,
            scratch_folder(self.store.local_root, scratch_stem(artifact.stage, artifact.fingerprint)) as scratch,
        ):
            try:
                function = load()
                if inputs_digests(self.stage, self.session.config, self._digests) != target.key["inputs"]:
                    return None
                attempt = Attempt.begin(self._limited(artifact, self.stop.check, lease.check))
                context = self._context(target, lease, attempt, scratch, log)
                function(context)
                context.check_interrupted()
                return attempt.commit(context.output_dir, target.key, lease)
            except BaseException as error:
                log_end(log, error)
                if not isinstance(error, Interrupted) and (lease.taken or not isinstance(error, _OUTAGES)):
                    lease.check()  # the cause may be a new holder that removed our files
                raise
            finally:
                self.listeners.flush()

    def _context(
        self, target: _Target, lease: Lease, attempt: Attempt, scratch: Path, log: logging.Logger
    ) -> StageContext:
        saving = Attempt(self._limited(target.artifact, lease.check), attempt.number)  # works even after a stop request
        return StageContext(
            config=self.session.config,
            session_id=self.session.session_id,
            stage=self.stage,
            fingerprint=target.artifact.fingerprint,
            key=target.key,
            output_dir=scratch / "output",
            scratch_dir=scratch / "scratch",
            unfinished_dir=scratch / UNFINISHED,
            log=log,
            checkpoints=Checkpoints(saving, lease),
            artifact=attempt.artifact,
            lease=lease,
            stop=self.stop,
            reporter=self.reporter,
            live=LiveFile(self._aside, f"{self.markers.prefix}/{LIVE_FILE}"),
            upstream=target.upstream,
        )

    def _limited(self, artifact: Artifact, *checks: Callable[[], None]) -> Artifact:
        """The same artifact; any of the checks may end work on it."""

        def check() -> None:
            for each in checks:
                each()

        return Artifact(self.store.checked(check), artifact.stage, artifact.fingerprint)

    def _adopt(self, artifact: Artifact, manifest: Manifest) -> Outcome | None:
        """Reuse a committed artifact; None if it was collected before our marker protected it."""
        self._mark(artifact, manifest, reused=True)
        if self._gone(artifact):
            self.markers.clear_completed()
            return None
        return self._finish(artifact, manifest, reused=True)

    def _gone(self, artifact: Artifact) -> bool:
        try:
            return artifact.manifest() is None
        except IntegrityError:
            return False  # damaged since: whoever reads it says so

    def _mark(self, artifact: Artifact, manifest: Manifest, *, reused: bool) -> None:
        content = manifest.content_digest()
        self._marked |= self.markers.complete(artifact.fingerprint, content, reused=reused, started=self._started)

    def _finish(self, artifact: Artifact, manifest: Manifest, *, reused: bool) -> Outcome:
        export_outputs(self.stage, artifact, manifest, self.session, self.stop.check)
        if not reused:
            self.reporter.tell("finished")
        return Outcome(artifact.fingerprint, manifest, reused)

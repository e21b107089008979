"""Everything a stage function works with: inputs, an output folder, checkpoints, progress."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.checkpoints import Checkpoints
from so8t_shared.artifacts.fingerprints import Key
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.artifacts.shared_output import shared_files
from so8t_shared.artifacts.shelves import Shelves
from so8t_shared.config.model import Config
from so8t_shared.interruption import StopSignal
from so8t_shared.leases.lease import Lease
from so8t_shared.running.live import LiveFile
from so8t_shared.running.progress import ProgressReporter
from so8t_shared.stages import Stage


@dataclass(frozen=True)
class StageContext:
    """Everything a stage function may use; it reads and writes nothing else."""

    config: Config
    session_id: str
    stage: Stage
    fingerprint: str
    key: Key
    output_dir: Path
    """Initially empty; its files are committed together when the function returns."""
    scratch_dir: Path
    """Private folder, removed afterward."""
    unfinished_dir: Path
    """Private folder, for the stage to make: if this attempt is killed or stopped, the next one here has it."""
    log: logging.Logger
    checkpoints: Checkpoints
    artifact: Artifact
    lease: Lease
    stop: StopSignal
    reporter: ProgressReporter
    live: LiveFile
    """Figures for those who watch."""
    upstream: dict[str, tuple[Artifact, Manifest]]

    @property
    def stop_requested(self) -> bool:
        """Whether a signal has asked the stage to save a checkpoint and end."""
        return self.stop.is_set

    def check_held(self) -> None:
        """Raise if another process may have taken over the stage; sends no request, so cheap enough for every step.

        Raises:
            LeaseLost: another process may have taken over; a checkpoint saved now would be rejected.
        """
        self.lease.check()

    def check_interrupted(self) -> None:
        """Raise if a signal came or the lease was lost; call at safe points.

        Raises:
            Interrupted: a signal came.
            LeaseLost: another process took over the stage.
        """
        self.stop.check()
        self.lease.check()

    def progress(self, done: int, total: int, message: str = "") -> None:
        """Report that `done` of `total` steps are done; cheap enough for every step."""
        self.reporter.update(done, total, message)

    def say(self, message: str) -> None:
        """Report a message immediately, without counting a step."""
        self.reporter.tell("progress", message)

    def input_dir(self, stage: str, *, unread: str = "") -> Path:
        """Verified local folder with the files of `stage` that this stage declares in its needs.

        Files that match the pattern `unread` are not read for that: the stage hashes what it reads of them itself, and
        calls `check_read` before it uses the result.

        Raises:
            IntegrityError: a file is missing or altered.
        """
        artifact, manifest = self.upstream[stage]
        return artifact.materialize(manifest, self.stage.needs[stage], unread=unread)

    def check_read(self, stage: str, folder: Path, found: Mapping[Path, str]) -> None:
        """Check that files of `input_dir` have the sha256 with which `stage` wrote them.

        Raises:
            IntegrityError: a file is altered.
        """
        artifact, manifest = self.upstream[stage]
        artifact.check_read(manifest, folder, found)

    def input_digests(self, stage: str) -> dict[str, str]:
        """Digests of the models and data outside the store that `stage` read, by their place in the configuration."""
        _, manifest = self.upstream[stage]
        return dict(manifest.key.get("inputs", {}))

    def shared_output(self) -> Path | None:
        """Verified local folder with `stage.shared.files` of the same inputs, if another artifact has them."""
        return shared_files(self.artifact.store, self.stage, self.config, self.key)

    def cache(self, namespace: str) -> Shelves:
        """Small JSON objects that other artifacts can use too; close it at the end."""
        return Shelves(self.artifact.store, namespace, self.fingerprint)


StageFunction = Callable[[StageContext], None]

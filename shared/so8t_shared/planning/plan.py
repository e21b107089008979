"""What a run would do for each stage, and why; writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.artifacts.fingerprints import changed_parts, fingerprint, stage_key
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.artifacts.newest import newest_artifacts
from so8t_shared.config.model import Config
from so8t_shared.errors import IntegrityError, NewerFormat
from so8t_shared.running.waiting import completed_artifact
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import find_session
from so8t_shared.stages import STAGES, Stage, under
from so8t_shared.store.base import ArtifactStore


@dataclass(frozen=True)
class PlannedStage:
    """One line of a plan."""

    stage: Stage
    action: Literal["run", "resume", "reuse"]
    why: list[str]
    fingerprint: str | None
    """None while it depends on a stage that has yet to run."""


def make_plan(store: ArtifactStore, config: Config, stages: Sequence[Stage] = STAGES) -> list[PlannedStage]:
    """Decide for each of the stages whether it would run, resume or be reused.

    Stages left out count as completed if the configuration's session completed them; their inputs need not exist here.

    Raises:
        InputError: a model or data set is missing.
    """
    digests = DigestCache(store.local_root / "digests.sqlite")
    stages = under(config, stages)
    names = {stage.name for stage in stages}
    known = _completed(store, config, {need for stage in stages for need in stage.needs} - names)
    planned = []
    for stage in stages:
        unknown = [need for need in stage.needs if need not in known]
        if unknown:
            why = [f"{need} {'runs first' if need in names else 'has not been completed'}" for need in unknown]
            planned.append(PlannedStage(stage, "run", why, None))
            continue
        line, manifest = _plan_stage(stage, store, config, known, digests)
        planned.append(line)
        if manifest is not None:
            known[stage.name] = manifest
    return planned


def _completed(store: ArtifactStore, config: Config, names: set[str]) -> dict[str, Manifest]:
    """Manifests of the named stages that the configuration's session has completed."""
    session_id = find_session(store, config) if names else None
    if session_id is None:
        return {}
    found = {name: completed_artifact(store, StageMarkers(store, session_id, name)) for name in names}
    return {name: artifact[1] for name, artifact in found.items() if artifact is not None}


def _plan_stage(
    stage: Stage, store: ArtifactStore, config: Config, known: dict[str, Manifest], digests: DigestCache
) -> tuple[PlannedStage, Manifest | None]:
    key = stage_key(stage, config, known, digests)
    artifact = Artifact(store, stage.name, fingerprint(key))
    manifest, damage = artifact.inspect()
    if manifest is not None:
        return PlannedStage(
            stage, "reuse", [f"made {manifest.created} on {manifest.host}"], artifact.fingerprint
        ), manifest
    if damage:
        return PlannedStage(stage, "run", [f"the stored artifact is damaged: {damage}"], artifact.fingerprint), None
    if names := list(artifact.checkpoints()):
        return PlannedStage(stage, "resume", [f"from checkpoint {names[-1]}"], artifact.fingerprint), None
    nearest = _nearest(store, stage, key)
    why = [f"changed: {part}" for part in nearest] if nearest else ["never run in this store"]
    return PlannedStage(stage, "run", why, artifact.fingerprint), None


def _nearest(store: ArtifactStore, stage: Stage, key: dict[str, object]) -> list[str]:
    """Differences from the most similar of the stage's newest artifacts; from the newest of several."""
    candidates = []
    for artifact in newest_artifacts(store, stage.name):
        try:
            manifest = artifact.manifest()
        except (IntegrityError, NewerFormat):
            continue
        if manifest is not None:
            candidates.append((changed_parts(manifest.key, key), manifest.created))
    if not candidates:
        return []
    fewest = min(len(changes) for changes, _ in candidates)
    return max((c for c in candidates if len(c[0]) == fewest), key=lambda c: c[1])[0]

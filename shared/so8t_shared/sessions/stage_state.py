"""State of a stage for display: what its markers say, and whether its process is alive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.formatting import duration
from so8t_shared.leases.holder import holder_of
from so8t_shared.sessions.markers import ProgressRecord, StageMarkers
from so8t_shared.stages import STAGES
from so8t_shared.store.base import ArtifactStore

_SILENT_S = 900.0
"""A holder silent for this long is gone: no server accepts requests from a host whose clock is off by more."""


@dataclass(frozen=True)
class StageState:
    """One line of `status`."""

    state: str
    count: str = ""
    host: str = ""
    time: str = ""
    """ISO 8601, UTC; empty if nothing has happened yet."""
    message: str = ""


def states_of(store: ArtifactStore, session_id: str) -> dict[str, StageState]:
    """The state of each stage, in pipeline order."""
    return {stage.name: stage_state(store, session_id, stage.name) for stage in STAGES}


def is_over(states: dict[str, StageState]) -> bool:
    """Whether every stage is done or reused."""
    return all(known.state in {"done", "reused"} for known in states.values())


def summary(states: dict[str, StageState]) -> str:
    """State of a session in a few words."""
    for state in ("failed", "running", "interrupted", "waiting"):
        if names := [name for name, known in states.items() if known.state == state]:
            return f"{state}: {', '.join(names)}"
    finished = sum(known.state in {"done", "reused"} for known in states.values())
    return "finished" if finished == len(STAGES) else f"{finished} of {len(STAGES)} stages done"


def stage_state(store: ArtifactStore, session_id: str, stage: str) -> StageState:
    """The state of a stage: done, reused, failed, running, interrupted, waiting or not started."""
    markers = StageMarkers(store, session_id, stage)
    completed, failed, progress = markers.completed(), markers.failed(), markers.progress()
    elsewhere = f"; failed on {failed.host}: {failed.what}" if failed else ""
    if completed:
        state = "reused" if completed.reused else "done"
        message = f"{completed.fingerprint[:12]}{elsewhere}"
        return StageState(state, "", completed.host, completed.finished, message)
    state, doubt = _liveness(store, progress) if progress else ("not started", "")
    goes_on = progress and state == "running" and failed and progress.host != failed.host
    if failed and not goes_on:
        attempt = f"attempt {failed.attempt}"
        return StageState("failed", attempt, failed.host, failed.time, f"{failed.what} {failed.remedy}")
    if progress:
        count = f"{progress.done}/{progress.total}" if progress.total else ""
        message = f"{doubt}{progress.message}{elsewhere}"
        return StageState(state, count, progress.host, progress.time, message)
    return StageState(state)


def _liveness(store: ArtifactStore, progress: ProgressRecord) -> tuple[str, str]:
    """The state in the progress record, unless its process is gone, and a note if it is in doubt."""
    if progress.state != "running" or not progress.fingerprint:
        return progress.state, ""
    key = Artifact(store, progress.stage, progress.fingerprint).lease_key
    data = store.get_bytes(key)
    holder = holder_of(data, key) if data else None
    if holder is None or holder.is_left(store.local_root):
        return "interrupted", "its process is gone; "
    silent_s = _age_s(holder.heartbeat)
    doubt = f"no heartbeat for {duration(silent_s)}; " if silent_s > holder.ttl_s else ""
    return "interrupted" if silent_s > _SILENT_S else "running", doubt


def _age_s(iso: str) -> float:
    """Seconds since then by this host's clock; 0 if the time is unreadable."""
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(iso)).total_seconds()
    except (TypeError, ValueError):
        return 0.0

"""What is known of a store at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field

from so8t_dashboard.reading.figures import Figures
from so8t_dashboard.reading.snapshot import Snapshot


@dataclass(frozen=True)
class Outage:
    """The store is away."""

    since: str
    """ISO 8601, UTC."""
    why: str


@dataclass(frozen=True)
class State:
    """Never changed, but replaced by the next version."""

    store: Snapshot
    sessions: tuple[str, ...] = ()
    """Names of all sessions with a readable record, newest first."""
    version: int = 0
    outage: Outage | None = None
    read_at: str = ""
    """When the store last changed; empty before it was first read."""
    complete: bool = False
    """Whether everything that has changed was read."""
    figures: dict[str, Figures] = field(default_factory=dict)
    """Results by the fingerprint of the conclude stage."""
    left_s: dict[tuple[str, str], float] = field(default_factory=dict)
    """Estimated seconds to the end of running stages, by session and stage."""

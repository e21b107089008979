"""A notification on its way to the process that delivers it, and how that ended."""

from __future__ import annotations

from so8t_shared.documents import Part
from so8t_shared.tables.alerts import Mood


class Parcel(Part):
    """One notification, and where it goes."""

    title: str
    body: str
    mood: Mood
    urls: list[str]
    tones: list[tuple[float, float]]
    """Empty for no sound."""
    timeout_s: float


class Outcome(Part):
    """How one receiver took it."""

    receiver: str
    """Without secrets."""
    fault: str
    """Why it was not delivered; empty if it was."""

"""The newest artifacts of each stage, so that `plan` compares with a few of them, not with all that the store holds.

Only a hint: of several hosts that commit at the same moment one may overwrite another's note.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import Literal

from pydantic import Field

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.documents import Document
from so8t_shared.errors import IntegrityError, NewerFormat, So8tError
from so8t_shared.store.base import ArtifactStore

_KEPT = 16


class Newest(Document):
    """sessions/by-config/newest-<stage>.json, which every stage's keys may write."""

    schema_version: Literal[1] = 1
    fingerprints: tuple[str, ...] = Field(description="Fingerprints as they were committed, newest last.")


def note_newest(artifact: Artifact) -> None:
    """Add an artifact that was just committed; a failure is no harm."""
    known = _noted(artifact.store, artifact.stage)
    others = [fingerprint for fingerprint in known if fingerprint != artifact.fingerprint]
    record = Newest(fingerprints=(*others, artifact.fingerprint)[-_KEPT:])
    with suppress(So8tError):
        artifact.store.put_bytes(_key(artifact.stage), record.to_bytes())


def newest_artifacts(store: ArtifactStore, stage: str) -> list[Artifact]:
    """The newest artifacts of a stage, at most 16, filled up with any that a store of an earlier version holds."""
    names = dict.fromkeys(reversed(_noted(store, stage)))
    if len(names) < _KEPT:
        names.update(dict.fromkeys(islice(store.folders(f"artifacts/{stage}"), _KEPT)))
    return [Artifact(store, stage, name) for name in islice(names, _KEPT)]


def _noted(store: ArtifactStore, stage: str) -> tuple[str, ...]:
    key = _key(stage)
    try:
        data = store.get_bytes(key)
        return Newest.from_bytes(data, key).fingerprints if data else ()
    except (IntegrityError, NewerFormat):
        return ()


def _key(stage: str) -> str:
    return f"sessions/by-config/newest-{stage}.json"

"""Files of an artifact that depend on less than its whole key, which other artifacts of the stage take over.

Such as the prepared rows of train: the members of a study, and reruns with another learning rate, have the same. The
files stay where their artifact is; a small note names the artifact that was committed last with them. Several processes
may write the note at once, as the files of all are the same. `gc` removes it with its artifact.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Literal

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.fingerprints import Key, shared_key
from so8t_shared.canonical import digest
from so8t_shared.config.model import Config
from so8t_shared.documents import Document
from so8t_shared.errors import IntegrityError, NewerFormat, So8tError
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore

_NOTES = "sessions/by-config/shared"


class SharedOutput(Document):
    """sessions/by-config/shared/<digest of the shared files' key>.json, which every stage's keys may write."""

    schema_version: Literal[1] = 1
    stage: str
    fingerprint: str


def note_shared(artifact: Artifact, stage: Stage, config: Config, key: Key) -> None:
    """Let others find the shared files of an artifact that was just committed; a failure is no harm."""
    if stage.shared is not None:
        record = SharedOutput(stage=stage.name, fingerprint=artifact.fingerprint)
        with suppress(So8tError):
            artifact.store.put_bytes(_note(stage, config, key), record.to_bytes())


def shared_files(store: ArtifactStore, stage: Stage, config: Config, key: Key) -> Path | None:
    """A verified folder with the stage's shared files for this configuration and key.

    None if no artifact has them, or if any of them is missing, altered, or of a newer program.
    """
    note = _note(stage, config, key) if stage.shared else ""
    data = store.get_bytes(note) if note else None
    if stage.shared is None or data is None:
        return None
    with suppress(IntegrityError, NewerFormat):
        named = SharedOutput.from_bytes(data, note)
        artifact = Artifact(store, stage.name, named.fingerprint)
        manifest = artifact.manifest()
        return artifact.materialize(manifest, stage.shared.files) if manifest else None
    return None


def forget_shared(store: ArtifactStore) -> None:
    """Delete the notes that name an artifact which is no longer there."""
    for note in list(store.list(_NOTES)):
        try:
            named = SharedOutput.from_bytes(store.get_bytes(note) or b"", note)
            gone = Artifact(store, named.stage, named.fingerprint).manifest() is None
        except NewerFormat:
            continue
        except IntegrityError:
            gone = True  # of a note or a manifest that nobody can read
        if gone:
            store.delete(note)


def _note(stage: Stage, config: Config, key: Key) -> str:
    return f"{_NOTES}/{digest(shared_key(stage, config, key))}.json"

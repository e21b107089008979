"""The study's record in the store: its arms, and the session of each member."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from so8t_shared.documents import Document, Part
from so8t_shared.errors import InputError
from so8t_shared.host import now
from so8t_shared.store.base import ArtifactStore
from so8t_shared.studies.load import LoadedStudy

ROOT = "studies"


class RecordedArm(Part):
    """An arm, as it is shown."""

    name: str
    description: str = ""
    external: bool = False


class RecordedMember(Part):
    """A member and its session."""

    arm: str
    seed: int | None = None
    session_id: str


class StudyRecord(Document):
    """studies/<name>/study.json."""

    schema_version: Literal[1] = 1
    name: str
    created: str
    arms: list[RecordedArm]
    seeds: list[int]
    reference: str = ""
    members: list[RecordedMember]


def record_study(store: ArtifactStore, loaded: LoadedStudy, sessions: Sequence[str]) -> None:
    """Write the study's record; `sessions` are its members' sessions, in the members' order."""
    key = study_key(loaded.study.name)
    while True:
        current = store.read_versioned(key)
        known = StudyRecord.from_bytes(current[0], key) if current else None
        record = StudyRecord(
            name=loaded.study.name,
            created=known.created if known else now(),
            arms=[
                RecordedArm(name=arm.name, description=arm.description, external=arm.model is not None)
                for arm in loaded.study.arms
            ],
            seeds=loaded.study.seeds,
            reference=loaded.study.reference,
            members=[
                RecordedMember(arm=member.arm.name, seed=member.seed, session_id=session)
                for member, session in zip(loaded.members, sessions, strict=True)
            ],
        )
        if record == known:
            return
        data = record.to_bytes()
        written = store.compare_and_put(key, data, current[1]) if current else store.put_if_absent(key, data)
        if written:
            return


def read_study(store: ArtifactStore, name: str) -> StudyRecord:
    """The record of the study with that name.

    Raises:
        InputError: there is no such study.
        IntegrityError: the record is damaged.
    """
    data = store.get_bytes(study_key(name)) if name and Path(name).name == name else None
    if data is None:
        known = ", ".join(study_names(store)) or "none yet"
        raise InputError(f"There is no study {name!r}.", where=store.location, remedy=f"studies here: {known}")
    return StudyRecord.from_bytes(data, study_key(name))


def study_names(store: ArtifactStore) -> list[str]:
    """Names of all studies in the store."""
    keys = (key.split("/") for key in store.list(ROOT))
    return sorted(parts[1] for parts in keys if parts[2:] == ["study.json"])


def study_key(name: str) -> str:
    """Key of a study's record."""
    return f"{ROOT}/{name}/study.json"


def result_key(name: str) -> str:
    """Key of a study's result."""
    return f"{ROOT}/{name}/result.json"

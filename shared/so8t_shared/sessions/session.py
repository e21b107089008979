"""Sessions: one per configuration, on which all processes agree without talking to each other.

The first process that opens a configuration writes sessions/by-config/<digest>.json with
put-if-absent; all others, on any host, read the winner's. So running again resumes. The first process
to read the pointer writes session.json, so nothing is ever deleted: stages' keys need no such permission.
"""

from __future__ import annotations

import copy
import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from so8t_shared.artifacts.fingerprints import changed_parts
from so8t_shared.canonical import digest
from so8t_shared.config.host_paths import named_alike
from so8t_shared.config.model import Config
from so8t_shared.documents import Document
from so8t_shared.errors import ConfigError, InputError, IntegrityError, NewerFormat
from so8t_shared.host import host_name, now, versions
from so8t_shared.store.base import ArtifactStore

_OLLAMA = ("ollama.host", "ollama.hosts", "ollama.host_name")
_PLACE_KEYS = (
    *("output_base_dir", "checkpoint_dir", "inputs_root", "store", "device", *_OLLAMA),
    *("notify", "think", "execution"),
    *(f"training.{key}" for key in ("processes", "hosts", "rendezvous", "shard_weights")),
)
"""Keys for locations, devices, processes, receivers and services, which do not affect results."""

_SHOWN = 5
"""How many differing keys, or known sessions, are named."""

_NUMBERED = 9
"""Sessions of one moment that are numbered; later ones get a random suffix, or each would ask for all names before."""

_POINTERS = "by-config"

_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class SessionRecord(Document):
    """session.json."""

    schema_version: Literal[1] = 1
    session_id: str
    config: dict[str, Any]
    config_digest: str
    created: str
    host: str
    versions: dict[str, str] = Field(default_factory=dict)


class SessionPointer(Document):
    """by-config/<digest>.json."""

    schema_version: Literal[1] = 1
    session_id: str


@dataclass(frozen=True)
class Session:
    """A session and its configuration."""

    session_id: str
    config: Config
    created: str


def config_digest(config: Config) -> str:
    """Digest of everything that affects results, without locations, which differ between hosts."""
    return digest(without_places(named_alike(config)))


def without_places(whole: dict[str, Any]) -> dict[str, Any]:
    """A configuration without its locations; a recorded one may be from another version and lack some."""
    kept = copy.deepcopy(whole)
    for dotted in _PLACE_KEYS:
        *sections, key = dotted.split(".")
        node = kept
        for section in sections:
            node = node.get(section) or {}
        node.pop(key, None)
    return kept


def open_session(store: ArtifactStore, config: Config, *, new: bool = False) -> Session:
    """The session of this configuration, created if there is none, or always with `new`."""
    key = _pointer_key(config)
    current = store.read_versioned(key)
    taken: str | None = None
    if current is not None and not new:
        taken = _named(current[0], key)
        session = _join(store, taken, config) if taken else None
        if session is not None:
            return session
    data = SessionPointer(session_id=_unused_id(store, config, taken)).to_bytes()
    if current is None:
        store.put_if_absent(key, data)
    else:
        store.compare_and_put(key, data, current[1])
    return open_session(store, config)  # the pointer names the winner, which all processes use


def _named(data: bytes, key: str) -> str | None:
    """The session that a pointer names; None if the pointer is damaged: a new session replaces it."""
    try:
        return SessionPointer.from_bytes(data, key).session_id
    except IntegrityError:
        return None


def _join(store: ArtifactStore, session_id: str, config: Config) -> Session | None:
    """The session with that name, recorded now if necessary; None if its record is damaged or another's."""
    key = record_key(session_id)
    data = store.get_bytes(key)
    if data is None:
        store.put_if_absent(key, _new_record(session_id, config).to_bytes())
        data = store.get_bytes(key) or b""
    try:
        record = SessionRecord.from_bytes(data, key)
    except IntegrityError:
        return None  # the new session still reuses the artifacts
    if record.config_digest != config_digest(config):
        return None  # two configurations chose the same name at the same moment
    return Session(session_id, config, record.created)


def named_session(store: ArtifactStore, session_id: str, config: Config) -> Session:
    """The session with that name, which must belong to this configuration.

    Raises:
        InputError: there is no such session.
        ConfigError: another configuration opened it, so its markers would refer to other work.
    """
    record = read_record(store, session_id)
    if record.config_digest != config_digest(config):
        given = without_places(config.model_dump(mode="json"))
        differ = changed_parts(without_places(record.config), given)
        more = [f"and {len(differ) - _SHOWN} more"] if len(differ) > _SHOWN else []
        raise ConfigError(
            f"Session {session_id} was opened with another configuration.",
            where="; ".join([*differ[:_SHOWN], *more]) or store.location,
            remedy="use the configuration and overrides that it was opened with, or omit the session name to use this"
            " configuration's session",
        )
    return Session(session_id, config, record.created)


def read_record(store: ArtifactStore, session_id: str) -> SessionRecord:
    """The record of the session with that name.

    Raises:
        InputError: there is no such session, or the name is invalid.
    """
    data = store.get_bytes(record_key(session_id)) if _SAFE_ID.fullmatch(session_id) else None
    if data is None:
        known = ", ".join(sorted(session_names(store))[-_SHOWN:]) or "none yet"
        raise InputError(f"There is no session {session_id!r}.", where=store.location, remedy=f"sessions here: {known}")
    return SessionRecord.from_bytes(data, record_key(session_id))


def session_ids(store: ArtifactStore) -> list[str]:
    """Names of all sessions, oldest first."""
    records = []
    for name in store.folders("sessions"):
        key = record_key(name)
        if (data := store.get_bytes(key)) is not None:
            try:
                records.append((SessionRecord.from_bytes(data, key).created, name))
            except (IntegrityError, NewerFormat):
                continue
    return [session_id for _, session_id in sorted(records)]


def session_names(store: ArtifactStore) -> set[str]:
    """Names of all sessions with any object, whether their records are readable or not.

    The pointers' folder counts only if it is also a session, which earlier versions let a pattern name.
    """
    names = set(store.folders("sessions"))
    return names if _POINTERS in names and store.stat(record_key(_POINTERS)) else names - {_POINTERS}


def _unused_id(store: ArtifactStore, config: Config, taken: str | None) -> str:
    """An unused name that follows the configuration's pattern."""
    base = datetime.now().astimezone().strftime(config.session_id_format)
    if not _SAFE_ID.fullmatch(base) or base.casefold() == _POINTERS:
        raise ConfigError(
            f"The pattern gives {base!r}, which is not a valid name.",
            where=f"session_id_format = {config.session_id_format!r}",
            remedy="use letters, digits, '.', '_', '-' and strftime codes, for example %Y%m%d_%H%M%S; not by-config",
        )
    tried = (2,) if taken == base else () if taken else range(1, _NUMBERED + 1)  # who loses a name twice stops racing
    numbered = (base if number == 1 else f"{base}_{number}" for number in tried)
    drawn = (f"{base}_{uuid.uuid4().hex[:8]}" for _ in range(_NUMBERED))
    for session_id in (*numbered, *drawn):
        if session_id != taken and store.stat(record_key(session_id)) is None:
            return session_id
    raise ConfigError(
        "Other sessions already have this name.",
        where=f"session_id_format = {config.session_id_format!r}",
        remedy="add the time to the pattern",
    )


def _new_record(session_id: str, config: Config) -> SessionRecord:
    return SessionRecord(
        session_id=session_id,
        config=config.model_dump(mode="json"),
        config_digest=config_digest(config),
        created=now(),
        host=host_name(),
        versions=versions(),
    )


def _pointer_key(config: Config) -> str:
    return f"sessions/{_POINTERS}/{config_digest(config)}.json"


def record_key(session_id: str) -> str:
    """Key of a session's record."""
    return f"sessions/{session_id}/session.json"


def find_session(store: ArtifactStore, config: Config) -> str | None:
    """Name of this configuration's session, or None; creates nothing."""
    key = _pointer_key(config)
    data = store.get_bytes(key)
    return None if data is None else SessionPointer.from_bytes(data, key).session_id

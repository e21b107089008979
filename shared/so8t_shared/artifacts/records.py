"""Small JSON records outside any artifact, reused by later runs (for example one answer each)."""

from __future__ import annotations

import json
from typing import Any

from so8t_shared.canonical import canonical_json, digest
from so8t_shared.store.base import ArtifactStore, check_key

_SCHEMA = 1


class RecordCache:
    """Records below cache/<namespace>/; a damaged or newer one counts as absent."""

    def __init__(self, store: ArtifactStore, namespace: str) -> None:
        self._store = store
        self._prefix = check_key(f"cache/{namespace}")

    def get(self, key: str) -> dict[str, Any] | None:
        """The record, or None."""
        data = self._store.get_bytes(self._key(key))
        if data is None:
            return None
        try:
            envelope = json.loads(data)
            record = envelope["record"]
            intact = envelope["schema"] == _SCHEMA and envelope["digest"] == digest(record)
        except (ValueError, KeyError, TypeError):
            return None
        return record if intact and isinstance(record, dict) else None

    def put(self, key: str, record: dict[str, Any]) -> None:
        """Write a record; it is durable when this returns."""
        envelope = {"schema": _SCHEMA, "digest": digest(record), "record": record}
        self._store.put_bytes(self._key(key), canonical_json(envelope))

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key[:2]}/{key}.json"

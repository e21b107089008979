"""Small JSON objects outside any artifact, reused by later runs (for example, single answers)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from so8t_shared.canonical import digest
from so8t_shared.documents import Document
from so8t_shared.errors import IntegrityError, NewerFormat
from so8t_shared.store.base import ArtifactStore, check_key


class Sealed(Document):
    """A stored object, with a digest that proves it intact."""

    schema_version: Literal[1] = Field(1, alias="schema")
    digest: str
    entry: dict[str, Any] = Field(alias="record")


class JsonCache:
    """Objects below cache/<namespace>/; a damaged or newer one counts as absent."""

    def __init__(self, store: ArtifactStore, namespace: str) -> None:
        self._store = store
        self._prefix = check_key(f"cache/{namespace}")

    def get(self, key: str) -> dict[str, Any] | None:
        """The object, or None."""
        key = self._key(key)
        try:
            sealed = Sealed.from_bytes(self._store.get_bytes(key) or b"", key)
        except (IntegrityError, NewerFormat):
            return None
        return sealed.entry if sealed.digest == digest(sealed.entry) else None

    def put(self, key: str, entry: dict[str, Any]) -> None:
        """Write an object; it is durable when this returns."""
        self._store.put_bytes(self._key(key), Sealed(digest=digest(entry), record=entry).to_bytes())

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key[:2]}/{key}.json"

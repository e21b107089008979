"""What the poller has read, as a store: the readers of `status`, `watch` and `logs` work on it without a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from so8t_dashboard.reading.read_only import ReadOnlyStore
from so8t_shared.store.base import ArtifactStore, ObjectStat


class Snapshot(ReadOnlyStore):
    """Objects as of one moment; any other object does not exist."""

    def __init__(self, inner: ArtifactStore, objects: Mapping[str, bytes]) -> None:
        super().__init__(inner)
        self.objects = objects

    def get_bytes(self, key: str) -> bytes | None:
        """The object's bytes, if they have been read."""
        return self.objects.get(key)

    def stat(self, key: str) -> ObjectStat | None:
        """Its size; a snapshot never changes, so neither does the etag."""
        data = self.objects.get(key)
        return None if data is None else ObjectStat(len(data), "")

    def list(self, prefix: str) -> Iterator[str]:
        """Keys of what has been read below a folder."""
        below = f"{prefix.rstrip('/')}/"
        return iter(sorted(key for key in self.objects if key.startswith(below)))

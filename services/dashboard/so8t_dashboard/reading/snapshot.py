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

    def read_versioned(self, key: str) -> tuple[bytes, str] | None:
        """The same, with an etag that never changes, as a snapshot does not."""
        data = self.objects.get(key)
        return None if data is None else (data, "")

    def stat(self, key: str) -> ObjectStat | None:
        """Its size."""
        data = self.objects.get(key)
        return None if data is None else ObjectStat(len(data), "")

    def list(self, prefix: str) -> Iterator[str]:
        """Keys of what has been read below a folder."""
        return (key for key, _ in self.listing(prefix))

    def listing(self, prefix: str) -> Iterator[tuple[str, ObjectStat]]:
        """The same with sizes."""
        below = f"{prefix.rstrip('/')}/"
        return ((key, ObjectStat(len(self.objects[key]), "")) for key in sorted(self.objects) if key.startswith(below))

    def folders(self, prefix: str) -> Iterator[str]:
        """Names of the folders below a folder that hold something that has been read."""
        below = f"{prefix.rstrip('/')}/"
        inside = (key.removeprefix(below) for key in self.objects if key.startswith(below))
        return iter(sorted({name.partition("/")[0] for name in inside if "/" in name}))

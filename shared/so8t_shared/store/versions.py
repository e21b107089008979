"""All versions of a bucket's objects."""

from __future__ import annotations

from collections.abc import Iterator

from minio import Minio
from minio.datatypes import Object

from so8t_shared.store.client import Client
from so8t_shared.store.sealed import Version

_UNVERSIONED = {None, "null"}


def all_versions(client: Client, below: str) -> Iterator[Version]:
    """Every version of every object below a folder, oldest first for each key."""
    with client.told("read the list of versions"):
        listed = client.patient().list_objects(client.bucket.name, below, recursive=True, include_version=True)
        found = [each for each in listed if each.object_name]
    for each in sorted(found, key=lambda each: (each.object_name, each.last_modified)):
        yield Version(str(each.object_name), None if each.is_delete_marker else _bytes(client, each))


def _bytes(client: Client, listed: Object) -> bytes:
    version = None if listed.version_id in _UNVERSIONED else listed.version_id

    def read(minio: Minio) -> bytes:
        return minio.get_object(client.bucket.name, str(listed.object_name), version_id=version).data

    return client.found(f"read {listed.object_name}", read) or b""

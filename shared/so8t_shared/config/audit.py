"""The audit log of the /think service."""

from __future__ import annotations

from pydantic import Field

from so8t_shared.config.drives import HostPath
from so8t_shared.config.section import Section
from so8t_shared.config.values import BucketName


class Audit(Section):
    """The audit log: one line per request in a hash chain, without content."""

    folder: HostPath = Field("audit", description="One service per folder.")
    key_file: HostPath = Field(
        "audit.key",
        description="Secret keys for hashes of users and thinking, made with a new log; SO8T_AUDIT_KEY wins.",
    )
    sync: bool = Field(
        False, description="Wait for the disk before answering; else a power cut may lose the last second."
    )
    segment_mb: float = Field(16.0, gt=0, description="MiB after which a file is closed.")
    segment_minutes: float = Field(1440.0, gt=0, description="Minutes after which a file with lines is closed.")
    retention_days: float | None = Field(
        None, gt=0, description="Days until a closed file is deleted and that recorded; by default never."
    )
    anchor: bool = Field(True, description="Keep hashes in the store, so that rewriting is noticed.")
    anchor_minutes: float = Field(10.0, gt=0, description="Minutes between anchors of the growing file.")
    anchor_bucket: BucketName | None = Field(None, description="Best one with object lock; by default store.bucket.")

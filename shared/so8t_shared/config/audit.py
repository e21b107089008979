"""The audit log of the /think service."""

from __future__ import annotations

from pydantic import Field

from so8t_shared.config.drives import HostPath
from so8t_shared.config.section import Section
from so8t_shared.config.values import BucketName


class Audit(Section):
    """The audit log: one line per request in a hash chain, without content."""

    folder: HostPath = Field("audit", description="Folder of the log; one service per folder.")
    key_file: HostPath = Field(
        "audit.key",
        description="File with the secret keys for the hashes of users and thinking, made with a new log;"
        " SO8T_AUDIT_KEY goes before it.",
    )
    sync: bool = Field(
        False, description="Wait for the disk before each answer; otherwise a power cut may lose the last second."
    )
    segment_mb: float = Field(16.0, gt=0, description="MiB after which a file of the log is closed.")
    segment_minutes: float = Field(1440.0, gt=0, description="Minutes after which it is closed, if it has lines.")
    retention_days: float | None = Field(
        None, gt=0, description="Days after which a closed file is deleted, which is recorded; by default never."
    )
    anchor: bool = Field(True, description="Keep hashes of the log in the store, so that a rewritten log is noticed.")
    anchor_minutes: float = Field(10.0, gt=0, description="Minutes between two anchors of the file that grows.")
    anchor_bucket: BucketName | None = Field(
        None, description="Bucket for the anchors, best one with object lock; by default store.bucket."
    )

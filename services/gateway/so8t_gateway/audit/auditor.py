"""The service's auditor: writes a line for each outcome."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from so8t_gateway.audit.anchors import Anchors
from so8t_gateway.audit.keys import AUDIT_KEY_VARIABLE, AuditKeys, add_key
from so8t_gateway.audit.line import Entry
from so8t_gateway.audit.log import AuditLog, Limits
from so8t_gateway.audit.segments import segments_of
from so8t_gateway.audit.writer import AuditWriter
from so8t_gateway.outcome import Outcome
from so8t_shared.config.audit import Audit
from so8t_shared.config.model import Config
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.open import open_store

_MIB = 1 << 20

log = logging.getLogger("so8t.think")


class FileAuditor:
    """Records outcomes in the audit log of this host; thread-safe."""

    def __init__(self, writer: AuditWriter, keys: AuditKeys) -> None:
        self._writer = writer
        self._keys = keys

    def record(self, outcome: Outcome, user_id: str) -> None:
        """Write one line; it is with the operating system, or with `sync` on the disk, on return.

        Raises:
            StorageError: it cannot be written, so the answer must not leave.
        """
        self._writer.append(_entry(outcome, user_id, self._keys))

    def record_at_once(self, outcome: Outcome, user_id: str) -> bool:
        """As `record`, if nothing has to be waited for; return whether the line is written.

        Raises:
            StorageError: as `record`.
        """
        return self._writer.append_at_once(_entry(outcome, user_id, self._keys))

    def hash_thinking(self, text: str) -> str:
        """Keyed hash of what a model wrote outside `<final>`."""
        return self._keys.current.thinking(text)

    def close(self) -> None:
        """Anchor the last line and let another process write."""
        self._writer.close()


def open_auditor(config: Config, store: ArtifactStore) -> FileAuditor:
    """The auditor that a configuration describes; its anchors go to `store`, or to the bucket that it names.

    A new log gets a new key, where none is configured; a log that lost its key is not continued under another one.

    Raises:
        ConfigError: the key is missing.
        InputError: another process writes this log.
        IntegrityError: the end of the log is damaged.
        StorageError: its folder cannot be written.
    """
    settings = config.think.audit
    folder, key_file = Path(settings.folder), Path(settings.key_file)
    if not os.environ.get(AUDIT_KEY_VARIABLE) and not key_file.exists() and not segments_of(folder):
        add_key(key_file)
        log.warning("a new key for the audit log was made: keep it safe", extra={"key_file": str(key_file)})
    keys = AuditKeys.read(settings.key_file)
    audit_log = AuditLog(folder, limits_of(settings))
    kept = None if settings.retention_days is None else timedelta(days=settings.retention_days)
    anchors = Anchors(anchor_store(config, store), audit_log.id, kept) if settings.anchor else None
    writer = AuditWriter(audit_log, sync=settings.sync, anchors=anchors, anchor_s=settings.anchor_minutes * 60)
    return FileAuditor(writer, keys)


def limits_of(settings: Audit) -> Limits:
    """When segments are closed and deleted."""
    days = settings.retention_days
    return Limits(
        int(settings.segment_mb * _MIB), settings.segment_minutes * 60, None if days is None else days * 86_400
    )


def anchor_store(config: Config, store: ArtifactStore | None = None) -> ArtifactStore:
    """The store of the anchors: the bucket of think.audit.anchor_bucket, else the store."""
    bucket = config.think.audit.anchor_bucket
    if bucket is None:
        return store or open_store(config)
    return open_store(config.model_copy(update={"store": config.store.model_copy(update={"bucket": bucket})}))


def _entry(outcome: Outcome, user_id: str, keys: AuditKeys) -> Entry:
    facts = {
        "class": outcome.label,
        "confidence": round(outcome.confidence, 6),
        "escalated": outcome.escalated,
        "key": keys.current.id,
        "model": outcome.model_sha256,
        "policy": outcome.policy_sha256,
        "reason": outcome.reason,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    person = {
        "answer_length": outcome.answer_length,
        "query_length": outcome.query_length,
        "request": outcome.request_id,
        "thinking": outcome.thinking_hash,
        "thinking_length": outcome.thinking_length,
        "user": keys.current.user(user_id),
    }
    return Entry("request", facts, person)

"""Erasures asked for from another process: only the service may write to its log, so it is handed a file.

The file holds keyed hashes and no user id, lies in the log's folder, and is removed once the lines are erased; so an
erasure that a crash interrupted is finished at the next start.
"""

from __future__ import annotations

import json
import logging
import uuid
from pathlib import Path

from so8t_gateway.audit.log import AuditLog
from so8t_shared.files import OWNER_ONLY, file_version, storage_errors, write_atomically

_PATTERN = "erase-*.json"

log = logging.getLogger("so8t.think")


def leave_request(folder: Path, users: set[str]) -> Path:
    """Ask whoever writes the log to erase the lines with these keyed hashes; the file is gone when that is done."""
    path = folder / f"erase-{uuid.uuid4().hex}.json"
    write_atomically(path, json.dumps(sorted(users)).encode(), OWNER_ONLY)
    return path


class Requests:
    """The requests in a log's folder, looked at now and then."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, ...]] = {}
        """Files that are no requests, and what changes with each of them."""

    def answer(self, audit_log: AuditLog) -> None:
        """Erase what was asked for; a file that is no request is left alone, and named once until it changes."""
        strange = {}
        for path in sorted(audit_log.folder.glob(_PATTERN)):
            users = _users(path)
            if users is None:
                version = strange[path.name] = file_version(path)
                if self._told.get(path.name) != version:
                    log.error("not a request to erase lines of the audit log: %s", path.name)
                continue
            audit_log.erase(users)
            with storage_errors(path):
                path.unlink(missing_ok=True)
        self._told = strange


def _users(path: Path) -> set[str] | None:
    """The keyed hashes in a request; None if it is no request, or cannot be read."""
    try:
        users = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return set(users) if isinstance(users, list) and all(isinstance(user, str) for user in users) else None

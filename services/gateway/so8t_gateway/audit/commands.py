"""What `so8t-ab audit` does with the log that a configuration names."""

from __future__ import annotations

import time
from pathlib import Path

from so8t_gateway.audit.anchors import other_logs, read_anchors
from so8t_gateway.audit.auditor import anchor_store, limits_of
from so8t_gateway.audit.erasure import lines_of
from so8t_gateway.audit.keys import AuditKey, AuditKeys, add_key
from so8t_gateway.audit.lock import WriterPresent
from so8t_gateway.audit.log import AuditLog
from so8t_gateway.audit.reading import damaged_in
from so8t_gateway.audit.requests import Requests, leave_request
from so8t_gateway.audit.segments import segments_of
from so8t_gateway.audit.verify import log_id, verify
from so8t_shared.config.model import Config
from so8t_shared.errors import ServerError
from so8t_shared.results.audit import AuditedLine, AuditErased, AuditFound, AuditProof

_PATIENCE_S = 30.0
_POLL_S = 0.1


def prove(config: Config, *, with_anchors: bool) -> AuditProof:
    """Check the whole log; with anchors, unless the configuration has none.

    Raises:
        InputError: there is no log.
        ServerError: the store with the anchors cannot be read.
    """
    folder, name = Path(config.think.audit.folder), log_id(Path(config.think.audit.folder))
    if not (with_anchors and config.think.audit.anchor):
        return verify(folder, None)
    store = anchor_store(config)
    return verify(folder, read_anchors(store, name), other_logs(store, name))


def find(config: Config, user_id: str) -> AuditFound:
    """One user's lines, whichever key hashed them.

    Raises:
        ConfigError: there is no key.
        InputError: there is no log.
    """
    folder, keys = Path(config.think.audit.folder), AuditKeys.read(config.think.audit.key_file)
    log_id(folder)
    found = lines_of(folder, keys.users(user_id))
    lines = [AuditedLine(segment=segment.path.name, n=line.n, facts=dict(line.facts)) for segment, line in found]
    return AuditFound(folder=str(folder), lines=lines, damaged=damaged_in(segments_of(folder)))


def erase(config: Config, user_id: str, patience_s: float = _PATIENCE_S) -> AuditErased:
    """Erase the persons of one user's lines; a running service is asked to do it.

    Damaged lines stay as they are, and are named in the result.

    Raises:
        ConfigError: there is no key.
        InputError: there is no log.
        ServerError: the service has not done it yet; it will.
    """
    folder, keys = Path(config.think.audit.folder), AuditKeys.read(config.think.audit.key_file)
    log_id(folder)
    users = keys.users(user_id)
    count = len(lines_of(folder, users))
    request = leave_request(folder, users)
    try:
        audit_log = AuditLog(folder, limits_of(config.think.audit))
    except WriterPresent:
        _await_service(request, patience_s)
        return _erased(folder, count)
    except BaseException:
        request.unlink()
        raise
    try:
        Requests().answer(audit_log)
    finally:
        audit_log.close()
    return _erased(folder, count)


def new_key(config: Config) -> AuditKey:
    """Put a new key first into the key file.

    Raises:
        StorageError: it cannot be written.
    """
    return add_key(Path(config.think.audit.key_file))


def _erased(folder: Path, count: int) -> AuditErased:
    return AuditErased(folder=str(folder), erased=count, damaged=damaged_in(segments_of(folder)))


def _await_service(request: Path, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while request.exists():
        if time.monotonic() > deadline:
            raise ServerError(
                "The service has not erased the lines yet; it will, now or at its next start.",
                where=str(request),
                remedy="see the service's log; 'so8t-ab audit find' says when they are gone",
            )
        time.sleep(_POLL_S)

"""Random keys for MinIO and each stage's user, an empty list of addresses to notify, and lines of .env.

The folder is closed to other users (0700). The files in it are readable (0444), because they are mounted into
containers that run as another user. Existing values are kept, and only names are printed.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import string
from collections.abc import Callable
from pathlib import Path

from so8t_shared.containers.settings import keep_or_set, setting
from so8t_shared.files import storage_errors
from so8t_shared.processes import handed_to_unprivileged

STAGES = ("converter-a", "trainer", "converter-b", "importer", "evaluator", "concluder", "reporter")
"""Services of the stages, in the pipeline's order."""

NOTIFY_FILE = "notify_urls"
"""File in the folder of the keys with the addresses that every stage notifies."""

_NOBODY = "# Addresses that containers notify, one per line, such as mailto://USER:PASSWORD@HOST?to=YOU@HOST\n"
_ALPHABET = string.ascii_letters + string.digits
_UNPRIVILEGED = 10001
"""User and group of stages where this user is root, or the system has none."""


def make_keys(say: Callable[[str], None]) -> None:
    """Create what is missing and name it.

    Raises:
        StorageError: a folder cannot be written.
    """
    folder, results = Path(setting("SO8T_SECRETS", "deploy/secrets")), Path(setting("SO8T_RESULTS", "results"))
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        _keep_or_write(folder / "minio_root_user", f"root-{_random(12)}", say)
        _keep_or_write(folder / "minio_root_password", _random(40), say)
        for name in (*STAGES, "operator"):  # the operator runs so8t-ab against the bucket
            pair = {"accessKey": f"so8t-{name}", "secretKey": _random(40)}
            _keep_or_write(folder / f"{name}.json", json.dumps(pair, separators=(",", ":")), say)
        _keep_or_write(folder / NOTIFY_FILE, _NOBODY, say, mode=0o644)  # people write to it
    import psutil  # slow to import, and only needed here

    with storage_errors(results):
        results.mkdir(parents=True, exist_ok=True)
        uid, gid = handed_to_unprivileged(results, _UNPRIVILEGED)
    values: dict[str, int | str] = {"SO8T_UID": uid, "SO8T_GID": gid, "SO8T_HOST_NAME": platform.node()}
    total = psutil.virtual_memory().total  # a stage must not exhaust the host's memory
    values["SO8T_MEMORY"] = f"{total // 2**20 * 9 // 10}m"
    values["SO8T_NOTIFY_FILE"] = (folder / NOTIFY_FILE).as_posix()
    for name, value in values.items():
        if keep_or_set(name, str(value)):
            say(f"set {name}={value}")


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _keep_or_write(path: Path, content: str, say: Callable[[str], None], mode: int = 0o444) -> None:
    if path.is_file() and path.stat().st_size:
        return
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    new.chmod(mode)
    new.replace(path)
    say(f"created {path}")

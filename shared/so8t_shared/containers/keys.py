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

from so8t_shared.containers.settings import env_file, keep_or_set, setting
from so8t_shared.files import storage_errors
from so8t_shared.processes import UNPRIVILEGED, handed_to_unprivileged
from so8t_shared.tables import resources

STAGES = tuple(row.service for row in resources.ROWS)
"""Services of the stages, in the pipeline's order."""

GATEWAY = "gateway"
"""Service of /think."""

AUDIT_KEY = "audit_key"
"""File with the key under which the audit log of /think hashes users and thinking."""
UI = "ui"
"""Service of the dashboard, which only reads."""
UI_TOKEN_FILE = "ui_token"  # noqa: S105 - a file's name
"""File in the folder of the keys with the token of those who look at the dashboard."""

NOTIFY_FILE = "notify_urls"
"""File in the folder of the keys with the addresses that every stage notifies."""

_NOBODY = "# Addresses that containers notify, one per line, such as mailto://USER:PASSWORD@HOST?to=YOU@HOST\n"
_ALPHABET = string.ascii_letters + string.digits


def make_keys(say: Callable[[str], None]) -> None:
    """Create what is missing and name it.

    Raises:
        StorageError: a folder cannot be written.
    """
    folder, results = Path(setting("SO8T_SECRETS", "deploy/secrets")), Path(setting("SO8T_RESULTS", "results"))
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        contents = {"minio_root_user": f"root-{_random(12)}", "minio_root_password": _random(40)}
        contents[AUDIT_KEY] = secrets.token_hex(32)
        contents[UI_TOKEN_FILE] = _random(40)
        for name in (*STAGES, GATEWAY, UI, "operator"):  # the operator runs so8t-ab against the bucket
            pair = {"accessKey": f"so8t-{name}", "secretKey": _random(40)}
            contents[f"{name}.json"] = json.dumps(pair, separators=(",", ":"))
        created = [name for name, content in contents.items() if _keep_or_write(folder / name, content)]
        if _keep_or_write(folder / NOTIFY_FILE, _NOBODY, mode=0o644):  # people write to it
            created.append(NOTIFY_FILE)
    if created:
        say(f"created in {folder}: {', '.join(created)}")
    import psutil  # slow to import, and only needed here

    with storage_errors(results):
        results.mkdir(parents=True, exist_ok=True)
        uid, gid = handed_to_unprivileged(results, UNPRIVILEGED)
    values: dict[str, int | str] = {"SO8T_UID": uid, "SO8T_GID": gid, "SO8T_HOST_NAME": platform.node()}
    total = psutil.virtual_memory().total  # a stage must not exhaust the host's memory
    values["SO8T_MEMORY"] = f"{total // 2**20 * 9 // 10}m"
    values["SO8T_NOTIFY_FILE"] = (folder / NOTIFY_FILE).as_posix()
    if added := [f"{name}={value}" for name, value in values.items() if keep_or_set(name, str(value))]:
        say(f"set in {env_file()}: {', '.join(added)}")


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _keep_or_write(path: Path, content: str, mode: int = 0o444) -> bool:
    """Write the file unless it has content; whether it was written."""
    if path.is_file() and path.stat().st_size:
        return False
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    new.chmod(mode)
    new.replace(path)
    return True

"""Host name, time and versions for documents."""

from __future__ import annotations

import os
import platform
import socket
from datetime import UTC, datetime

from so8t_shared.distribution import version


def now() -> str:
    """UTC time to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def host_name() -> str:
    """Name of this host, as shown next to measurements."""
    return os.environ.get("SO8T_HOST_NAME") or socket.gethostname()


def versions() -> dict[str, str]:
    """Versions of this program and of Python, for sessions and manifests."""
    return {"so8t-ab": version(), "python": platform.python_version()}

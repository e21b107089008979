"""No credential of this process in what others can read: logs, markers, messages."""

from __future__ import annotations

import os

_NAMES = ("SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL", "ACCESS_KEY", "API_KEY", "PRIVATE_KEY")
_SHORTEST = 6
"""A value of fewer letters is no credential; without it half of every text would be gone."""


_from_files: set[str] = set()


def remember_secret(secret: str) -> None:
    """Take this secret, which was read from a file, out of every text from now on."""
    _from_files.add(secret)


def without_secrets(text: str) -> str:
    """The text, with *** for each secret read from a file, and each value of the environment that looks like one."""
    for secret in _secrets():
        text = text.replace(secret, "***")
    return text


def _secrets() -> list[str]:
    """Longest first: one may be part of another."""
    found = _from_files | {value for key, value in os.environ.items() if any(name in key.upper() for name in _NAMES)}
    return sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True)

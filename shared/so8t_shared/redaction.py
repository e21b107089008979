"""No credential of this process in what others can read: logs, markers, messages."""

from __future__ import annotations

import os

_NAMES = ("SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL", "ACCESS_KEY", "API_KEY", "PRIVATE_KEY")
_SHORTEST = 6
"""A value of fewer letters is no credential; without it half of every text would be gone."""


def without_secrets(text: str) -> str:
    """The text, with *** for each value of this process's environment that looks like a credential."""
    for secret in _secrets():
        text = text.replace(secret, "***")
    return text


def _secrets() -> list[str]:
    """Longest first: one may be part of another."""
    found = {value for key, value in os.environ.items() if any(name in key.upper() for name in _NAMES)}
    return sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True)

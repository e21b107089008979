"""Keep this process's credentials out of logs, markers and messages."""

from __future__ import annotations

import os

_NAMES = ("SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL", "ACCESS_KEY", "API_KEY", "PRIVATE_KEY")
_SHORTEST = 6
"""Shorter values are not treated as credentials; redacting them would destroy most texts."""


_from_files: set[str] = set()


def remember_secret(secret: str) -> None:
    """Redact this secret, which was read from a file, from now on."""
    _from_files.add(secret)


def without_secrets(text: str) -> str:
    """The text with *** for each secret read from a file and each environment value that looks like a secret."""
    for secret in _secrets():
        text = text.replace(secret, "***")
    return text


def _secrets() -> list[str]:
    """Secrets, longest first, since one may be part of another."""
    found = _from_files | {value for key, value in os.environ.items() if any(name in key.upper() for name in _NAMES)}
    return sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True)

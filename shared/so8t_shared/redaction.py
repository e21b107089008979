"""Keep this process's credentials, and control characters of foreign text, out of logs, markers and messages."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, urlsplit

from so8t_shared.escapes import harmless

NOTIFY_VARIABLE = "SO8T_NOTIFY"
"""Environment variable with the addresses that get notifications, separated by blanks or commas."""

_NAMES = ("SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL", "ACCESS_KEY", "API_KEY", "PRIVATE_KEY", "AUDIT_KEY")
_PLACES = {"SO8T_SECRETS", "SO8T_CREDENTIALS", "SO8T__STORE__CREDENTIALS_FILE"}
"""Variables with these words that hold the path of a file or folder."""
_SHORTEST = 6
"""Shorter values are not treated as credentials; redacting them would destroy most texts."""


_from_files: set[str] = set()


def remember_secret(secret: str) -> None:
    """Redact this secret, which was read from a file, from now on."""
    _from_files.add(secret)


def remember_address(url: str) -> None:
    """Redact this address of a receiver of notifications from now on, and each part that lets others send there."""
    _from_files.update(_secret_parts(url))


def addresses_in(text: str) -> list[str]:
    """The addresses in a text, which are separated by blanks or commas; an address may contain commas."""
    return [url for url in re.split(r"[\s,]+(?=[A-Za-z][\w+.-]*://)", text.strip().strip(",")) if url]


def without_secrets(text: str) -> str:
    """The text with *** for each secret read from a file and each environment value that looks like a secret."""
    for secret in _secrets():
        text = text.replace(secret, "***")
    return text


def presentable(text: str) -> str:
    """The text without secrets, and with control characters as escapes: what may be printed, logged and stored."""
    return harmless(without_secrets(text))


def environment_without_secrets() -> dict[str, str]:
    """The environment for a child that works on foreign models or templates, which could take over the child."""
    hidden = {*_named(), NOTIFY_VARIABLE}
    return {key: value for key, value in os.environ.items() if key not in hidden}


def _named() -> set[str]:
    """Names of the variables that look like a secret's."""
    return {key for key in os.environ if any(name in key.upper() for name in _NAMES)} - _PLACES


def _secrets() -> list[str]:
    """Secrets, longest first, since one may be part of another."""
    found = _from_files | {os.environ[key] for key in _named()}
    found = found.union(*map(_secret_parts, addresses_in(os.environ.get(NOTIFY_VARIABLE, ""))))
    return sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True)


@lru_cache(maxsize=100)
def _secret_parts(url: str) -> frozenset[str]:
    """The address, its password and path, and what looks like a token: services put tokens anywhere."""
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket in a password
        return frozenset({url})
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    path = parts.path.strip("/")
    words = [parts.netloc.rpartition("@")[2], user, *path.split("/"), *(value for _, value in parse_qsl(parts.query))]
    found = {password, f"/{path}" if path else "", *filter(_is_token, words)} - {""}
    return frozenset({url, *found, *map(unquote, found)} if found else ())


def _is_token(word: str) -> bool:
    """Whether a word may be a key, rather than a host's or a person's name."""
    mixed = bool(re.search(r"\d", word) and re.search(r"[A-Za-z]", word))
    return "." not in word and (len(word) >= 20 or (len(word) >= 8 and mixed))

"""Keyed hashes: who asked and what the model thought can be recognized with the key, and not without.

The key file holds one key per line, 64 hexadecimal digits. The first hashes new lines; those below it were first once,
and still find older lines. A removed key makes the users in its lines unrecognizable for good.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from so8t_shared.errors import ConfigError
from so8t_shared.files import OWNER_ONLY, make_folder, storage_errors, write_atomically
from so8t_shared.redaction import remember_secret

AUDIT_KEY_VARIABLE = "SO8T_AUDIT_KEY"
"""Environment variable with the keys, separated by blanks or commas; it goes before the file."""

_KEY = re.compile(r"[0-9a-fA-F]{64}")
_REMEDY = f"write one with 'so8t-ab audit new-key', or put 64 hexadecimal digits into {AUDIT_KEY_VARIABLE}"


@dataclass(frozen=True)
class AuditKey:
    """256 random bits, and the name under which lines tell which key hashed them."""

    secret: bytes = field(repr=False)

    @cached_property
    def id(self) -> str:
        """8 hexadecimal digits; they tell nothing about the key, being its own keyed hash."""
        return _digest(self._begun("id"), "")[:8]

    def user(self, user_id: str) -> str:
        """Keyed hash of a user id, exactly as given: 64 hexadecimal digits."""
        return _digest(self._of_users, user_id)

    def thinking(self, text: str) -> str:
        """Keyed hash of what a model wrote outside `<final>`."""
        return _digest(self._of_thinking, text)

    @cached_property
    def _of_users(self) -> hmac.HMAC:
        return self._begun("user")

    @cached_property
    def _of_thinking(self) -> hmac.HMAC:
        return self._begun("thinking")

    def _begun(self, purpose: str) -> hmac.HMAC:
        """What the hashes for a purpose have in common; to begin anew takes longer than to hash a short text."""
        return hmac.new(self.secret, f"so8t-audit {purpose}\0".encode(), "sha256")


def _digest(begun: hmac.HMAC, text: str) -> str:
    own = begun.copy()
    own.update(text.encode("utf-8", "surrogatepass"))
    return own.hexdigest()


@dataclass(frozen=True)
class AuditKeys:
    """The key of new lines, and those of older ones."""

    current: AuditKey
    older: tuple[AuditKey, ...] = ()

    @classmethod
    def read(cls, key_file: str) -> Self:
        """Take the keys from the environment, else from the file.

        Raises:
            ConfigError: there are none, the file cannot be read, or a line is not a key.
        """
        text, where = os.environ.get(AUDIT_KEY_VARIABLE, ""), AUDIT_KEY_VARIABLE
        if not text.strip():
            text, where = _read(key_file), f"think.audit.key_file = {key_file}"
        words = re.split(r"[\s,]+", text.strip())
        if not all(_KEY.fullmatch(word) for word in words):
            raise ConfigError(
                "A key of the audit log is not 64 hexadecimal digits." if text.strip() else "The file holds no key.",
                where=where,
                remedy=_REMEDY,
            )
        for word in words:
            remember_secret(word)
        first, *older = (AuditKey(bytes.fromhex(word)) for word in dict.fromkeys(words))
        return cls(first, tuple(older))

    def users(self, user_id: str) -> set[str]:
        """The hashes of a user id under all keys."""
        return {key.user(user_id) for key in (self.current, *self.older)}


def add_key(path: Path) -> AuditKey:
    """Put a new key first into the key file, which is made if it does not exist; only its owner may read it."""
    word = secrets.token_hex(32)
    make_folder(path.parent)
    with storage_errors(path):
        older = path.read_bytes() if path.exists() else b""
    write_atomically(path, f"{word}\n".encode("ascii") + older, OWNER_ONLY)
    return AuditKey(bytes.fromhex(word))


def _read(key_file: str) -> str:
    try:
        return Path(key_file).read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not plain text"
        raise ConfigError(
            f"The audit log's key file cannot be read: {why}.",
            where=f"think.audit.key_file = {key_file}",
            remedy=_REMEDY,
        ) from None

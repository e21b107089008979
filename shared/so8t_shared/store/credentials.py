"""The keys of a bucket, read from the JSON file that MinIO hands out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from so8t_shared.errors import ConfigError
from so8t_shared.redaction import remember_secret

_REMEDY = 'write {"accessKey": "...", "secretKey": "..."} into it, as MinIO hands the keys out'


@dataclass(frozen=True)
class Credentials:
    """An access key and its secret; the secret never shows in a text form of this object."""

    access_key: str
    secret_key: str = field(repr=False)


def read_credentials(path: str | None) -> Credentials:
    """The keys in a file.

    Raises:
        ConfigError: there is no file, it cannot be read, or it does not hold the two keys.
    """
    if path is None:
        raise ConfigError(
            "A bucket is named, but no keys for it.",
            where="store.credentials_file",
            remedy="name a file with the keys, or set SO8T__STORE__CREDENTIALS_FILE",
        )
    try:
        raw = json.loads(Path(path).read_text(encoding="utf-8"))
        access, secret = raw["accessKey"], raw["secretKey"]
    except OSError as error:
        raise ConfigError(
            f"The file with the bucket's keys cannot be read: {error.strerror}.",
            where=f"store.credentials_file = {path}",
            remedy="correct the path, or let this user read the file",
        ) from error
    except (ValueError, KeyError, TypeError):  # without the cause: its text may hold a part of the file
        raise ConfigError(
            "The file with the bucket's keys is not what is expected.",
            where=f"store.credentials_file = {path}",
            remedy=_REMEDY,
        ) from None
    if not (isinstance(access, str) and isinstance(secret, str) and access and secret):
        raise ConfigError(
            "The file with the bucket's keys lacks one of them.",
            where=f"store.credentials_file = {path}",
            remedy=_REMEDY,
        )
    remember_secret(secret.strip())
    return Credentials(access.strip(), secret.strip())

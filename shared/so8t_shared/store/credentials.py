"""The keys to a bucket, read from the JSON file that MinIO issues."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from so8t_shared.errors import ConfigError
from so8t_shared.foreign import parse_json
from so8t_shared.redaction import remember_secret

_REMEDY = 'write {"accessKey": "...", "secretKey": "..."} to it, as issued by MinIO'


@dataclass(frozen=True)
class Credentials:
    """An access key and its secret; the secret never appears in the object's repr."""

    access_key: str
    secret_key: str = field(repr=False)


def read_credentials(path: str | None) -> Credentials:
    """Read the keys from a file.

    Raises:
        ConfigError: there is no file, it cannot be read, or it does not contain both keys.
    """
    if path is None:
        raise ConfigError(
            "The bucket's keys are missing.",
            where="store.credentials_file",
            remedy="name a file with the keys, or set SO8T__STORE__CREDENTIALS_FILE",
        )
    try:
        raw = parse_json(Path(path).read_bytes())
        access, secret = raw["accessKey"], raw["secretKey"]
    except OSError as error:
        raise ConfigError(
            f"The bucket's credentials file cannot be read: {error.strerror}.",
            where=f"store.credentials_file = {path}",
            remedy="correct the path, or let this user read the file",
        ) from error
    except (ValueError, KeyError, TypeError):  # without the cause: its text may contain a part of the file
        raise ConfigError(
            "The bucket's credentials file has an unexpected format.",
            where=f"store.credentials_file = {path}",
            remedy=_REMEDY,
        ) from None
    if not (isinstance(access, str) and isinstance(secret, str) and access and secret):
        raise ConfigError(
            "The bucket's credentials file lacks one of the two keys.",
            where=f"store.credentials_file = {path}",
            remedy=_REMEDY,
        )
    remember_secret(secret.strip())
    return Credentials(access.strip(), secret.strip())

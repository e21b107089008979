"""Tokens of the /think service's clients: a file with their hashes, names and limits.

A token is 256 random bits, so its SHA-256 is enough at rest: nobody can try them all. A slow hash such as scrypt
protects passwords, which can be guessed; here it would only make each request expensive.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import Field

from so8t_shared.documents import Document, Part
from so8t_shared.errors import InputError
from so8t_shared.files import OWNER_ONLY, make_folder, storage_errors
from so8t_shared.host import now
from so8t_shared.json_files import write_json

PREFIX = "so8t_"
"""In front of each token, so that tools which look for leaked secrets recognize it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CREATE = "create it with 'so8t-ab think token add'"
_REPLACE = "restore it from a backup, or delete it and add the tokens again with 'so8t-ab think token add'"


class ClientToken(Part):
    """A client, and how much it may ask."""

    name: str = Field(description="Shown in lists; no two tokens have the same.")
    sha256: str = Field(description="Of the token.")
    created: str
    requests_per_minute: int = Field(ge=1)
    concurrency: int = Field(ge=1, description="Requests at the same time.")


class ClientTokens(Document):
    """The file."""

    schema_version: Literal[1] = 1
    tokens: list[ClientToken] = Field(default=[])

    def owner_of(self, token: str) -> ClientToken | None:
        """The client with this token; takes equally long for any token, so that its time tells nothing."""
        sha256 = hash_of(token)
        owner = None
        for each in self.tokens:
            if hmac.compare_digest(sha256, each.sha256):
                owner = each
        return owner


def hash_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def read_tokens(path: Path) -> ClientTokens:
    """Read the file.

    Raises:
        InputError: it is missing or not such a file.
        NewerFormat: a newer program wrote it.
    """
    try:
        with storage_errors(path):
            data = path.read_bytes()
    except FileNotFoundError:
        raise InputError("The tokens file is missing.", where=str(path), remedy=_CREATE) from None
    return ClientTokens.from_bytes(data, str(path), _REPLACE)


def add_token(path: Path, name: str, *, requests_per_minute: int, concurrency: int) -> str:
    """Add a client to the file, which is made if it does not exist; return its token, which is kept nowhere.

    Raises:
        InputError: the name is taken, or no name.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            "A token cannot have this name.", where=name, remedy="use up to 64 letters, digits, '.', '_' and '-'"
        )
    token = PREFIX + secrets.token_urlsafe(32)
    with _changing(path):
        known = read_tokens(path).tokens if path.exists() else []
        if any(each.name == name for each in known):
            raise InputError(
                "A token with this name exists already.",
                where=f"{path}: {name}",
                remedy="choose another name, or remove it first",
            )
        new = ClientToken(
            name=name,
            sha256=hash_of(token),
            created=now(),
            requests_per_minute=requests_per_minute,
            concurrency=concurrency,
        )
        _write(path, [*known, new])
    return token


def remove_token(path: Path, name: str) -> None:
    """Remove a client from the file; a running service refuses it within a second.

    Raises:
        InputError: there is none of this name.
    """
    with _changing(path):
        known = read_tokens(path).tokens
        left = [each for each in known if each.name != name]
        if len(left) == len(known):
            raise InputError(
                "No token has this name.", where=f"{path}: {name}", remedy="see 'so8t-ab think token list'"
            )
        _write(path, left)


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Keep other commands from changing the file."""
    make_folder(path.parent)
    with storage_errors(path), FileLock(path.with_name(f".{path.name}.lock")):
        yield


def _write(path: Path, tokens: list[ClientToken]) -> None:
    write_json(path, ClientTokens(tokens=tokens), OWNER_ONLY)

"""JSON documents of the contract: read with their schema version checked, written canonically."""

from __future__ import annotations

import json
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from so8t_shared.canonical import canonical_json
from so8t_shared.errors import IntegrityError, NewerFormat


class Document(BaseModel):
    """A small JSON object in the store, with the version of its format beside the bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    SCHEMA: ClassVar[int] = 1
    schema_version: int = 1

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(self.model_dump(mode="json"))

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> Self:
        """Read a document.

        Raises:
            IntegrityError: the bytes are no such document.
            NewerFormat: a newer program wrote them.
        """
        try:
            raw = json.loads(data)
            version = raw["schema_version"]
        except (ValueError, TypeError, KeyError) as error:
            raise _damaged(where, "it is not the JSON object that belongs there") from error
        if isinstance(version, int) and version > cls.SCHEMA:
            raise NewerFormat(
                f"Schema {version} is newer than this program knows ({cls.SCHEMA}).",
                where=where,
                remedy="update SO8T-AB on this host",
            )
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            first = error.errors()[0]
            raise _damaged(where, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _damaged(where: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"A stored document is damaged: {why}.",
        where=where,
        remedy="run again; what it described is made anew",
    )

"""Base of all stored and exchanged JSON documents and lines, which are all read in the same way.

A document from a newer version raises NewerFormat and is left alone. One that is unreadable, has an obsolete version
or unknown keys raises IntegrityError and may be rebuilt.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator

from so8t_shared.canonical import canonical_json
from so8t_shared.errors import IntegrityError, NewerFormat
from so8t_shared.json_files import numbered_lines

_MADE_ANEW = "run again to rebuild what it describes"
_STAGE_AGAIN = "run the stage that wrote it again with this version of SO8T-AB (so8t-ab run does so)"


class Part(BaseModel):
    """A part of a document, or a line of a file; unknown keys are rejected, so that a newer writer is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))

    @classmethod
    def from_bytes(cls, data: bytes | str, where: str, remedy: str = _MADE_ANEW) -> Self:
        """Read one from JSON.

        Raises:
            IntegrityError: the bytes are not such a document.
            NewerFormat: a newer program wrote them.
        """
        try:
            return cls.model_validate(json.loads(data), context={"where": where})
        except ValidationError as error:
            first = error.errors()[0]
            told = (".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, "))
            why = ": ".join(filter(None, told))
            raise _damaged(where, why, remedy) from error
        except (ValueError, RecursionError) as error:
            raise _damaged(where, "it is not the expected JSON object", remedy) from error

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file that a stage wrote.

        Raises:
            IntegrityError: it is missing or not such a document.
            NewerFormat: a newer program wrote it.
        """
        return cls.from_bytes(read_text(path), str(path), _STAGE_AGAIN)

    @classmethod
    def read_lines(cls, path: Path) -> list[Self]:
        """Read a file with one document per line.

        Raises:
            IntegrityError: it is missing, or a line is not such a document.
        """
        lines = numbered_lines(read_text(path))
        return [cls.from_bytes(line, f"{path}, line {number}", _STAGE_AGAIN) for number, line in lines]


class Document(Part):
    """A standalone JSON object that includes its format version.

    The type of `schema_version` lists the versions that can be read; its default is the version that is written.
    """

    schema_version: int

    @model_validator(mode="before")
    @classmethod
    def _refuse_newer(cls, raw: Any, info: ValidationInfo) -> Any:
        if info.context is None or not isinstance(raw, dict):
            return raw  # made by this program, or damaged
        field = cls.model_fields["schema_version"]
        version = raw.get(field.alias or "schema_version")
        if version is None:
            raise ValueError("its version is missing")
        if isinstance(version, int) and version > field.default:
            raise NewerFormat(
                f"Schema version {version} is newer than this program supports ({field.default}).",
                where=info.context["where"],
                remedy="update SO8T-AB on this host",
            )
        return raw


def read_text(path: Path) -> str:
    """The text of a file that a stage wrote.

    Raises:
        IntegrityError: it is missing or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _damaged(str(path), "the file is missing", _STAGE_AGAIN) from error
    except UnicodeDecodeError as error:
        raise _damaged(str(path), "it is not UTF-8 text", _STAGE_AGAIN) from error


def _damaged(where: str, why: str, remedy: str) -> IntegrityError:
    return IntegrityError(f"A stored document is damaged: {why}.", where=where, remedy=remedy)

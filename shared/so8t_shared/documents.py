"""Base of all stored and exchanged JSON documents and lines, which are all read in the same way.

A document from a newer version raises NewerFormat and is left alone. One that is unreadable, has an obsolete version
or unknown keys raises IntegrityError and may be rebuilt.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator

from so8t_shared.canonical import canonical_json
from so8t_shared.collector import without_collector
from so8t_shared.errors import IntegrityError, NewerFormat

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
            return cls.model_validate_json(data, context={"where": where})
        except ValidationError as error:
            raise _damaged(where, _why(error), remedy) from error

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
        with without_collector(), _readable(path), path.open(encoding="utf-8", newline="\n") as file:
            lines = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
            shared: dict[frozenset[str], set[str]] = {}
            return [
                cls.from_bytes(line, f"{path}, line {number}", _STAGE_AGAIN)._slim(shared) for number, line in lines
            ]

    def _slim(self, shared: dict[frozenset[str], set[str]]) -> Self:
        """Share the set of the names that were given: one per part takes as much memory as all values."""
        names = self.model_fields_set
        object.__setattr__(self, "__pydantic_fields_set__", shared.setdefault(frozenset(names), names))
        return self


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
    with _readable(path):
        return path.read_text(encoding="utf-8")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _damaged(str(path), "the file is missing", _STAGE_AGAIN) from error
    except UnicodeDecodeError as error:
        raise _damaged(str(path), "it is not UTF-8 text", _STAGE_AGAIN) from error


def _why(error: ValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return "it is not the expected JSON object"
    told = (".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, "))
    return ": ".join(filter(None, told))


def _damaged(where: str, why: str, remedy: str) -> IntegrityError:
    return IntegrityError(f"A stored document is damaged: {why}.", where=where, remedy=remedy)

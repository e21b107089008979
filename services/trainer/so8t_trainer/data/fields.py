"""The fields of a row: text for training, or an error that locates a field that is not text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from so8t_shared.errors import InputError

_KINDS = {list: "a list", dict: "an object", bool: "true or false", float: "a number with a fraction", bytes: "bytes"}


@dataclass(frozen=True)
class Fields:
    """A row's values by name, and its location."""

    values: Mapping[str, Any]
    where: str
    used: set[str] = field(default_factory=set)
    """Names of the fields that were read."""

    def __contains__(self, name: str) -> bool:
        """Whether the row has this field, even if empty."""
        return name in self.values

    def get(self, name: str) -> Any:
        """Return the raw value; None if missing, which pandas may write as NaN."""
        self.used.add(name)
        return self.peek(name)

    def peek(self, name: str) -> Any:
        """Return the raw value without counting the field as used."""
        value = self.values.get(name)
        return None if isinstance(value, float) and math.isnan(value) else value

    def unused(self, prefix: str = "") -> list[str]:
        """Return the names of the fields that hold something and were not read."""
        if len(self.used) >= len(self.values) and self.used.issuperset(self.values):
            return []
        return [
            f"{prefix}{name}" for name in self.values if name not in self.used and self.peek(name) not in (None, "")
        ]

    def text(self, name: str) -> str:
        """Return text for a model: a string, or an integer in digits; empty if missing.

        Raises:
            InputError: the value is anything else (Python's rendering of it is not a real request), or a
                string that cannot be encoded as UTF-8.
        """
        if name not in self.values:
            return ""
        value = self.get(name)
        if isinstance(value, bool | float) or not isinstance(value, str | int | None):
            raise self._no_text(name, value)
        return "" if value is None else self._whole(str(value))

    def key(self, name: str) -> str:
        """Return a value that names or sorts a row; any scalar will do.

        Raises:
            InputError: the value is a list, an object or the like.
        """
        if name not in self.values:
            return ""
        value = self.get(name)
        return str(value) if isinstance(value, bool | float) else self.text(name)

    def content(self, name: str = "content") -> str:
        """Return the content of a chat turn: a string, or a list of text parts, joined by line breaks.

        Raises:
            InputError: a part is not text.
        """
        value = self.get(name)
        if not isinstance(value, list):
            return self.text(name)
        return "\n".join(self._part(part) for part in value)

    def error(self, what: str, remedy: str) -> InputError:
        """Return an error about this row."""
        return InputError(what, where=self.where, remedy=remedy)

    def _part(self, part: object) -> str:
        if isinstance(part, str):
            return self._whole(part)
        if isinstance(part, Mapping) and part.get("type", "text") == "text":
            return Fields(part, self.where).text("text")
        kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
        raise self.error(
            f"A part of the content is not text but {str(kind)[:40]!r}.",
            remedy='remove the row, or use only {"type": "text", "text": ...}',
        )

    def _whole(self, text: str) -> str:
        """Return the text; reject half a surrogate pair, which JSON escapes can produce and UTF-8 cannot encode."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise self.error(
                f"The text contains half a character (\\u{ord(text[error.start]):04x}).",
                remedy="repair the text, in which an emoji was cut in two, or remove the row",
            ) from error
        return text

    def _no_text(self, name: str, value: object) -> InputError:
        kind = _KINDS.get(type(value), type(value).__name__)
        return self.error(f"The field {name} is {kind}, not text.", remedy="write it as a string, or remove the row")

"""The fields of a row: text that can be trained on as it stands, or an error that says where it is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from so8t_shared.errors import InputError

_KINDS = {list: "a list", dict: "an object", bool: "true or false", float: "a number with a fraction", bytes: "bytes"}


@dataclass(frozen=True)
class Fields:
    """A row's values by name, and where it stands."""

    values: Mapping[str, Any]
    where: str

    def __contains__(self, name: str) -> bool:
        """Whether the row has such a field, be it empty."""
        return name in self.values

    def get(self, name: str) -> Any:
        """The value as it is; None where it is missing, for which pandas also writes NaN."""
        value = self.values.get(name)
        return None if isinstance(value, float) and math.isnan(value) else value

    def text(self, name: str) -> str:
        """What a model reads or writes: a string, or a whole number in digits; nothing where it is missing.

        Raises:
            InputError: it is anything else, since the way in which Python would print that is nobody's
                request, or a string that no file can hold.
        """
        value = self.get(name)
        if isinstance(value, bool | float) or not isinstance(value, str | int | None):
            raise self._no_text(name, value)
        return "" if value is None else self._whole(str(value))

    def key(self, name: str) -> str:
        """What names or sorts a row, for which any simple value does.

        Raises:
            InputError: it is a list, an object or the like.
        """
        value = self.get(name)
        return str(value) if isinstance(value, bool | float) else self.text(name)

    def content(self) -> str:
        """The `content` of a chat's turn: a string, or a list of parts, the text of each on lines of its own.

        Raises:
            InputError: a part is no text.
        """
        value = self.get("content")
        if not isinstance(value, list):
            return self.text("content")
        return "\n".join(self._part(part) for part in value)

    def error(self, what: str, remedy: str) -> InputError:
        """An error about this row."""
        return InputError(what, where=self.where, remedy=remedy)

    def _part(self, part: object) -> str:
        if isinstance(part, str):
            return self._whole(part)
        if isinstance(part, Mapping) and part.get("type", "text") == "text":
            return Fields(part, self.where).text("text")
        kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
        raise self.error(
            f"A part of the content is no text but {str(kind)[:40]!r}.",
            remedy='leave the row out, or give {"type": "text", "text": ...} only',
        )

    def _whole(self, text: str) -> str:
        """The text, unless JSON's escapes have left a half of a character in it, which has no form in UTF-8."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise self.error(
                f"The text holds half a character (\\u{ord(text[error.start]):04x}).",
                remedy="mend the text, in which an emoji was cut in two, or leave the row out",
            ) from error
        return text

    def _no_text(self, name: str, value: object) -> InputError:
        kind = _KINDS.get(type(value), type(value).__name__)
        return self.error(f"The field {name} is {kind}, not text.", remedy="write it as a string, or leave the row out")

"""A row of the table of original keys, and the file that its translation looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from so8t_shared.config.drives import here
from so8t_shared.config.nested import value_at


class NoEffectError(Exception):
    """Raised by a translation whose value changes nothing here; the message says why."""


@dataclass(frozen=True)
class OriginalFile:
    """The values of one file of the original form."""

    values: Mapping[str, Any]
    """By dotted original key."""
    root: str | None = None
    """inputs_root."""
    stronger: Mapping[str, Any] = field(default_factory=dict)
    """Present keys and values that win over the file, in sections."""

    def present(self, key: str) -> Any:
        """Return the value of a dotted present key that wins over the file; None if there is none."""
        return value_at(self.stronger, key)

    def here(self, path: str) -> Path:
        """The place on this host of a path in the file."""
        return Path(here(path, self.root))

    def get(self, key: str, default: Any = None) -> Any:
        """Return a key's value; `default` if the file does not have it."""
        value = self.values.get(key)
        return default if value is None else value


Translate = Callable[[OriginalFile, str], Any]
"""Returns the present value of an original key of a file.

Raises NoEffectError if it changes nothing, ValueError if it cannot be understood.
"""


def same(file: OriginalFile, key: str) -> Any:
    """Return the value unchanged."""
    return file.values[key]


@dataclass(frozen=True)
class Row:
    """One original key."""

    key: str
    """Its section and name."""
    becomes: str = ""
    """The present key, dotted."""
    value: Translate = same
    why: str = ""
    """Why it has no effect, if it has none."""


def unused(section: str, why: str, names: str) -> list[Row]:
    """Rows of one section whose keys have no effect, for one reason."""
    return [Row(f"{section}.{name}", why=why) for name in names.split()]

"""How the values of original keys are read, and translations that several keys share."""

from __future__ import annotations

from pathlib import PureWindowsPath
from typing import Any

from so8t_shared.config.original.row import NoEffectError, OriginalFile, Translate


def positive(why: str) -> Translate:
    """The value; not positive, it has no effect, as `why` says."""

    def value(file: OriginalFile, key: str) -> Any:
        given = file.values[key]
        if number(given) <= 0:
            raise NoEffectError(why)
        return given

    return value


def if_true(result: Any, why: str) -> Translate:
    """`result` where the value is true; else it has no effect, as `why` says."""

    def value(file: OriginalFile, key: str) -> Any:
        if not flag(file.values[key]):
            raise NoEffectError(why)
        return result

    return value


def negated(file: OriginalFile, key: str) -> bool:
    """The opposite of true or false."""
    return not flag(file.values[key])


def steps(file: OriginalFile, key: str) -> Any:
    """A number of steps; a share of all steps, which transformers allows, has no counterpart."""
    if 0 < number(file.values[key]) < 1:
        raise NoEffectError("a share of the steps has no counterpart; give a number of steps")
    return file.values[key]


def device(file: OriginalFile, key: str) -> str:
    """The kind of device: cuda:0 is cuda, as only one is used."""
    return str(file.values[key]).partition(":")[0].lower()


def lower_name(file: OriginalFile, key: str) -> str:
    """The last part of a name or path, in lower case."""
    return PureWindowsPath(str(file.values[key])).name.lower()


def words(value: Any) -> list[str]:
    """Return a word or a list of them as a list; ValueError for anything else."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or any(not isinstance(word, str) for word in found):
        raise ValueError(f"expected a text or a list of texts; found {value!r}")
    return found


def number(value: Any) -> float:
    """Return a number; ValueError if it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"expected a number; found {value!r}") from None


def flag(value: Any) -> bool:
    """Return true or false; ValueError for anything else."""
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    found = value if isinstance(value, bool) else words.get(str(value).lower())
    if found is None:
        raise ValueError(f"expected true or false; found {value!r}")
    return found

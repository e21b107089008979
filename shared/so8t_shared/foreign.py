"""The only place that parses JSON which another program or a person wrote: every fault is one kind of error.

`json.loads` also raises RecursionError, ValueError for an integer of 5,000 digits, and UnicodeDecodeError; and what it
accepts may be nested too deeply for whatever walks it next.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

DEEPEST = 200
"""Levels of lists and objects; what people write has ten."""


class UnparsableError(ValueError):
    """A text that cannot be used; `line` and `column` start at 1, and are 0 if unknown."""

    def __init__(self, why: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"{why}: line {line} column {column}" if line else why)
        self.why = why
        self.line = line
        self.column = column

    def place(self, path: object) -> str:
        """The place for an error's `where`."""
        return f"{path}, line {self.line}, column {self.column}" if self.line else str(path)


def parse_json(data: str | bytes, *, object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The value of a JSON text.

    Raises:
        UnparsableError: it is not UTF-8, not JSON, nested too deeply, or has an integer of thousands of digits.
    """
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        value = json.loads(text, object_pairs_hook=object_pairs_hook)
    except json.JSONDecodeError as error:
        raise UnparsableError(error.msg, error.lineno, error.colno) from error
    except UnicodeDecodeError as error:
        raise UnparsableError(f"it is not UTF-8 text (byte {error.start})") from error
    except RecursionError as error:
        raise _too_deep() from error
    except UnparsableError:
        raise
    except ValueError as error:
        raise UnparsableError(f"a number has too many digits ({error})") from error
    if text.count("[") + text.count("{") > DEEPEST:
        check_shape(value)
    return value


def check_shape(value: Any, most: int | None = None) -> None:
    """Check that a value is not nested too deeply, and has at most `most` parts, each counted as often as it is used.

    Raises:
        UnparsableError: it is, or it has more, as a YAML text of a few aliases can.
    """
    level, count = _parts([value]), 0
    for _ in range(DEEPEST):
        count += sum(len(each) for each in level)
        level = [part for each in level for part in _parts(each)]
        if most is not None and count > most:
            raise UnparsableError(f"it stands for more than {most:,} values")
        if not level:
            return
    raise _too_deep()


def _parts(value: Any) -> list[Any]:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [part for part in parts if isinstance(part, dict | list)]


def _too_deep() -> UnparsableError:
    return UnparsableError(f"its values are nested more than {DEEPEST} levels deep")

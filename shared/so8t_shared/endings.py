"""What an error means for the program that it ends: the text for a person, and the exit code."""

from __future__ import annotations

import traceback

from so8t_shared.errors import So8tError
from so8t_shared.redaction import without_secrets


def exit_code_of(error: BaseException) -> int:
    """Exit code of a program that this error ends."""
    return error.exit_code if isinstance(error, So8tError) else 1


def text_of(error: BaseException, *, debug: bool = False, remedy: str = "run again with --debug") -> str:
    """What a person is told, without secrets; `remedy` is for a defect, `debug` puts the traceback in front."""
    if isinstance(error, So8tError):
        lines = error.lines()
    else:
        lines = [f"Unexpected {type(error).__name__}: {error}", f"  to do: {remedy}"]
    return without_secrets("".join(traceback.format_exception(error) if debug else []) + "\n".join(lines))

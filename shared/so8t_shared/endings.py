"""Message and exit code for an error that ends the program."""

from __future__ import annotations

import traceback

from so8t_shared.errors import ConfigError, GateRefused, IntegrityError, So8tError, UpstreamError
from so8t_shared.redaction import presentable

FINAL_EXIT_CODES = tuple(
    sorted({error.exit_code for error in (ConfigError, UpstreamError, IntegrityError, GateRefused)})
)
"""Exit codes after which another attempt would end alike; what is damaged waits for a person. All others may pass."""


def exit_code_of(error: BaseException) -> int:
    """Exit code for an error."""
    return error.exit_code if isinstance(error, So8tError) else 1


def text_of(error: BaseException, *, debug: bool = False, remedy: str = "run again with --debug") -> str:
    """Message for an error, fit to print; `remedy` is for a bug, `debug` prepends the traceback."""
    if isinstance(error, So8tError):
        lines = error.lines()
    else:
        lines = [f"Unexpected {type(error).__name__}: {error}", f"  to do: {remedy}"]
    return presentable("".join(traceback.format_exception(error) if debug else []) + "\n".join(lines))

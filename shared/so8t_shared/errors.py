"""Errors that a person can act on, and the exit code of each.

    So8tError                 1  something unexpected
    |- ConfigError            2  the configuration is wrong
    |- InputError             2  a model, data set or folder given by the user is wrong
    |- MissingExtra           2  packages of an extra are not installed
    |- StorageError           2  a disk or folder cannot be written
    |- UnsupportedSystem      2  this operating system does not support the command
    |- UpstreamError          3  a stage before this one failed or is missing
    |- ServerError            4  a server cannot be reached or refuses a request
    |- IntegrityError         5  stored bytes differ from the manifest
    |- NewerFormat            5  a newer version of this program wrote the data
    |- GateRefused           10  the evidence does not allow model B to ship
    |- Interrupted           75  stopped by a signal, resumable
       |- LeaseLost          75  another process took over this stage

Every error says what happened, where, and what to do, in that order. Only the command line and the
stage runner turn errors into text and exit codes; everything else raises.
"""

from __future__ import annotations


class So8tError(Exception):
    """Base of all errors shown to a person without a traceback."""

    exit_code = 1
    retryable = False
    """Whether the same command may succeed later without any change by the user."""

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = _writable(what)
        self.where = _writable(where)
        self.remedy = _writable(remedy)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """What happened, where, and what to do: one line each; empty parts are omitted."""
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.remedy:
            lines.append(f"  to do: {self.remedy}")
        return lines


class ConfigError(So8tError):
    """The configuration is wrong; the message lists every fault found."""

    exit_code = 2


class InputError(So8tError):
    """A model, data set or folder given by the user cannot be used as it is."""

    exit_code = 2


class MissingExtra(So8tError):
    """A stage or a command needs packages that only an extra of the distribution installs."""

    exit_code = 2


class StorageError(So8tError):
    """A disk is full, read-only or not writable by us; once that is fixed, the same command resumes."""

    exit_code = 2


class UnsupportedSystem(So8tError):
    """This operating system lacks what the command needs; the remedy names one that works."""

    exit_code = 2


class UpstreamError(So8tError):
    """A stage that this one needs has failed or never ran."""

    exit_code = 3


class ServerError(So8tError):
    """A server cannot be reached, or refuses a request."""

    exit_code = 4
    retryable = True


class IntegrityError(So8tError):
    """Stored bytes are missing or differ from the manifest."""

    exit_code = 5
    retryable = True


class NewerFormat(So8tError):
    """A newer version of this program wrote the stored data, which is intact and must not be replaced."""

    exit_code = 5


class GateRefused(So8tError):
    """The A/B test ran, and its result does not allow model B to ship."""

    exit_code = 10


class Interrupted(So8tError):
    """A signal asked the stage to stop; it keeps its work so far and can be resumed."""

    exit_code = 75
    retryable = True


class LeaseLost(Interrupted):
    """Another process took over this stage's lease, so this one must not commit."""


def _writable(text: str) -> str:
    """Text that any file or terminal accepts, even if it contains a file name that is not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

"""Errors that a person can act on, and the exit code of each.

    So8tError                 1  something unexpected
    |- ConfigError            2  the configuration is wrong
    |- InputError             2  a model, data set or folder given by the user is wrong
    |- MissingExtra           2  packages of an extra are not installed
    |- StorageError           2  a disk or folder cannot take what is written to it
    |- UnsupportedSystem      2  this operating system cannot do what was asked
    |- UpstreamError          3  a stage before this one failed or is missing
    |- ServerError            4  a server cannot be reached or refuses
    |- IntegrityError         5  stored bytes are not what the manifest says
    |- NewerFormat            5  a newer version of this program wrote them
    |- GateRefused           10  the evidence does not allow model B to ship
    |- Interrupted           75  stopped by a signal, resumable
       |- LeaseLost          75  another process took this stage over

Every error says what happened, where, and what to do, in that order. Only the command line and the
stage runner turn one into text and an exit code; everything else raises.
"""

from __future__ import annotations


class So8tError(Exception):
    """Base of all errors that are shown to a person without a traceback."""

    exit_code = 1
    retryable = False
    """Whether the same command may succeed later with nothing changed by the user."""

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = _writable(what)
        self.where = _writable(where)
        self.remedy = _writable(remedy)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """What happened, where, what to do: one line each, empty parts left out."""
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
    """A disk is full, read-only or not ours to write: a person mends that, then the same command goes on."""

    exit_code = 2


class UnsupportedSystem(So8tError):
    """This operating system lacks what the command needs; the remedy names one that has it."""

    exit_code = 2


class UpstreamError(So8tError):
    """A stage that this one needs has failed or never ran."""

    exit_code = 3


class ServerError(So8tError):
    """A server cannot be reached, or refuses what was asked."""

    exit_code = 4
    retryable = True


class IntegrityError(So8tError):
    """Stored bytes are missing or differ from the manifest."""

    exit_code = 5
    retryable = True


class NewerFormat(So8tError):
    """A newer version of this program wrote what is stored; it is not damaged and must not be replaced."""

    exit_code = 5


class GateRefused(So8tError):
    """The A/B test ran, and its result does not allow model B to ship."""

    exit_code = 10


class Interrupted(So8tError):
    """A signal asked the stage to stop; its work so far is kept and it can be resumed."""

    exit_code = 75
    retryable = True


class LeaseLost(Interrupted):
    """Another process took over this stage's lease, so this one must not commit."""


def _writable(text: str) -> str:
    """Text that any file or terminal can take, also with the name of a file that is no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

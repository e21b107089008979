"""Who gets notifications: addresses in the environment, in a file, and of this desktop."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from so8t_shared.config.notify import Notify
from so8t_shared.errors import InputError
from so8t_shared.redaction import NOTIFY_VARIABLE, addresses_in, remember_address


@dataclass(frozen=True)
class Receivers:
    """Where a notification goes."""

    urls: tuple[str, ...]
    """Addresses as apprise reads them; most are secrets."""
    sound: bool

    def __bool__(self) -> bool:
        return self.sound or bool(self.urls)


def receivers_of(settings: Notify) -> Receivers:
    """The receivers that the environment, the file and the configuration name; each address once.

    Raises:
        InputError: the file cannot be read, or a line of it is no address.
    """
    urls = addresses_in(os.environ.get(NOTIFY_VARIABLE, ""))
    if settings.urls_file:
        urls += _read(Path(settings.urls_file))
    return Receivers(tuple(dict.fromkeys([*urls, *settings.urls])), settings.sound)


def _read(path: Path) -> list[str]:
    """One address per line; '#' begins a comment line."""
    try:
        lines = [line.strip() for line in path.expanduser().read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The file with the addresses for notifications cannot be read: {getattr(error, 'strerror', error)}.",
            where=f"notify.urls_file = {path}",
            remedy="correct the path, or remove the key",
        ) from error
    numbers = [number for number, line in enumerate(lines, 1) if line and "://" not in line and line[0] != "#"]
    if numbers:
        raise InputError(
            "A line is no address.",
            where=f"{path}, line {', '.join(map(str, numbers))}",  # its text may be a cut secret
            remedy="write one address per line, for example mailto://USER:PASSWORD@HOST?to=YOU@HOST",
        )
    urls = [line for line in lines if line and line[0] != "#"]
    for url in urls:
        remember_address(url)
    return urls

"""Proof of liveness for processes that share a local folder: a lock that the kernel releases when its holder ends.

Process ids are useless between containers, which have separate ones: a stage restarted by Docker is process 1, as its
killed predecessor was. The lock counts only within one boot of one machine, where one kernel keeps it; a folder shared
over a network proves nothing.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from filelock import lock_descriptor

from so8t_shared.processes import boot_id


class Lifeline:
    """Held from construction until `close` or the end of this process, however it ends."""

    def __init__(self, root: Path, owner: str) -> None:
        self.place = ""
        """Identifies machine, boot and folder; empty if no lock could be taken, which proves nothing."""
        self._path = _path(root, owner)
        self._handle = -1
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            if lock_descriptor(self._handle, blocking=False):
                self.place = _place(root)
        except OSError:
            pass
        if not self.place:
            self.close()

    def close(self) -> None:
        """Release the lock; safe to call twice."""
        if self._handle >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = -1


def lives(root: Path, owner: str, place: str) -> bool | None:
    """Whether `owner`'s process still holds its lifeline; None if that is unknown."""
    try:
        if not place or place != _place(root):
            return None
        handle = os.open(_path(root, owner), os.O_RDWR)
    except OSError:
        return None
    try:
        return not lock_descriptor(handle, blocking=False)
    except OSError:
        return None
    finally:
        os.close(handle)


def _path(root: Path, owner: str) -> Path:
    return root / "alive" / owner


def _place(root: Path) -> str:
    """This machine's boot plus the folder's id, created by the first process that asks; '' without a boot id."""
    boot = boot_id()
    if not boot:
        return ""
    name = root / "alive" / "folder"
    if not name.is_file():
        temporary = name.with_name(f".{uuid.uuid4().hex}")
        temporary.write_text(uuid.uuid4().hex, encoding="ascii")
        try:
            os.link(temporary, name)  # one of several racers wins
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return f"{boot}/{name.read_text(encoding='ascii')}"

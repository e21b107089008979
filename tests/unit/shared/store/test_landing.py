"""The file that a download becomes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from so8t_shared.store.landing import Landing


def _without(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Take away what some systems and disks do not have."""

    def refuse(handle: int, offset: int, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "this disk reserves nothing")

    if what == "the system's call":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    elif what == "the disk's support":
        monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)


@pytest.mark.parametrize("without", ["nothing", "the system's call", "the disk's support"])
def test_bytes_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: str) -> None:
    """The file has its size from the beginning, also where no room can be reserved, and its bytes at the end."""
    _without(monkeypatch, without)
    target = tmp_path / "new" / "file"
    with Landing(target) as landing:
        landing.begin(6)
        assert target.stat().st_size == 6
        landing.keep(3, b"def")
        landing.keep(0, b"abc")
        landing.finish()
    assert target.read_bytes() == b"abcdef"


def test_begun_again(tmp_path: Path) -> None:
    """An object that was replaced meanwhile begins anew; nothing of the former is left, also where it was larger."""
    with Landing(tmp_path / "file") as landing:
        landing.begin(6)
        landing.keep(0, b"former")
        landing.begin(3)
        landing.keep(0, b"new")
        landing.finish()
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("size", [0, 5])
def test_gone_unless_finished(tmp_path: Path, size: int) -> None:
    """Whatever ends it before its end leaves no file."""

    def begin() -> None:
        with Landing(tmp_path / "file") as landing:
            landing.begin(size)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin()
    with Landing(tmp_path / "never begun"):
        pass
    assert list(tmp_path.iterdir()) == []

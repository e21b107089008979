"""A lifeline: the kernel gives it back when its process ends, and asking after it never waits."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest
from tests.unit.shared.processes import kill, running, until

from so8t_shared.leases.lifeline import Lifeline, lives
from so8t_shared.processes import boot_id

pytestmark = pytest.mark.skipif(not boot_id(), reason="this system names no boot, so a lock proves nothing")


def _hold(root: Path, place: Path) -> None:
    """Keep a lifeline for ever, and note where it is."""
    lifeline = Lifeline(root, "owner")
    place.with_suffix(".part").write_text(lifeline.place)
    place.with_suffix(".part").rename(place)
    time.sleep(1000)


def test_held_until_killed(tmp_path: Path) -> None:
    """Another process sees it held at once, without waiting, and free as soon as the holder was killed."""
    note = tmp_path / "place"
    with running(lambda: _hold(tmp_path, note)) as process:
        until(note.is_file, "the lifeline")
        place, began = note.read_text(), time.monotonic()
        assert lives(tmp_path, "owner", place) is True
        assert time.monotonic() - began < 1
        kill(process)
    assert lives(tmp_path, "owner", place) is False


def test_given_back(tmp_path: Path) -> None:
    """Closed, once or twice, it leaves no file, and proves nothing any more."""
    lifeline = Lifeline(tmp_path, "owner")
    assert lives(tmp_path, "owner", lifeline.place) is True
    lifeline.close()
    lifeline.close()
    assert lives(tmp_path, "owner", lifeline.place) is None
    assert [path.name for path in (tmp_path / "alive").iterdir()] == ["folder"]


def test_of_another_boot_or_folder(tmp_path: Path) -> None:
    """A lock of another machine, boot or folder says nothing here."""
    lifeline = Lifeline(tmp_path, "owner")
    assert lives(tmp_path, "owner", "") is None
    assert lives(tmp_path, "owner", f"another-boot/{lifeline.place.partition('/')[2]}") is None
    assert lives(tmp_path, "owner", f"{lifeline.place}x") is None
    lifeline.close()


def test_the_same_lock_as_before(tmp_path: Path) -> None:
    """Versions of this program that called flock themselves, and this one, see each other's locks."""
    lifeline = Lifeline(tmp_path, "ours")
    theirs = os.open(tmp_path / "alive" / "theirs", os.O_RDWR | os.O_CREAT)
    fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert lives(tmp_path, "theirs", lifeline.place) is True
    os.close(theirs)
    assert lives(tmp_path, "theirs", lifeline.place) is False
    ours = os.open(tmp_path / "alive" / "ours", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(ours)
    lifeline.close()

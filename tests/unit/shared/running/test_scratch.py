"""The private folder of an attempt: one's own, and none of a dead attempt is left."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.unit.shared.processes import kill, running, until

from so8t_shared.errors import Interrupted, StorageError
from so8t_shared.files import folder_bytes
from so8t_shared.running.scratch import UNFINISHED, left_scratch, scratch_folder, unfinished_bytes


def _attempt(root: Path, stem: str) -> None:
    """Work for ever, with a file in the folder."""
    with scratch_folder(root, stem) as folder:
        (folder / "output" / "model").write_bytes(b"x" * 1000)
        time.sleep(1000)


def _names(root: Path) -> list[str]:
    return sorted(path.name.rpartition("-")[0] for path in (root / "scratch").iterdir())


def test_a_folder_of_its_own(tmp_path: Path) -> None:
    """Two places in it, both empty; gone after the block, however that ends."""
    with suppress(ZeroDivisionError), scratch_folder(tmp_path, "train-1-") as folder:
        assert folder.parent == tmp_path / "scratch"
        assert sorted(folder.rglob("*")) == [folder / "output", folder / "scratch"]
        assert left_scratch(tmp_path) == []
        raise ZeroDivisionError
    assert _names(tmp_path) == []


def test_what_a_killed_attempt_left(tmp_path: Path) -> None:
    """A living attempt's folder is nobody else's business; a killed one's goes with the next attempt of any stage."""
    with running(lambda: _attempt(tmp_path, "train-1-")) as process:
        until(lambda: list(tmp_path.glob("scratch/train-1-*/output/model")), "the attempt")
        with scratch_folder(tmp_path, "convert-a-2-"):
            assert left_scratch(tmp_path) == []
        with scratch_folder(tmp_path, "train-1-"):  # of another store that shares the folder
            assert _names(tmp_path) == ["train-1", "train-1"]
        kill(process)
    [left] = left_scratch(tmp_path)
    assert folder_bytes(left) == 1000
    with scratch_folder(tmp_path, "convert-a-2-"):
        assert _names(tmp_path) == ["convert-a-2"]


def _begin(root: Path, stem: str, end: Callable[[Path], None]) -> None:
    with scratch_folder(root, stem) as folder:
        (folder / UNFINISHED).mkdir()
        (folder / UNFINISHED / "part").write_text(stem)
        (folder / "output" / "model").write_bytes(b"x" * 1000)
        end(folder)


def _stop(folder: Path) -> None:
    raise Interrupted("")


def _kill(folder: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("end", [_stop, _kill])
def test_unfinished_work_is_taken_over(tmp_path: Path, end: Callable[[Path], None]) -> None:
    """A killed or stopped attempt's unfinished files outlive it and go to its successor, whatever starts meanwhile."""
    with running(lambda: _begin(tmp_path, "convert-a-1-", end)) as process:
        process.join(60)
    with scratch_folder(tmp_path, "train-1-") as folder:
        assert not (folder / UNFINISHED).exists()
        [left] = left_scratch(tmp_path)
        assert [path.name for path in left.rglob("*")] == [UNFINISHED, "part"]
    assert 0 < unfinished_bytes(tmp_path, "convert-a-1-") <= 4096
    assert unfinished_bytes(tmp_path, "convert-a-2-") == 0
    with scratch_folder(tmp_path, "convert-a-1-") as folder:
        assert (folder / UNFINISHED / "part").read_text() == "convert-a-1-"
        assert sorted(path.name for path in folder.iterdir()) == ["output", "scratch", UNFINISHED]
        assert _names(tmp_path) == ["convert-a-1"]
    assert _names(tmp_path) == []


def test_unfinished_work_of_another_fingerprint(tmp_path: Path) -> None:
    """The same stage with other inputs removes it, so that disks do not fill up; an error leaves nothing."""
    with suppress(Interrupted):
        _begin(tmp_path, "convert-a-1-", _stop)
    assert _names(tmp_path) == ["convert-a-1"]
    with suppress(ZeroDivisionError):
        _begin(tmp_path, "convert-a-2-", lambda folder: divmod(1, 0) and None)
    assert _names(tmp_path) == []


def test_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system has no locks, only what the lease proves to be left is removed."""

    def refuse(handle: int, how: int) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    for name in ("train-1-a", "train-2-b"):
        (tmp_path / "scratch" / name).mkdir(parents=True)
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert left_scratch(tmp_path) == []
    with scratch_folder(tmp_path, "train-1-") as folder:
        assert {path.name for path in (tmp_path / "scratch").iterdir()} == {folder.name, "train-2-b"}


def test_no_folder_yet(tmp_path: Path) -> None:
    """On a host where nothing has run there is nothing to remove."""
    assert left_scratch(tmp_path / "nowhere") == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """A file in the way is a StorageError that names the place."""
    (tmp_path / "scratch").write_text("")
    with pytest.raises(StorageError) as caught, scratch_folder(tmp_path, "train-1-"):
        raise AssertionError("went on")
    assert str(tmp_path / "scratch") in caught.value.where

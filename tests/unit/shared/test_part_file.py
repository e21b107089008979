"""Large files that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from so8t_shared.part_file import copy_hashed, part_file

DATA = os.urandom((40 << 20) + 12_345)

SLOW_COPY = """
import sys, time
from pathlib import Path
from so8t_shared.part_file import copy_hashed, part_file

def pause(done):
    print(done, flush=True)
    time.sleep(1000)

source, target = map(Path, sys.argv[1:])
with part_file(target) as part:
    copy_hashed(source, part, pause)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of a few chunks, the last one short."""
    (tmp_path / "source").write_bytes(DATA)
    return tmp_path / "source"


def _copy(source: Path, target: Path) -> str:
    with part_file(target) as part:
        return copy_hashed(source, part, lambda done: None)


def _half_way(source: Path, target: Path) -> subprocess.Popen[str]:
    """A process in the middle of a copy."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_COPY, str(source), str(target)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert 0 < int(process.stdout.readline()) < len(DATA)
    return process


def test_copy(source: Path, tmp_path: Path) -> None:
    """The same bytes, their digest, the count up to the size, and no other file."""
    target, counts = tmp_path / "new" / "target", list[int]()
    with part_file(target) as part:
        assert copy_hashed(source, part, counts.append) == hashlib.sha256(DATA).hexdigest()
        assert not target.exists()
    assert target.read_bytes() == DATA
    assert counts == sorted(counts)
    assert counts[-1] == len(DATA)
    assert [path.name for path in target.parent.iterdir()] == ["target"]


@pytest.mark.parametrize("error", [errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS])
def test_copy_without_the_kernel(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """Where the kernel cannot copy between these disks, or stops half-way, the rest is written; the bytes agree."""
    real, calls = os.copy_file_range, list[int]()

    def copy_some(read: int, write: int, count: int, at: int, to: int) -> int:
        calls.append(count)
        if len(calls) % 2 == 0:
            raise OSError(error, os.strerror(error))
        return real(read, write, min(count, 1000), at, to)

    monkeypatch.setattr(os, "copy_file_range", copy_some)
    assert _copy(source, tmp_path / "target") == hashlib.sha256(DATA).hexdigest()
    assert (tmp_path / "target").read_bytes() == DATA
    assert len(calls) > 2


def test_kill_in_the_middle(source: Path, tmp_path: Path) -> None:
    """A killed copy leaves the old file as it was, and the next copy removes what the killed one left."""
    target = tmp_path / "out" / "target"
    target.parent.mkdir()
    target.write_bytes(b"old")
    process = _half_way(source, target)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert target.read_bytes() == b"old"
    assert len(list(target.parent.iterdir())) == 2
    _copy(source, target)
    assert target.read_bytes() == DATA
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_a_running_copy_is_left_alone(source: Path, tmp_path: Path) -> None:
    """The file of a process that still copies to the same name stays."""
    target = tmp_path / "out" / "target"
    process = _half_way(source, target)
    try:
        _copy(source, target)
        assert len(list(target.parent.iterdir())) == 2
    finally:
        process.kill()
        process.wait()


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    """Neither the target nor a part of it."""
    with pytest.raises(KeyError), part_file(tmp_path / "out" / "target"):
        raise KeyError
    assert list((tmp_path / "out").iterdir()) == []

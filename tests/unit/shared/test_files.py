"""Writing files whole or not at all, and naming what a disk refuses."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.namespaces import run_on_small_disk, run_read_only
from tests.unit.shared.processes import kill, start

from so8t_shared.errors import StorageError
from so8t_shared.files import (
    as_storage_error,
    files_below,
    link_or_copy,
    make_folder,
    remove_tree,
    sha256_file,
    storage_errors,
    write_at,
    write_atomically,
    write_together,
)


@pytest.mark.parametrize(
    "number",
    [
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.ENOTDIR,
        errno.EEXIST,
        errno.ELOOP,
    ],
)
def test_disk_troubles_are_storage_errors(number: int, said: Said) -> None:
    """What a disk refuses becomes a StorageError with the place, a remedy and exit code 2."""
    with said.raised(StorageError, where="/some/place") as caught, storage_errors("/some/place"):
        raise OSError(number, os.strerror(number))
    assert caught.value.exit_code == 2


def test_the_file_that_failed_is_named() -> None:
    """Where the system names a file, that one is shown, not the one we began with."""
    error = as_storage_error(OSError(errno.ENOSPC, "full", "/disk/file"), "/elsewhere")
    assert error is not None
    assert error.where == "/disk/file"


def test_other_troubles_pass_through() -> None:
    """An error that is not about a disk keeps its type."""
    assert as_storage_error(OSError(errno.ENOENT, "no"), "x") is None
    with pytest.raises(FileNotFoundError), storage_errors("x"):
        raise FileNotFoundError(errno.ENOENT, "no")


def test_write_atomically_replaces(tmp_path: Path) -> None:
    """The new bytes are there, parents are made, nothing else is left, and others may read the file."""
    target = tmp_path / "new" / "file"
    write_atomically(target, b"one")
    write_atomically(target, b"two")
    assert target.read_bytes() == b"two"
    assert list(target.parent.iterdir()) == [target]
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_never_has_other_permissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    """It has its permissions before it has its name: nobody can open a private file in between."""
    seen, replace = [], Path.replace

    def noting(self: Path, target: Path) -> Path:
        seen.append(stat.S_IMODE(self.stat().st_mode))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", noting)
    write_atomically(tmp_path / "file", b"1", mode)
    assert [*seen, stat.S_IMODE((tmp_path / "file").stat().st_mode)] == [mode, mode]


def test_files_that_belong_together(tmp_path: Path) -> None:
    """All of them, or none where one cannot be written; nothing else is left."""
    rows, card, blocked = tmp_path / "rows", tmp_path / "card", tmp_path / "file" / "below"
    write_together({rows: b"one", card: b"two"})
    assert (rows.read_bytes(), card.read_bytes()) == (b"one", b"two")
    blocked.parent.touch()
    with pytest.raises(StorageError):
        write_together({rows: b"other", blocked: b"x"})
    assert rows.read_bytes() == b"one"
    assert {path.name for path in tmp_path.iterdir()} == {"rows", "card", "file"}


def test_killed_writer_leaves_old_or_new(tmp_path: Path) -> None:
    """SIGKILL in the middle of write_atomically leaves one whole version."""
    target, size, choose = tmp_path / "file", 3_000_000, random.Random(5)
    write_atomically(target, b"a" * size)

    def write() -> None:
        while True:
            for letter in (b"b", b"a"):
                write_atomically(target, letter * size)

    for _ in range(6):
        writer = start(write)
        time.sleep(choose.uniform(0.005, 0.06))
        kill(writer)
        assert target.read_bytes() in {b"a" * size, b"b" * size}


def test_a_folder_in_the_way_is_not_replaced(tmp_path: Path) -> None:
    """A folder of the target's name stays, and no temporary file is left beside it."""
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        write_atomically(tmp_path / "file", b"x")
    assert caught.value.filename2 == str(tmp_path / "file")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_full_disk(tmp_path: Path) -> None:
    """Without room the old content stays, nothing half-written is left, and with room it works again."""
    (tmp_path / "disk").mkdir()
    printed = run_on_small_disk(
        tmp_path / "disk",
        """
        from so8t_shared.errors import StorageError
        from so8t_shared.files import write_atomically
        write_atomically(folder / 'f', b'old')
        (folder / 'filler').write_bytes(b'x' * 600_000)
        try:
            write_atomically(folder / 'f', b'n' * 900_000)
        except StorageError as error:
            print(error.what, sorted(p.name for p in folder.iterdir()), (folder / 'f').read_bytes())
        (folder / 'filler').unlink()
        write_atomically(folder / 'f', b'new')
        print((folder / 'f').read_bytes())
        """,
    )
    assert printed.splitlines() == ["The disk is full. ['f', 'filler'] b'old'", "b'new'"]


def test_room_for_one_of_two(tmp_path: Path) -> None:
    """Files that belong together both keep their old content."""
    (tmp_path / "disk").mkdir()
    printed = run_on_small_disk(
        tmp_path / "disk",
        """
        from so8t_shared.errors import StorageError
        from so8t_shared.files import write_together
        write_together({folder / 'a': b'old', folder / 'b': b'old'})
        try:
            write_together({folder / 'a': b'n' * 600_000, folder / 'b': b'n' * 600_000})
        except StorageError as error:
            print(error.what, {p.name: p.read_bytes() for p in sorted(folder.iterdir())})
        """,
    )
    assert printed.splitlines() == ["The disk is full. {'a': b'old', 'b': b'old'}"]


def test_read_only_disk(tmp_path: Path) -> None:
    """On a read-only disk nothing is written and the message names the place."""
    (tmp_path / "disk").mkdir()
    printed = run_read_only(
        tmp_path / "disk",
        """
        from so8t_shared.errors import StorageError
        from so8t_shared.files import write_atomically
        for target in (folder / 'f', folder / 'new' / 'f'):
            try:
                write_atomically(target, b'x')
            except StorageError as error:
                print('read-only' in error.what, str(folder) in error.where)
        """,
    )
    assert printed.splitlines() == ["True True", "True True"]


def test_link_or_copy_links(tmp_path: Path) -> None:
    """On one disk the target is the same file; its folder is made."""
    (tmp_path / "source").write_bytes(b"x")
    link_or_copy(tmp_path / "source", tmp_path / "new" / "target")
    assert (tmp_path / "new" / "target").samefile(tmp_path / "source")


@pytest.mark.skipif(
    not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == Path("/tmp").stat().st_dev,
    reason="CANNOT BE TESTED HERE: there is no second disk",
)
def test_link_or_copy_copies_across_disks(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where a link cannot be made the bytes are copied."""
    source, target = Path(f"/dev/shm/so8t-test-{os.getpid()}"), tmp_path_factory.mktemp("disk") / "target"
    source.write_bytes(b"x")
    try:
        link_or_copy(source, target)
        assert target.read_bytes() == b"x"
        assert not target.samefile(source)
    finally:
        source.unlink()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, (1 << 20) + 1])
def test_sha256_of_a_file(tmp_path: Path, size: int) -> None:
    """The digest is hashlib's, also around the size of a chunk."""
    (tmp_path / "f").write_bytes(b"z" * size)
    assert sha256_file(tmp_path / "f") == hashlib.sha256(b"z" * size).hexdigest()


def test_files_below(tmp_path: Path) -> None:
    """Relative POSIX paths of all files, sorted, hidden ones too; empty folders count for nothing."""
    for name in ("b", "a/c", "a/.hidden", "a-b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "empty").mkdir()
    assert files_below(tmp_path) == sorted(["b", "a/c", "a/.hidden", "a-b"])


@pytest.mark.parametrize("kind", ["file link", "folder link", "broken link", "fifo"])
def test_links_and_special_files_are_refused(tmp_path: Path, kind: str) -> None:
    """Only plain files can be stored: a link could lead anywhere."""
    odd = tmp_path / "out" / "odd"
    odd.parent.mkdir()
    if kind == "fifo":
        os.mkfifo(odd)
    else:
        odd.symlink_to({"file link": __file__, "folder link": "/tmp", "broken link": "nowhere"}[kind])
    with pytest.raises(StorageError) as caught:
        files_below(tmp_path / "out")
    assert str(odd) in caught.value.where


def test_remove_tree(tmp_path: Path) -> None:
    """Read-only files are removed with their folder; an absent folder is fine; a link's target stays."""
    (tmp_path / "keep").mkdir()
    (tmp_path / "tree" / "a").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "f").write_bytes(b"")
    (tmp_path / "tree" / "a" / "f").chmod(0o444)
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "keep")
    remove_tree(tmp_path / "tree")
    remove_tree(tmp_path / "tree")
    assert [p.name for p in tmp_path.iterdir()] == ["keep"]


def test_a_folder_where_none_can_be(tmp_path: Path, said: Said) -> None:
    """In /proc nothing can be made: a StorageError that names the folder, not 'no such file'."""
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    with said.raised(StorageError, where="/proc/so8t/x"):
        make_folder(Path("/proc/so8t/x"))


@pytest.mark.parametrize("positional", [True, False])
def test_places_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, positional: bool) -> None:
    """Threads write places of one file at once; also where the system has but one position per file."""
    if not positional:
        monkeypatch.delattr(os, "pwrite")
    blocks = [random.Random(number).randbytes(10_000) for number in range(64)]
    with (tmp_path / "file").open("w+b") as file, ThreadPoolExecutor(8) as pool:
        handle = file.fileno()
        list(pool.map(lambda n: write_at(handle, blocks[n], n * 10_000), random.Random(0).sample(range(64), 64)))
    assert (tmp_path / "file").read_bytes() == b"".join(blocks)

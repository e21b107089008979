"""The store as a folder on a disk that is full, read-only or another user's."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.namespaces import run_on_small_disk, run_read_only
from tests.unit.shared.processes import race

from so8t_shared.errors import StorageError
from so8t_shared.store.local import LocalStore


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter (pytest's own is private)."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="CANNOT BE TESTED HERE: only root can become another user")
def test_folder_of_another_user(open_folder: Path, said: Said) -> None:
    """A store that this user may not write gives a StorageError that says so; reading it still works."""
    store = LocalStore(open_folder / "store")
    store.put_bytes("a/b", b"x")
    store.put_bytes("private", b"x")
    Path(store.location, "private").chmod(0o600)

    def refusals(_: int) -> list[StorageError]:
        os.setuid(65534)
        mine = LocalStore(Path(store.location))
        assert mine.get_bytes("a/b") == b"x"
        refused = []
        for call in (
            lambda: mine.put_bytes("a/b", b"y"),
            lambda: mine.put_if_absent("a/c", b"y"),
            lambda: mine.compare_and_put("a/b", b"y", mine.stat("a/b").etag),  # type: ignore[union-attr]
            lambda: mine.delete("a/b"),
            lambda: mine.get_bytes("private"),
        ):
            with pytest.raises(StorageError) as caught:
                call()
            refused.append(caught.value)
        return refused

    [refused] = race(1, refusals)
    assert len(refused) == 5
    for error in refused:
        assert Path(error.where).is_relative_to(store.location)
        said(error.what)
    assert store.get_bytes("a/b") == b"x"


def test_read_only_disk(store: LocalStore) -> None:
    """On a read-only disk every write is a StorageError and every read works."""
    store.put_bytes("a/b", b"x")
    printed = run_read_only(
        Path(store.location),
        """
        from so8t_shared.errors import StorageError
        from so8t_shared.store.local import LocalStore
        store = LocalStore(folder)
        calls = {
            'put_bytes': lambda: store.put_bytes('a/b', b'y'),
            'put_new': lambda: store.put_bytes('new/key', b'y'),
            'put_file': lambda: store.put_file('a/b', folder / 'a' / 'b'),
            'put_if_absent': lambda: store.put_if_absent('a/c', b'y'),
            'compare_and_put': lambda: store.compare_and_put('a/b', b'y', store.stat('a/b').etag),
            'delete': lambda: store.delete('a/b'),
        }
        for name, call in calls.items():
            try:
                call()
            except StorageError as error:
                print(name, error.what, error.exit_code)
        print(store.get_bytes('a/b'), list(store.list('a')), store.stat('a/b').size_bytes)
        """,
    )
    lines = printed.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == [
        "put_bytes",
        "put_new",
        "put_file",
        "put_if_absent",
        "compare_and_put",
        "delete",
    ]
    assert all(line.endswith("the disk is read-only. 2") for line in lines[:-1])
    assert lines[-1] == "b'x' ['a/b'] 1"


def test_full_disk(tmp_path: Path) -> None:
    """On a full disk every write is a StorageError, older objects stay whole, and after room is made all works."""
    (tmp_path / "disk").mkdir()
    printed = run_on_small_disk(
        tmp_path / "disk",
        """
        from so8t_shared.errors import StorageError
        from so8t_shared.store.local import LocalStore
        store = LocalStore(folder / 'store')
        store.put_bytes('artifacts/old', b'old' * 1000)
        store.put_bytes('counter', b'1')
        big = folder.parent / 'big'
        big.write_bytes(b'n' * 900_000)
        filler = folder / 'filler'
        filler.write_bytes(b'f' * 700_000)
        def refused(call):
            try:
                call()
            except StorageError as error:
                return error.what
            return 'no error'
        calls = [
            lambda: store.put_bytes('artifacts/old', big.read_bytes()),
            lambda: store.put_file('artifacts/old', big),
            lambda: store.put_file('artifacts/new', big),
            lambda: store.put_if_absent('artifacts/new', big.read_bytes()),
            lambda: store.compare_and_put('counter', big.read_bytes(), store.stat('counter').etag),
        ]
        assert [refused(call) for call in calls] == ['The disk is full.'] * 5, [refused(c) for c in calls]
        assert store.get_bytes('artifacts/old') == b'old' * 1000 and store.get_bytes('counter') == b'1'
        assert list(store.list('artifacts')) == ['artifacts/old'], list(store.list('artifacts'))
        assert not list((folder / 'store' / '.local' / 'tmp').iterdir())
        filler.unlink()
        store.put_file('artifacts/new', big)
        assert len(store.get_bytes('artifacts/new')) == 900_000
        print('usable again')
        """,
    )
    assert printed == "usable again\n"


def test_full_disk_of_the_reader(store: LocalStore, tmp_path: Path) -> None:
    """A download that does not fit is a StorageError and leaves no half file."""
    (tmp_path / "disk").mkdir()
    store.put_bytes("big", b"x" * 3_000_000)
    printed = run_on_small_disk(
        tmp_path / "disk",
        f"""
        from so8t_shared.errors import StorageError
        from so8t_shared.store.local import LocalStore
        store = LocalStore(Path({store.location!r}))
        try:
            store.get_file('big', folder / 'target')
        except StorageError as error:
            print(error.what, list(folder.iterdir()))
        """,
    )
    assert printed == "The disk is full. []\n"

"""Copies of models outside the store, from a folder and from a store whose files are not on this host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tiny_gguf import gguf_bytes
from tests.unit.shared.material import RemoteStore, commit, key_of, manifest_of, spoil

from so8t_shared.artifacts.copies import Copy, NamedCopy
from so8t_shared.errors import IntegrityError, Interrupted
from so8t_shared.models.gguf_file import read_header
from so8t_shared.store.local import LocalStore

MODEL = "model_b_f16.gguf"


@pytest.fixture(params=[LocalStore, RemoteStore], ids=["local", "remote"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Copy:
    """A model in a store."""
    tmp_path.joinpath("gguf").mkdir()
    store: LocalStore = request.param(tmp_path / "store")
    artifact = commit(store, tmp_path / "out", {MODEL: gguf_bytes(tmp_path / "gguf", "b")}, stage="convert-b")
    return Copy(artifact, manifest_of(artifact).files[0])


def _nothing(done: int) -> None:
    pass


def _bytes(copy: Copy) -> bytes:
    return Path(copy.artifact.store.location, key_of(copy.artifact, MODEL)).read_bytes()


def _named(copy: Copy, session_id: str = "one") -> NamedCopy:
    return NamedCopy(copy.artifact, copy.entry, session_id)


def test_a_named_copy(stored: Copy, tmp_path: Path) -> None:
    """It has the session and the digest of the tested file; the plain copy has the tested file's bytes."""
    plain, named = tmp_path / "to" / "plain.gguf", tmp_path / "to" / "named.gguf"
    stored.write(plain, _nothing)
    _named(stored).write(named, _nothing)
    assert plain.read_bytes() == _bytes(stored)
    header = read_header(named)
    assert header.text("so8t.session") == "one"
    assert header.text("so8t.evaluated_sha256") == stored.entry.sha256
    assert sorted(path.name for path in plain.parent.iterdir()) == ["named.gguf", "plain.gguf"]


def test_what_is_there(stored: Copy, tmp_path: Path) -> None:
    """A copy is known again, with and without the cache of digests; another session's or a changed one is not."""
    target, root = tmp_path / "named.gguf", stored.artifact.store.local_root
    _named(stored).write(target, _nothing)
    for _ in range(2):
        assert _named(stored).is_at(target)
        (root / "digests.sqlite").unlink()
    assert not _named(stored, "two").is_at(target)
    assert not stored.is_at(target)
    data = bytearray(target.read_bytes())
    for changed in (data[:-1], data[:-1] + bytes([data[-1] ^ 1]), b"", b"x" * len(data)):
        target.write_bytes(changed)
        assert not _named(stored).is_at(target)
    target.unlink()
    assert not _named(stored).is_at(target)


@pytest.mark.parametrize("change", [lambda data: data[::-1], lambda data: data[:-1], lambda data: data[:-1] + b"x"])
def test_damage(stored: Copy, tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    """Damage in the store is told as such, wherever in the file it is, and nothing is left."""
    spoil(Path(stored.artifact.store.location, key_of(stored.artifact, MODEL)), change)
    for copy in (stored, _named(stored)):
        with pytest.raises(IntegrityError) as caught:
            copy.write(tmp_path / "to" / MODEL, _nothing)
        assert MODEL in caught.value.what
    assert list((tmp_path / "to").iterdir()) == []


def test_a_stop(stored: Copy, tmp_path: Path) -> None:
    """A stopped copy leaves nothing, and what was there stays."""
    target = tmp_path / "to" / MODEL
    target.parent.mkdir()
    target.write_bytes(b"mine")

    def stop(done: int) -> None:
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        _named(stored).write(target, stop)
    assert {path.name: path.read_bytes() for path in target.parent.iterdir()} == {MODEL: b"mine"}

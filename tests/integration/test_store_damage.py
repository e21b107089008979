"""Objects that were altered, cut or deleted in the bucket: never served, made anew by the stage that made them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from tests.integration.buckets import Host, first, refuse, second
from tests.messages import Said
from tests.servers.lossy_proxy import lossy_proxy
from tests.servers.minio_server import MinioServer
from tests.unit.shared.material import FIRST, SECOND, Events, commit, key_of, manifest_of, run_stage, stage_run, write
from tests.unit.shared.store.buckets import bucket_store

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.artifacts.checkpoints import Checkpoints
from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.errors import IntegrityError, ServerError


@pytest.fixture
def bucket(minio: MinioServer) -> str:
    return minio.new_bucket()


def _damage(minio: MinioServer, bucket: str, key: str, how: str) -> None:
    client = minio.client()
    data = client.get_object(bucket, key).data
    if how == "deleted":
        client.remove_object(bucket, key)
        return
    changed = {"altered": bytes([data[0] ^ 1]) + data[1:], "cut": data[:-1], "emptied": b""}[how]
    client.put_object(bucket, key, io.BytesIO(changed), len(changed))


@pytest.mark.parametrize("how", ["altered", "cut", "emptied", "deleted"])
@pytest.mark.parametrize("name", ["data/x", "data/big"])
def test_damage_is_not_served_and_made_good(
    minio: MinioServer, bucket: str, tmp_path: Path, name: str, how: str, said: Said
) -> None:
    """The reader on another host ends with exit code 5; the producer's next run makes it anew; then all is well."""
    maker, reader = (Host(minio, bucket, tmp_path / name) for name in ("maker", "reader"))
    made = run_stage(FIRST, maker.session, maker.store, first)
    artifact = Artifact(maker.store, "first", made.fingerprint)
    _damage(minio, bucket, key_of(artifact, name), how)
    with said.raised(IntegrityError, where=f"{reader.store.location}, {artifact.prefix}") as caught:
        run_stage(SECOND, reader.session, reader.store, second)
    assert caught.value.exit_code == 5
    assert artifact.inspect()[0] is None
    events = Events()
    again = stage_run(FIRST, maker.session, maker.store, listeners=events).run(lambda: first)
    assert not again.reused
    [warning] = [message for level, message in events.logs if level == "WARNING"]
    said(warning)
    assert again.manifest.content_digest() == made.manifest.content_digest()
    assert not run_stage(SECOND, reader.session, reader.store, second).reused


def test_a_copied_bucket_is_read_once_and_used(minio: MinioServer, bucket: str, tmp_path: Path) -> None:
    """Objects with other etags but the same bytes, as after a copy, are read once, and then known."""
    host = Host(minio, bucket, tmp_path)
    made = run_stage(FIRST, host.session, host.store, first)
    artifact = Artifact(host.store, "first", made.fingerprint)
    for entry in made.manifest.files:
        data = host.store.get_bytes(artifact.key_of(entry)) or b""
        minio.client().put_object(bucket, artifact.key_of(entry), io.BytesIO(data), len(data))
    elsewhere = Host(minio, bucket, tmp_path / "elsewhere")
    assert run_stage(FIRST, elsewhere.session, elsewhere.store, refuse).reused

    class Blind(type(elsewhere.store)):  # type: ignore[misc]
        def checksum(self, key: str) -> None:
            raise AssertionError(f"{key} was read again")

    blind = Blind(elsewhere.store._client, elsewhere.store.local_root)
    assert Artifact(blind, "first", made.fingerprint).faults(made.manifest) == []


def test_a_download_goes_on_with_the_files_that_are_there(minio: MinioServer, bucket: str, tmp_path: Path) -> None:
    """Files that an interrupted download left, verified, are not fetched again."""
    maker, reader = (Host(minio, bucket, tmp_path / name) for name in ("maker", "reader"))
    made = run_stage(FIRST, maker.session, maker.store, first)
    artifact = Artifact(reader.store, "first", made.fingerprint)
    folder = artifact.materialize(made.manifest, ("data/b",))
    before = _identity(folder / "data/big")
    minio.client().remove_object(bucket, key_of(artifact, "data/big"))
    assert artifact.materialize(made.manifest) == folder
    assert _identity(folder / "data/big") == before
    assert (folder / "data/x").is_file()
    (folder / "data/x").write_bytes(b"??")  # altered on this host: fetched again
    assert (artifact.materialize(made.manifest) / "data/x").read_bytes() == b"42"


def _identity(path: Path) -> tuple[int, int, int]:
    """What changes when a file is written anew; not its time of access, which reading may change."""
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _rot(minio: MinioServer, bucket: str, key: str) -> None:
    """Turn a bit of an object on the server's disk; once more turns it back."""
    parts = list((minio.folder / "data" / bucket / key).rglob("part.*"))
    assert parts
    for part in parts:
        data = bytearray(part.read_bytes())
        data[len(data) // 2] ^= 1
        part.write_bytes(bytes(data))


def test_damage_on_the_servers_disk(minio: MinioServer, bucket: str, tmp_path: Path, said: Said) -> None:
    """Bytes that rotted below the server are not served: what is wrong is said, and on this host it is made good."""
    host = Host(minio, bucket, tmp_path)
    made = run_stage(FIRST, host.session, host.store, first)
    key = key_of(Artifact(host.store, "first", made.fingerprint), "data/big")
    _rot(minio, bucket, key)
    with said.raised(IntegrityError, where=f"{host.store.location}: read {key}"):
        run_stage(SECOND, host.session, host.store.patient(2.0), second)
    assert not run_stage(FIRST, host.session, host.store, first).reused
    assert not run_stage(SECOND, host.session, host.store, second).reused


def test_bytes_that_come_back_are_used(minio: MinioServer, bucket: str, tmp_path: Path, said: Said) -> None:
    """What a reader could not get is only in doubt: the maker reads it for itself, and nothing is made anew."""
    host = Host(minio, bucket, tmp_path)
    made = run_stage(FIRST, host.session, host.store, first)
    key = key_of(Artifact(host.store, "first", made.fingerprint), "data/big")
    _rot(minio, bucket, key)
    with said.raised(IntegrityError, where=f"{host.store.location}: read {key}"):
        run_stage(SECOND, host.session, host.store.patient(2.0), second)
    _rot(minio, bucket, key)
    assert run_stage(FIRST, host.session, host.store, refuse).reused
    assert not run_stage(SECOND, host.session, host.store, second).reused


def test_a_stall_of_reads_takes_nothing_away(minio: MinioServer, bucket: str, tmp_path: Path) -> None:
    """While only GETs of a file get no answer the reader ends with exit code 4; afterwards all is used as it is."""
    host = Host(minio, bucket, tmp_path)
    with lossy_proxy(minio.port) as proxy:
        store = bucket_store(minio, bucket, host.store.local_root, endpoint=proxy.endpoint, retry_s=1.0)
        made = run_stage(FIRST, host.session, store, first)
        proxy.lose(f"GET /{bucket}/{key_of(Artifact(store, 'first', made.fingerprint), 'data/big')}", 10**9)
        with pytest.raises(ServerError) as caught:
            run_stage(SECOND, host.session, store, second)
        assert caught.value.exit_code == 4
        proxy.lose("", 0)
        assert run_stage(FIRST, host.session, store, refuse).reused
        assert not run_stage(SECOND, host.session, store, second).reused


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    """What is done to files, in its order: flushed (with the bytes), named, their folder flushed, digest remembered."""
    done: list[tuple[str, object]] = []
    flush, rename, note = os.fsync, Path.replace, DigestCache.remember

    def fsync(handle: int) -> None:
        place = Path(f"/proc/self/fd/{handle}").readlink()
        done.append(("folder" if place.is_dir() else "file", place if place.is_dir() else place.read_bytes()))
        flush(handle)

    def replace(path: Path, target: Path) -> Path:
        done.append(("name", target))
        return rename(path, target)

    def remember(cache: DigestCache, path: Path, sha256: str) -> None:
        done.append(("digest", path))
        note(cache, path, sha256)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(DigestCache, "remember", remember)
    return done


def _safely(folder: Path, manifest_key: str, names: tuple[str, ...]) -> list[tuple[str, object]]:
    """What must be done to the files of a download."""
    expected: list[tuple[str, object]] = [("file", manifest_key.encode())]
    expected += [("name", folder.with_suffix(".of")), ("folder", folder.parent)]
    for path in (folder / name for name in names):
        expected += [("file", path.read_bytes()), ("name", path), ("folder", path.parent), ("digest", path)]
    return expected


def test_what_is_remembered_survives_a_power_cut(
    minio: MinioServer, bucket: str, tmp_path: Path, done: list[tuple[str, object]]
) -> None:
    """A download is on the disk before it gets its name, and its name before its digest is remembered.

    Otherwise a file that was given its full size in advance could hold zeros, and still look like the verified one.
    """
    maker, reader = (Host(minio, bucket, tmp_path / name) for name in ("maker", "reader"))
    made = run_stage(FIRST, maker.session, maker.store, first)
    artifact = Artifact(reader.store, "first", made.fingerprint)
    done.clear()
    download = artifact.materialize(made.manifest)
    assert done == _safely(download, artifact.manifest_key, ("data/big", "data/x"))


def test_a_kept_checkpoint_survives_a_power_cut(
    minio: MinioServer, bucket: str, tmp_path: Path, done: list[tuple[str, object]]
) -> None:
    """The same holds for files that were sent and stay here for their maker."""
    store = Host(minio, bucket, tmp_path).store
    checkpoints = Checkpoints(Attempt.begin(Artifact(store, "first", "0" * 64)))
    state = write(tmp_path / "state", {"a/x": b"1", "y": b"2"})
    done.clear()
    checkpoints.save("one", state)
    happened = list(done)
    key = f"artifacts/first/{'0' * 64}/attempts/0001/checkpoints/one/manifest.json"
    assert happened == _safely(checkpoints.load("one"), key, ("a/x", "y"))


@pytest.mark.parametrize("manifest", [b"{", b'{"schema_version": 99}'], ids=["damaged", "newer"])
def test_a_checkpoint_that_cannot_be_read_ends_no_commit(
    minio: MinioServer, bucket: str, tmp_path: Path, manifest: bytes
) -> None:
    """It only saves no sending: hours of work are committed though a newer program has left a checkpoint there."""
    store = bucket_store(minio, bucket, tmp_path / "local")
    store.put_bytes(f"artifacts/train/{'f' * 64}/attempts/0001/checkpoints/step-1/manifest.json", manifest)
    artifact = commit(store, tmp_path / "out", {"x": b"1"})
    assert [entry.path for entry in manifest_of(artifact).files] == ["x"]

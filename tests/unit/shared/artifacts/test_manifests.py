"""Manifests: what is complete, and every way in which stored files can be wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.material import RemoteStore, commit, key_of, manifest_of, spoil, write
from tests.unit.shared.processes import race

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.manifests import FileEntry, FileSet, Manifest
from so8t_shared.artifacts.uploads import upload
from so8t_shared.errors import InputError, IntegrityError, NewerFormat
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import FaultyStore

FILES = {"a.json": b'{"x": 1}', "merged/model.bin": b"weights" * 100, "merged/deep/er/note": b"", "モデル.txt": b"u"}


@pytest.fixture(params=[LocalStore, RemoteStore], ids=["local", "remote"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> LocalStore:
    opened: LocalStore = request.param(tmp_path / "store")
    return opened


def test_upload_moves_and_describes(store: LocalStore, tmp_path: Path) -> None:
    """Every file is stored with its path, size and digest; the folder is empty afterwards."""
    source = write(tmp_path / "out", FILES)
    files = FileSet(store, "artifacts/train/x")
    entries = upload(files, "files", source)
    assert [e.path for e in entries] == sorted(FILES)
    assert {e.path: e.size_bytes for e in entries} == {name: len(data) for name, data in FILES.items()}
    assert {store.get_bytes(files.key_of(e)) for e in entries} == set(FILES.values())
    assert not [p for p in source.rglob("*") if p.is_file()]


def test_without_a_manifest_nothing_is_there(store: LocalStore, tmp_path: Path) -> None:
    """Files alone are no artifact."""
    files = FileSet(store, "artifacts/train/x")
    upload(files, "files", write(tmp_path / "out", FILES))
    assert files.manifest() is None


def test_materialize(any_store: LocalStore, tmp_path: Path) -> None:
    """A local folder holds the very bytes, wherever the store is."""
    artifact = commit(any_store, tmp_path / "out", FILES)
    folder = artifact.materialize(manifest_of(artifact))
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES


def test_materialize_a_part(any_store: LocalStore, tmp_path: Path) -> None:
    """Only files with the wanted prefixes are fetched and checked; damage elsewhere does not matter."""
    artifact = commit(any_store, tmp_path / "out", FILES)
    spoil(Path(any_store.location, key_of(artifact, "a.json")), lambda data: data + b"x")
    folder = artifact.materialize(manifest_of(artifact), ("merged/",))
    assert (folder / "merged/model.bin").read_bytes() == FILES["merged/model.bin"]
    if isinstance(any_store, RemoteStore):
        assert not (folder / "a.json").exists()
    with pytest.raises(IntegrityError):
        artifact.materialize(manifest_of(artifact), ("a",))


def test_materialize_nothing(any_store: LocalStore, tmp_path: Path) -> None:
    """An artifact without a wanted file gives an empty folder, not a path that does not exist."""
    artifact = commit(any_store, tmp_path / "out", FILES)
    folder = artifact.materialize(manifest_of(artifact), ("absent/",))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: b"X" + data[1:], "differ from the manifest"),
        (lambda data: data[:-1], "has 699 bytes, the manifest says 700"),
        (lambda data: data + b"x", "has 701 bytes, the manifest says 700"),
        (lambda data: b"", "has 0 bytes, the manifest says 700"),
    ],
    ids=["one byte", "cut", "longer", "empty"],
)
def test_damage_is_found_and_named(
    store: LocalStore, tmp_path: Path, change: Callable[[bytes], bytes], words: str, said: Said
) -> None:
    """A changed, cut or grown file is a fault with its name, and is never handed out."""
    artifact = commit(store, tmp_path / "out", FILES)
    spoil(Path(store.location, key_of(artifact, "merged/model.bin")), change)
    [fault] = artifact.faults(manifest_of(artifact))
    assert "merged/model.bin" in fault
    assert words in fault
    with said.raised(IntegrityError):
        artifact.materialize(manifest_of(artifact))


def test_missing_file_is_found(any_store: LocalStore, tmp_path: Path, said: Said) -> None:
    """A file that is gone is a fault, and IntegrityError when it is wanted."""
    artifact = commit(any_store, tmp_path / "out", FILES)
    any_store.delete(key_of(artifact, "merged/deep/er/note"))
    assert artifact.faults(manifest_of(artifact)) == ["merged/deep/er/note is missing"]
    with said.raised(IntegrityError):
        artifact.materialize(manifest_of(artifact))


def test_same_size_damage_is_found_in_the_download(tmp_path: Path, said: Said) -> None:
    """A remote object of the right size and wrong bytes is refused, and no half of it stays here."""
    remote = RemoteStore(tmp_path / "store")
    artifact = commit(remote, tmp_path / "out", FILES)
    spoil(Path(remote.location, key_of(artifact, "merged/model.bin")), lambda data: data[::-1])
    with said.raised(IntegrityError):
        artifact.materialize(manifest_of(artifact))
    here = [p for p in (remote.local_root / "downloads").glob("*/**/*") if p.is_file()]
    assert "model.bin" not in {p.name for p in here}
    assert {p.read_bytes() for p in here} <= set(FILES.values())


def test_what_the_caller_reads_is_verified_afterwards(any_store: LocalStore, tmp_path: Path) -> None:
    """The caller reads such files and is told of altered ones; then they are fetched again, or count as damaged."""
    artifact = commit(any_store, tmp_path / "out", FILES)
    manifest = manifest_of(artifact)
    folder = artifact.materialize(manifest)
    weights = folder / "merged/model.bin"
    right = artifact.digests.sha256(weights)
    weights.chmod(0o644)
    weights.write_bytes(b"X" + weights.read_bytes()[1:])
    artifact.digests.remember(weights, right)  # as after rot: no state of the file shows it
    assert artifact.materialize(manifest, unread="merged/*.bin") == folder
    artifact.check_read(manifest, folder, {weights: right})
    with pytest.raises(IntegrityError):
        artifact.check_read(manifest, folder, {weights: hashlib.sha256(weights.read_bytes()).hexdigest()})
    if isinstance(any_store, RemoteStore):
        assert (artifact.materialize(manifest, unread="merged/*.bin") / "merged/model.bin").read_bytes() == FILES[
            "merged/model.bin"
        ]
    else:
        assert "merged/model.bin" in artifact.inspect()[1]


def test_a_download_is_kept_and_mended(tmp_path: Path) -> None:
    """What was fetched is not fetched again; a fetched file that was altered here is."""
    remote = RemoteStore(tmp_path / "store")
    artifact = commit(remote, tmp_path / "out", FILES)
    manifest = manifest_of(artifact)
    first = artifact.materialize(manifest)
    inode = (first / "a.json").stat().st_ino
    (first / "merged/model.bin").write_bytes(b"altered")
    assert artifact.materialize(manifest) == first
    assert (first / "a.json").stat().st_ino == inode
    assert (first / "merged/model.bin").read_bytes() == FILES["merged/model.bin"]


def test_processes_download_at_once(tmp_path: Path) -> None:
    """Eight processes that fetch the same artifact at the same moment all get all of it."""
    artifact = commit(RemoteStore(tmp_path / "store"), tmp_path / "out", FILES)
    manifest = manifest_of(artifact)

    def work(_: int) -> bool:
        mine = Artifact(RemoteStore(tmp_path / "store"), "train", "f" * 64)
        folder = mine.materialize(manifest)
        return all((folder / name).read_bytes() == data for name, data in FILES.items())

    assert race(8, work) == [True] * 8
    assert {p.name for p in artifact.materialize(manifest).rglob("*") if p.is_file()} == {
        name.split("/")[-1] for name in FILES
    }


def test_an_extra_file_does_not_count(store: LocalStore, tmp_path: Path) -> None:
    """A file that the manifest does not list changes neither the digest nor the verdict."""
    artifact = commit(store, tmp_path / "out", FILES)
    before = manifest_of(artifact).content_digest()
    store.put_bytes(f"{artifact.prefix}/attempts/0001/output/stranger", b"x")
    assert artifact.faults(manifest_of(artifact)) == []
    assert manifest_of(artifact).content_digest() == before


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"schema_version": 1}', b'{"schema_version": 1, "files": [{}]}'])
def test_a_damaged_manifest_is_told(store: LocalStore, tmp_path: Path, data: bytes) -> None:
    """A manifest that is no manifest is an IntegrityError with its key."""
    artifact = commit(store, tmp_path / "out", FILES)
    spoil(Path(store.location, artifact.manifest_key), lambda _: data)
    with pytest.raises(IntegrityError) as caught:
        artifact.manifest()
    assert caught.value.where == artifact.manifest_key


def test_a_newer_manifest_is_told(store: LocalStore, tmp_path: Path, said: Said) -> None:
    """A manifest of a later format is 'newer', not damaged."""
    artifact = commit(store, tmp_path / "out", FILES)
    spoil(
        Path(store.location, artifact.manifest_key),
        lambda data: json.dumps({**json.loads(data), "schema_version": 3}).encode(),
    )
    with said.raised(NewerFormat):
        artifact.manifest()


@pytest.mark.parametrize("outside", ["../../../../etc/passwd", "/etc/passwd", "a/../../b"])
@pytest.mark.parametrize("part", ["path", "key"])
def test_a_manifest_cannot_lead_outside(store: LocalStore, part: str, outside: str, said: Said) -> None:
    """A manifest that names a file or an object outside its artifact is refused before anything is read."""
    named = {"path": "a", "key": "files/a", part: outside}
    manifest = Manifest(files=(FileEntry(**named, size_bytes=1, sha256="0" * 64),))
    files = FileSet(store, "artifacts/train/x")
    for call in (files.faults, files.materialize):
        with said.raised(InputError):
            call(manifest)


def test_files_of_several_folders_are_handed_out_as_one(store: LocalStore, tmp_path: Path) -> None:
    """A folder that was copied from a bucket: its manifest may name files of several attempts."""
    artifact = commit(store, tmp_path / "out", FILES)
    manifest, elsewhere = manifest_of(artifact), f"{artifact.prefix}/attempts/0007/checkpoints/x/files/a.json"
    store.put_file(elsewhere, Path(store.location, key_of(artifact, "a.json")), move=True)
    first = manifest.files[0].model_copy(update={"key": elsewhere.removeprefix(f"{artifact.prefix}/")})
    mixed = manifest.model_copy(update={"files": (first, *manifest.files[1:])})
    folder = artifact.materialize(mixed)
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert artifact.faults(mixed) == []


def test_content_digest_knows_only_paths_and_bytes(store: LocalStore, tmp_path: Path) -> None:
    """Time, host, versions and key do not change the digest of the content; a path or a byte does."""
    manifest = manifest_of(commit(store, tmp_path / "out", FILES))
    elsewhere = manifest.model_copy(update={"created": "2001", "host": "other", "versions": {}, "key": {"a": 1}})
    assert elsewhere.content_digest() == manifest.content_digest()
    for change in ({"path": "other"}, {"sha256": "0" * 64}):
        first = manifest.files[0].model_copy(update=change)
        changed = manifest.model_copy(update={"files": (first, *manifest.files[1:])})
        assert changed.content_digest() != manifest.content_digest()


def test_content_digest_of_a_part(store: LocalStore, tmp_path: Path) -> None:
    """The digest of a prefix ignores what lies elsewhere."""
    files = manifest_of(commit(store, tmp_path / "out", FILES)).files
    other = tuple(f.model_copy(update={"sha256": "0" * 64}) if f.path == "a.json" else f for f in files)
    one, two = Manifest(files=files), Manifest(files=other)
    assert one.content_digest(("merged/",)) == two.content_digest(("merged/",))
    assert one.content_digest(("merged/", "a")) != two.content_digest(("merged/", "a"))
    assert one.size_bytes == sum(len(data) for data in FILES.values())


def test_delete_takes_the_manifest_first(store: LocalStore, tmp_path: Path) -> None:
    """A kill in the middle of deleting leaves files without a manifest, never a manifest without files."""
    watched = FaultyStore(store)
    artifact = commit(watched, tmp_path / "out", FILES)
    watched.calls.clear()
    artifact.delete()
    assert watched.keys("delete")[0] == artifact.manifest_key
    assert list(artifact.store.list(artifact.prefix)) == []
    assert [p.name for p in (tmp_path / "store").iterdir()] == [".local"]

"""Downloads: kept while the store has what they are of, and let go a day after it has not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests.unit.shared.material import RemoteStore, commit, manifest_of, write

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.downloads import left_downloads, remove_download

FILES = {"a.json": b"{}", "merged/model.bin": b"weights" * 100}


@pytest.fixture
def remote(tmp_path: Path) -> RemoteStore:
    """A store on another host."""
    return RemoteStore(tmp_path / "store")


@pytest.fixture
def artifact(remote: RemoteStore, tmp_path: Path) -> Artifact:
    """An artifact in it."""
    return commit(remote, tmp_path / "out", FILES)


def _age(path: Path, hours: float) -> None:
    moment = time.time() - 3600 * hours
    os.utime(path, (moment, moment))


def test_what_the_store_has_stays(remote: RemoteStore, artifact: Artifact) -> None:
    """However long ago it was needed."""
    _age(artifact.materialize(manifest_of(artifact)).with_suffix(".of"), hours=999)
    assert left_downloads(remote) == []


def test_what_the_store_has_no_more_goes_after_a_day(remote: RemoteStore, artifact: Artifact) -> None:
    """Its folder and the note beside it; a stage that still reads it has its time."""
    folder = artifact.materialize(manifest_of(artifact))
    artifact.delete()
    assert left_downloads(remote) == []
    _age(folder.with_suffix(".of"), hours=25)
    assert left_downloads(remote) == [folder]
    remove_download(folder)
    assert list(folder.parent.iterdir()) == []


def test_being_needed_again_makes_it_young(remote: RemoteStore, artifact: Artifact) -> None:
    """The day counts from the last time that the artifact was asked for."""
    manifest = manifest_of(artifact)
    _age(artifact.materialize(manifest).with_suffix(".of"), hours=25)
    artifact.materialize(manifest)
    artifact.delete()
    assert left_downloads(remote) == []


def test_what_is_of_unknown_origin_is_left_alone(remote: RemoteStore) -> None:
    """A folder without a note, and a note that names nothing in a store."""
    downloads = remote.local_root / "downloads"
    write(downloads, {"0123456789abcdef/model.gguf": b"x", "two/model.gguf": b"x", "two.of": b"../../etc"})
    _age(downloads / "two.of", hours=25)
    assert left_downloads(remote) == []


def test_an_unfinished_file_is_removed_when_it_was_left(artifact: Artifact) -> None:
    """One that another process writes at this moment stays."""
    manifest = manifest_of(artifact)
    folder = artifact.materialize(manifest)
    write(folder, {"merged/.old.part": b"x", "merged/.new.part": b"x"})
    _age(folder / "merged/.old.part", hours=2)
    artifact.materialize(manifest)
    assert sorted(path.name for path in (folder / "merged").iterdir()) == [".new.part", "model.bin"]

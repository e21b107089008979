"""`so8t-ab artifacts`."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.material import commit, held, run_stage, spoil, write
from tests.unit.shared.namespaces import run_on_small_disk

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.config.load import load_config
from so8t_shared.errors import IntegrityError
from so8t_shared.running.context import StageContext
from so8t_shared.running.scratch import scratch_folder
from so8t_shared.sessions.session import open_session
from so8t_shared.stages import stage_named
from so8t_shared.store.local import LocalStore

FILES = {"a.txt": b"one", "deep/er/b.bin": b"two" * 1000}


def _make(ctx: StageContext) -> None:
    write(ctx.output_dir, FILES)


@pytest.fixture
def made(store: LocalStore, config_file: Path) -> str:
    """A committed artifact of convert-a; its fingerprint."""
    return run_stage(stage_named("convert-a"), open_session(store, load_config(config_file)), store, _make).fingerprint


def test_ls(cli: Cli, config_file: Path, made: str, store: LocalStore) -> None:
    """Stage, fingerprint, size, time, host and sessions; an unfinished one says so; --stage chooses."""
    store.put_bytes(f"artifacts/train/{'0' * 64}/attempts/0001/checkpoints/one/files/x", b"x" * 5000)
    done = cli("artifacts", "ls", "-c", config_file)
    assert done.code == 0
    assert made[:12] in done.out
    assert "0" * 12 in done.out
    assert "(incomplete)" in done.out
    assert "5.0 kB" in done.out
    only = cli("artifacts", "ls", "-c", config_file, "--stage", "train").out
    assert made[:12] not in only
    assert "0" * 12 in only


def test_ls_shows_whole_fingerprints(cli: Cli, config_file: Path, made: str, store: LocalStore) -> None:
    """However many sessions use it, the fingerprint can be copied."""
    config = load_config(config_file)
    for _ in range(6):
        run_stage(stage_named("convert-a"), open_session(store, config, new=True), store, _make)
    assert made[:12] in cli("artifacts", "ls", "-c", config_file).out


def _rot(store: LocalStore, made: str) -> Path:
    """Change a byte as a failing disk does: size, times and inode, and so the cached digest, stay as they were."""
    path = next(Path(store.location, "artifacts", "convert-a", made).rglob("b.bin"))
    cache = DigestCache(store.local_root / "digests.sqlite")
    right = cache.sha256(path)
    path.chmod(0o644)
    path.write_bytes(b"TWO" + path.read_bytes()[3:])
    cache.remember(path, right)
    return path


def test_verify(cli: Cli, config_file: Path, made: str, store: LocalStore, said: Said) -> None:
    """Everything is read: right files are counted, a rotten one is named, exit code 5, and the next run rebuilds it."""
    done = cli("artifacts", "verify", "-c", config_file)
    assert (done.code, done.err) == (0, "")
    said(done.out)
    path = _rot(store, made)
    assert Artifact(store, "convert-a", made).inspect()[0] is not None
    done = cli("artifacts", "verify", "-c", config_file)
    assert done.code == 5
    said(f"{done.out}{done.err}", made=made[:12])
    again = run_stage(stage_named("convert-a"), open_session(store, load_config(config_file)), store, _make)
    assert not again.reused
    assert not path.exists()
    assert cli("artifacts", "verify", "-c", config_file).code == 0


def test_what_is_read_is_verified(store: LocalStore, made: str) -> None:
    """A stage about to read a rotten file is stopped, although the cached digest is right; it will be rebuilt."""
    artifact = Artifact(store, "convert-a", made)
    manifest = artifact.manifest()
    assert manifest is not None
    artifact.materialize(manifest)
    _rot(store, made)
    with pytest.raises(IntegrityError):
        artifact.materialize(manifest)
    assert "b.bin" in artifact.inspect()[1]


def test_get(cli: Cli, config_file: Path, made: str, tmp_path: Path) -> None:
    """A verified copy of the files, by the first digits of the fingerprint."""
    target = tmp_path / "new" / "copy"
    done = cli("artifacts", "get", made[:6], target, "-c", config_file)
    assert (done.code, done.out) == (0, f"2 files in {target}\n")
    files = {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()}
    assert files == FILES
    assert [p.name for p in target.parent.iterdir()] == ["copy"]
    (target / "a.txt").write_bytes(b"mine to change")


@pytest.mark.parametrize("prefix", ["zzzz", ""])
def test_get_of_what(cli: Cli, config_file: Path, made: str, store: LocalStore, prefix: str, said: Said) -> None:
    """Digits that match no artifact, or several, are refused."""
    commit(store, config_file.parent / "out", FILES, stage="train")
    done = cli("artifacts", "get", prefix, config_file.parent / "copy", "-c", config_file)
    assert done.code == 2
    said(done.err)
    assert not (config_file.parent / "copy").exists()


def test_get_overwrites_nothing(cli: Cli, config_file: Path, made: str, said: Said) -> None:
    """A target that exists is refused."""
    done = cli("artifacts", "get", made, config_file.parent / "model", "-c", config_file)
    assert done.code == 2
    said(done.err)


def test_get_of_a_damaged_one(cli: Cli, config_file: Path, made: str, store: LocalStore, said: Said) -> None:
    """Damage is exit code 5, and nothing is copied."""
    spoil(Path(store.location, "artifacts/convert-a", made, "attempts/0001/output/a.txt"), lambda _: b"???")
    done = cli("artifacts", "get", made, config_file.parent / "copy", "-c", config_file)
    assert done.code == 5
    assert "a.txt" in done.err
    said(done.err)
    assert not (config_file.parent / "copy").exists()


def test_get_onto_a_full_disk(config_file: Path, store: LocalStore, tmp_path: Path) -> None:
    """What does not fit leaves nothing behind."""
    commit(store, tmp_path / "out", {"small": b"x", "zbig": b"x" * 3_000_000}, stage="train")
    (tmp_path / "disk").mkdir()
    printed = run_on_small_disk(
        tmp_path / "disk",
        f"""
        from so8t_shared.cli.main import main
        code = main(["artifacts", "get", "f", str(folder / "copy"), "-c", {str(config_file)!r}])
        print(code, list(folder.iterdir()))
        """,
    )
    assert printed == "2 []\n"


def _work(store: LocalStore, fingerprint: str) -> Artifact:
    store.put_bytes(f"artifacts/train/{fingerprint}/attempts/0001/checkpoints/one/files/x", b"x" * 5000)
    return Artifact(store, "train", fingerprint)


def test_gc_of_what_attempts_left(cli: Cli, config_file: Path, made: str, store: LocalStore) -> None:
    """Files of a killed attempt go from an artifact that stays, and the command says so."""
    store.put_bytes(f"artifacts/convert-a/{made}/attempts/0000/output/x", b"x" * 5000)
    what = "files of ended attempts, 5.0 kB"
    done = cli("artifacts", "gc", "-c", config_file)
    assert (
        done.out
        == f"0 artifacts, 0 B would be deleted; add --yes to delete\n{what} would be deleted; add --yes to delete\n"
    )
    assert cli("artifacts", "gc", "-c", config_file, "--yes").out == f"0 artifacts, 0 B deleted\n{what} deleted\n"
    assert cli("artifacts", "gc", "-c", config_file).out == "0 artifacts, 0 B would be deleted; add --yes to delete\n"
    assert Artifact(store, "convert-a", made).inspect()[0] is not None


def test_gc_of_cached_answers(cli: Cli, config_file: Path, made: str, store: LocalStore) -> None:
    """Answers that no session uses are shown, and go with --yes."""
    store.put_bytes(f"cache/samples/{'0' * 64}/1.seg", b"x" * 5000)
    told = "cached answers, 5.0 kB"
    assert f"{told} would be deleted; add --yes to delete\n" in cli("artifacts", "gc", "-c", config_file).out
    assert cli("artifacts", "gc", "-c", config_file, "--yes").out.endswith(f"{told} deleted\n")
    assert "cached" not in cli("artifacts", "gc", "-c", config_file).out
    assert list(store.list("cache")) == []


def test_gc_shows_first(cli: Cli, config_file: Path, made: str, store: LocalStore) -> None:
    """Without --yes it only says what would go; with it, it goes; what the session uses stays."""
    _work(store, "0" * 64)
    done = cli("artifacts", "gc", "-c", config_file)
    assert done.code == 0
    assert re.search(r"train +0{12} +5.0 kB\n1 artifact, 5.0 kB would be deleted; add --yes to delete", done.out)
    assert list(store.list("artifacts/train"))
    done = cli("artifacts", "gc", "-c", config_file, "--yes")
    assert done.out.endswith("1 artifact, 5.0 kB deleted\n")
    assert list(store.list("artifacts/train")) == []
    assert Artifact(store, "convert-a", made).inspect()[0] is not None


def test_gc_and_the_scratch_of_killed_stages(cli: Cli, config_file: Path, made: str, store: LocalStore) -> None:
    """What a killed stage left on this host is shown, and goes with --yes; what a living one uses is not told."""
    with scratch_folder(store.local_root, "convert-a-1-"):
        write(store.local_root / "scratch" / "train-0-x", {"output/model": b"x" * 5000})
        told = "scratch folders of killed stages, 5.0 kB"
        assert f"{told} would be deleted; add --yes to delete\n" in cli("artifacts", "gc", "-c", config_file).out
        assert cli("artifacts", "gc", "-c", config_file, "--yes").out.endswith(f"{told} deleted\n")
        assert "scratch" not in cli("artifacts", "gc", "-c", config_file).out
        assert len(list((store.local_root / "scratch").iterdir())) == 1


def test_gc_and_downloads_of_what_is_gone(cli: Cli, config_file: Path, made: str, store: LocalStore) -> None:
    """What this host downloaded of something that its store has no more; what is there stays."""
    downloads = store.local_root / "downloads"
    for name, key in (
        ("gone", "artifacts/train/0/manifest.json"),
        ("there", f"artifacts/convert-a/{made}/manifest.json"),
    ):
        write(downloads, {f"{name}/model": b"x" * 5000, f"{name}.of": key.encode()})
        os.utime(downloads / f"{name}.of", (0, 0))
    told = "downloads of deleted artifacts, 5.0 kB"
    assert f"{told} would be deleted; add --yes to delete\n" in cli("artifacts", "gc", "-c", config_file).out
    assert cli("artifacts", "gc", "-c", config_file, "--yes").out.endswith(f"{told} deleted\n")
    assert sorted(path.name for path in downloads.iterdir()) == ["there", "there.of"]


def test_gc_keeps_what_is_in_work(cli: Cli, config_file: Path, store: LocalStore) -> None:
    """An artifact that a process holds is left alone; afterwards it goes."""
    artifact = _work(store, "0" * 64)
    with held(store, artifact.lease_key):
        assert "0 artifacts" in cli("artifacts", "gc", "-c", config_file, "--yes").out
        assert artifact.store.get_bytes(f"{artifact.prefix}/attempts/0001/checkpoints/one/files/x")
    assert "1 artifact," in cli("artifacts", "gc", "-c", config_file, "--yes").out


def test_gc_and_a_record_that_cannot_be_read(
    cli: Cli, config_file: Path, made: str, store: LocalStore, said: Said
) -> None:
    """A damaged session.json is named, and its session's artifacts stay; a newer program's ends with 5."""
    session = open_session(store, load_config(config_file)).session_id
    record = Path(store.location, "sessions", session, "session.json")
    original = record.read_bytes()
    spoil(record, lambda data: data[:-5])
    done = cli("artifacts", "gc", "-c", config_file, "--yes")
    assert (done.code, done.out) == (0, "0 artifacts, 0 B deleted\n")
    said(done.err, session=session)
    spoil(record, lambda _: original.replace(b'n":1', b'n":2'))
    done = cli("artifacts", "gc", "-c", config_file, "--yes")
    assert done.code == 5
    said(done.err, session=session)
    assert Artifact(store, "convert-a", made).inspect()[0] is not None


def test_a_stage_that_is_none(cli: Cli, config_file: Path, said: Said) -> None:
    """A mistyped name is refused, not answered with an empty list."""
    done = cli("artifacts", "ls", "-c", config_file, "--stage", "trian")
    assert (done.code, done.out) == (2, "")
    said(done.err)
    assert cli("artifacts", "ls", "-c", config_file, "--stage", "train").code == 0

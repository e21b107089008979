"""Files that several artifacts of a stage have in common: computed once, checked, and given up with their artifact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.servers.minio_server import MinioServer, minio
from tests.unit.shared.material import key_of, make_config, make_inputs, manifest_of, run_stage, spoil, write
from tests.unit.shared.processes import race
from tests.unit.shared.store.buckets import bucket_store

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.running.context import StageContext
from so8t_shared.running.runner import Outcome
from so8t_shared.sessions.collection import collect
from so8t_shared.sessions.session import open_session
from so8t_shared.stage_inputs import DataInput, ModelInput
from so8t_shared.stages import Shared, Stage
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore

__all__ = ["minio"]

STAGE = Stage(
    "train",
    "tests",
    1,
    "trains on rows",
    reads=("training.seed", "training.max_length", "dataset.split_seed"),
    inputs=lambda config: [
        ModelInput("model_b", Path(config.base_of_b.base_model)),
        DataInput("dataset.paths[0]", config.dataset.paths[0]),
    ],
    shared=Shared(("rows/",), ("training.max_length", "dataset.split_seed")),
)
NOTES = "sessions/by-config/shared"


class Member:
    """One training after another; each prepares the rows unless another's can be taken over."""

    def __init__(self, store: ArtifactStore, root: Path, stage: Stage = STAGE) -> None:
        self.store, self.root, self.stage = store, root, stage
        self.prepared = 0
        if not (root / "model").exists():
            make_inputs(root)

    def train(self, seed: int, **sections: Any) -> Outcome:
        """The outcome for that seed; `prepared` counts."""
        training = {"seed": seed, **sections.pop("training", {})}
        config = make_config(self.root, training=training, session_id_format=f"s{seed}", **sections)
        return run_stage(self.stage, open_session(self.store, config), self.store, self._work)

    def _work(self, ctx: StageContext) -> None:
        folder = ctx.shared_output()
        if folder is None:
            self.prepared += 1
            rows = {"rows/a": b"rows of %d" % ctx.config.dataset.split_seed, "rows/b/c": b"more"}
        else:
            rows = {f"rows/{name}": (folder / "rows" / name).read_bytes() for name in ("a", "b/c")}
        write(ctx.output_dir, {**rows, "weights": b"%d" % ctx.config.training.seed})


def test_the_next_training_takes_them_over(folder_or_bucket: ArtifactStore, tmp_path: Path) -> None:
    """Three seeds prepare once; other rows, other settings of theirs, and another version prepare anew."""
    members = Member(folder_or_bucket, tmp_path)
    made = [members.train(seed).manifest for seed in (1, 2, 3)]
    assert members.prepared == 1
    assert len({manifest.content_digest(("rows/",)) for manifest in made}) == 1
    members.train(1, dataset={"paths": [str(tmp_path / "rows.jsonl")], "split_seed": 5})
    assert members.prepared == 2
    members.train(4, training={"max_length": 77})
    assert members.prepared == 3
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"text": "Lend me a hand.", "label": "ALLOW"}\n')
    members.train(5)
    members.train(6)
    assert members.prepared == 4
    members.stage = replace(STAGE, version=2)
    members.train(6)
    assert members.prepared == 5


@pytest.mark.parametrize("damage", [lambda data: data[:-1] + b"!", lambda data: b""], ids=["altered", "cut"])
def test_damaged_files_are_made_anew(store: LocalStore, tmp_path: Path, damage: Any) -> None:
    """A training that finds them damaged prepares its own, which the next one takes over."""
    members = Member(store, tmp_path)
    first = Artifact(store, "train", members.train(1).fingerprint)
    spoil(Path(store.location, key_of(first, "rows/a")), damage)
    fresh = Member(LocalStore(Path(store.location)), tmp_path)
    second = fresh.train(2)
    assert fresh.prepared == 1
    assert [f.sha256 for f in second.manifest.files[:2]] == [f.sha256 for f in manifest_of(first).files[:2]]
    fresh.train(3)
    assert fresh.prepared == 1


def test_damaged_objects_are_made_anew(minio: MinioServer, tmp_path: Path) -> None:
    """So it is in a bucket, on a host that has downloaded nothing."""
    bucket = minio.new_bucket()
    store = bucket_store(minio, bucket, tmp_path / "one")
    members = Member(store, tmp_path)
    key = key_of(Artifact(store, "train", members.train(1).fingerprint), "rows/a")
    store.put_bytes(key, b"x" * len(store.get_bytes(key) or b""))
    other = Member(bucket_store(minio, bucket, tmp_path / "two"), tmp_path)
    other.train(2)
    other.train(3)
    assert other.prepared == 1


@pytest.mark.parametrize("note", [b"{", b'{"schema_version": 99}', b'{"schema_version": 1, "stage": "x"}', None])
def test_a_bad_note_is_no_harm(store: LocalStore, tmp_path: Path, note: bytes | None) -> None:
    """A note that is damaged, of a newer program or gone costs one preparation."""
    members = Member(store, tmp_path)
    members.train(1)
    (key,) = store.list(NOTES)
    store.delete(key) if note is None else store.put_bytes(key, note)
    members.train(2)
    members.train(3)
    assert members.prepared == 2


def test_two_at_once(store: LocalStore, tmp_path: Path) -> None:
    """Processes that train at the same time write the same rows, and one note that is right."""
    make_inputs(tmp_path)

    def work(number: int) -> object:
        return Member(LocalStore(Path(store.location)), tmp_path).train(number).manifest.content_digest(("rows/",))

    assert len(set(race(4, work))) == 1
    assert len(list(store.list(NOTES))) == 1
    later = Member(store, tmp_path)
    later.train(9)
    assert later.prepared == 0


def test_they_go_with_their_artifact(store: LocalStore, tmp_path: Path) -> None:
    """Gc removes the note of an artifact that it has removed, not of one that is kept, and only if it may delete."""
    members = Member(store, tmp_path)
    members.train(1, dataset={"paths": [str(tmp_path / "rows.jsonl")], "split_seed": 5})
    members.train(2)
    assert len(list(store.list(NOTES))) == 2
    collect(store, keep_sessions=1, delete=False)
    assert len(list(store.list(NOTES))) == 2
    collect(store, keep_sessions=1, delete=True)
    assert len(list(store.list(NOTES))) == 1
    members.train(3)
    assert members.prepared == 2


def test_files_that_depend_on_a_stage(store: LocalStore, tmp_path: Path) -> None:
    """They are taken over where the stage that they are made from has the same files, whatever the others have."""
    rows, other = (Stage(name, "tests", 1, "leaves a file", reads=("training.seed",)) for name in ("rows", "other"))
    reader = Stage(
        *("reader", "tests", 1, "reads both"),
        reads=(),
        needs={"rows": ("x",), "other": ("x",)},
        shared=Shared(("x",), (), ("rows",)),
    )
    taken: list[bool] = []

    def work(ctx: StageContext) -> None:
        taken.append(ctx.shared_output() is not None)
        write(ctx.output_dir, {"x": b"made"})

    make_inputs(tmp_path)
    for seed, (of_rows, of_other) in enumerate([(b"1", b"1"), (b"1", b"2"), (b"2", b"2"), (b"2", b"3")]):
        config = make_config(tmp_path, training={"seed": seed}, session_id_format=f"s{seed}")
        session = open_session(store, config)
        for stage, data in ((rows, of_rows), (other, of_other)):
            run_stage(stage, session, store, lambda ctx, data=data: write(ctx.output_dir, {"x": data}))
        run_stage(reader, session, store, work)
    assert taken == [False, True, False, True]


def test_a_stage_without_shared_files(store: LocalStore, tmp_path: Path) -> None:
    """It takes nothing over and leaves no note."""
    plain = Member(store, tmp_path, replace(STAGE, shared=None))
    plain.train(1)
    plain.train(2)
    assert plain.prepared == 2
    assert list(store.list(NOTES)) == []

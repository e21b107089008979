"""`plan`: run, resume or reuse, and which part of the key changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.unit.shared.material import held, listing, make_config, make_model, run_stage, spoil, write

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.artifacts.checkpoints import Checkpoints
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError
from so8t_shared.planning.plan import PlannedStage, make_plan
from so8t_shared.running.context import StageContext
from so8t_shared.sessions.session import open_session
from so8t_shared.stages import STAGES
from so8t_shared.store.local import LocalStore

NAMES = [stage.name for stage in STAGES]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    make_model(tmp_path / "model")
    (tmp_path / "rows.jsonl").write_text("{}\n")
    return make_config(tmp_path)


def _produce(ctx: StageContext) -> None:
    """Files that stand for a stage's real ones; those of train depend on its seed."""
    seed = b"%d" % ctx.config.training.seed
    files = {
        "chat.json": b"{}",
        "conversion.json": b"{}",
        "model_a_f16.gguf": b"gguf",
        "merged/model.safetensors": seed,
        "splits/test.jsonl": b"rows",
        "training.json": seed,
    }
    write(ctx.output_dir, {**files, f"{ctx.stage.name}.txt": seed if ctx.stage.name == "train" else b""})


def _run_all(store: LocalStore, config: Config, upto: str = "report") -> None:
    session = open_session(store, config)
    for stage in STAGES[: NAMES.index(upto) + 1]:
        if stage.name == "report":  # its export is not what is looked at here
            break
        run_stage(stage, session, store, _produce)


def _actions(plan: list[PlannedStage]) -> dict[str, str]:
    return {line.stage.name: line.action for line in plan}


def _changed(tmp_path: Path, **sections: Any) -> Config:
    return make_config(tmp_path, **sections)


def test_nothing_has_run(store: LocalStore, config: Config) -> None:
    """Stages without upstreams say 'never run', the others what runs before them."""
    plan = make_plan(store, config)
    assert set(_actions(plan).values()) == {"run"}
    why = {line.stage.name: line.why for line in plan}
    assert why["convert-a"] == why["train"] == ["never run in this store"]
    assert why["convert-b"] == ["train runs first"]
    assert why["import"] == ["convert-a runs first", "convert-b runs first", "train runs first"]
    assert [line.fingerprint is None for line in plan] == [False, False, True, True, True, True, True]


def test_everything_has_run(store: LocalStore, config: Config) -> None:
    """What is committed is reused, and the plan's fingerprints are those of the run."""
    _run_all(store, config)
    plan = make_plan(store, config)
    assert {name for name, action in _actions(plan).items() if action == "reuse"} == set(NAMES) - {"report"}
    for line in plan[:-1]:
        assert line.fingerprint
        assert Artifact(store, line.stage.name, line.fingerprint).manifest() is not None
        assert line.why[0].startswith("made ")


def test_a_changed_key_is_named(store: LocalStore, config: Config, tmp_path: Path) -> None:
    """A hyper-parameter reruns train and what follows, not convert-a, and is shown with old and new value."""
    _run_all(store, config)
    plan = make_plan(store, _changed(tmp_path, training={"seed": 43}))
    assert _actions(plan) == {name: "reuse" if name == "convert-a" else "run" for name in NAMES}
    assert plan[1].why == ["changed: training.seed: 42 -> 43"]


def test_a_changed_dpi_reruns_the_report_alone(store: LocalStore, config: Config, tmp_path: Path) -> None:
    """Only the report depends on how pictures are drawn."""
    _run_all(store, config)
    plan = make_plan(store, _changed(tmp_path, visualization={"dpi": 99}))
    assert {name for name, action in _actions(plan).items() if action == "run"} == {"report"}


def test_the_nearest_artifact_is_compared(store: LocalStore, config: Config, tmp_path: Path) -> None:
    """Of several earlier results the one with the fewest differences is named."""
    _run_all(store, config, "train")
    _run_all(store, _changed(tmp_path, training={"seed": 43, "epochs": 2.0}), "train")
    plan = make_plan(store, _changed(tmp_path, training={"seed": 43, "epochs": 3.0}))
    assert plan[1].why == ["changed: training.epochs: 2.0 -> 3.0"]


def test_what_cannot_be_read_is_not_compared(store: LocalStore, config: Config, tmp_path: Path) -> None:
    """A manifest that is damaged, or a newer program's, ends no plan."""
    for digit, manifest in (("1", b'{"schema_version": 99}'), ("2", b"{")):
        store.put_bytes(f"artifacts/train/{digit * 64}/manifest.json", manifest)
    assert make_plan(store, config)[1].why == ["never run in this store"]


def test_changed_data_are_named(store: LocalStore, config: Config, tmp_path: Path) -> None:
    """Other bytes in an input are reported as a change of that input."""
    _run_all(store, config)
    (tmp_path / "rows.jsonl").write_text('{"more": 1}\n')
    [why] = make_plan(store, config)[1].why
    assert why.startswith("changed: dataset.paths[0]: ")


@pytest.mark.parametrize("what", ["model", "rows.jsonl"])
def test_touching_and_moving_reruns_nothing(store: LocalStore, config: Config, tmp_path: Path, what: str) -> None:
    """Inputs that lie elsewhere with the same bytes are the same inputs."""
    _run_all(store, config)
    (tmp_path / "moved").mkdir()
    shutil.move(tmp_path / what, tmp_path / "moved" / what)
    section = (
        {"model_a": {"base_model": str(tmp_path / "moved" / what)}}
        if what == "model"
        else {"dataset": {"paths": [str(tmp_path / "moved" / what)]}}
    )
    plan = make_plan(store, _changed(tmp_path, **section))
    assert {name for name, action in _actions(plan).items() if action == "run"} == {"report"}


def test_stages_that_are_left_out(store: LocalStore, config: Config, tmp_path: Path) -> None:
    """Their inputs need not be here any more; what the session has of them decides the stages that are planned."""
    _run_all(store, config, "import")
    whole = {line.stage.name: line for line in make_plan(store, config)}
    shutil.rmtree(tmp_path / "model")
    (tmp_path / "rows.jsonl").unlink()
    plan = make_plan(store, config, STAGES[3:])
    assert _actions(plan) == {"import": "reuse", "evaluate": "run", "conclude": "run", "report": "run"}
    assert [line.fingerprint for line in plan] == [whole[name].fingerprint for name in NAMES[3:]]
    other = _changed(tmp_path, training={"seed": 43})
    [line] = make_plan(store, other, STAGES[2:3])
    assert (line.action, line.why) == ("run", ["train has not been completed"])


def test_damage_is_told(store: LocalStore, config: Config) -> None:
    """A corrupt artifact is planned to run, with the file that is wrong; looking does not take it away."""
    _run_all(store, config)
    made = make_plan(store, config)[0]
    path = Path(store.location, "artifacts/convert-a", made.fingerprint or "", "attempts/0001/output/chat.json")
    spoil(path, lambda _: b"[]")
    line = make_plan(store, config)[0]
    assert line.action == "run"
    assert "damaged" in line.why[0]
    assert "chat.json" in line.why[0]
    assert path.read_bytes() == b"[]"


def test_an_interrupted_stage_resumes(store: LocalStore, config: Config, tmp_path: Path) -> None:
    """With checkpoints the plan says from which one it goes on."""
    made = make_plan(store, config)[1]
    artifact = Artifact(store, "train", made.fingerprint or "")
    with held(store, artifact.lease_key):
        for step in (20, 40):
            Checkpoints(Attempt.begin(artifact)).save(f"step-{step:06d}", write(tmp_path / "out", {"x": b""}))
    line = make_plan(store, config)[1]
    assert (line.action, line.why) == ("resume", ["from checkpoint step-000040"])


def test_planning_writes_nothing(store: LocalStore, config: Config) -> None:
    """A plan leaves store and session as they are."""
    _run_all(store, config, "train")
    before = listing(Path(store.location))
    make_plan(store, config)
    assert listing(Path(store.location)) == before


def test_a_missing_model_is_told(store: LocalStore, config: Config, tmp_path: Path, said: Said) -> None:
    """What a run would stumble over is an InputError now."""
    shutil.rmtree(tmp_path / "model")
    with said.raised(InputError):
        make_plan(store, config)

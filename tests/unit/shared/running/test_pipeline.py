"""The pipeline on one machine: order, reuse, the first failure, signals, and no stage left running."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.messages import Said
from tests.unit.shared.material import spoil
from tests.unit.shared.processes import until
from tests.unit.shared.small_service import NAMES, ROOT, WORK

from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.artifacts.fingerprints import Key, fingerprint, stage_key
from so8t_shared.config.load import load_config
from so8t_shared.errors import InputError, Interrupted, UpstreamError
from so8t_shared.interruption import StopSignal
from so8t_shared.running.events import Event, Listener, Listeners
from so8t_shared.running.pipeline import PipelineRun, StageFailed, check_selection
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.stages import STAGES, Stage
from so8t_shared.store.local import LocalStore

SMALL = [replace(stage, work=WORK) for stage in STAGES]


class Shown(Listener):
    """Keeps the events that it hears."""

    def __init__(self) -> None:
        self.states: list[tuple[str, str]] = []
        self.messages: list[tuple[str, str]] = []

    def hear(self, event: Event) -> None:
        if event.kind in {"waiting", "progress", "log"}:
            self.messages.append((event.stage, event.message))
        else:
            self.states.append((event.stage, event.kind))


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture
def session(config_file: Path, store: LocalStore) -> Session:
    return open_session(store, load_config(config_file))


@pytest.fixture
def misbehave(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Say what a stage does instead of its work."""
    return lambda stage, how: monkeypatch.setenv(f"SMALL_{stage.upper().replace('-', '_')}", how)


def _pipeline(store: LocalStore, session: Session, stages: list[Stage] = SMALL, jobs: int = 1) -> PipelineRun:
    listeners = Listeners("run")
    listeners.add(Shown())
    return PipelineRun(store, session, stages, listeners, StopSignal(), jobs=jobs)


def _children() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "so8t_shared.running.child" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _shown(run: PipelineRun) -> Shown:
    [heard] = run.listeners._open
    assert isinstance(heard.listener, Shown)
    return heard.listener


def test_runs_all_in_order_and_then_nothing(store: LocalStore, session: Session) -> None:
    """The first run computes six stages, in the order of what they need; the second starts no process."""
    run = _pipeline(store, session)
    run.run()
    assert run.computed == list(NAMES)
    assert ("train", "making train") in _shown(run).messages
    again = _pipeline(store, session, jobs=2)
    again.run()
    assert (again.computed, again.reused) == ([], list(NAMES))
    assert {state for _, state in _shown(again).states} == {"reused"}


def test_two_stages_at_once(store: LocalStore, session: Session) -> None:
    """With room for two, convert-a and train start together; what needs one of them starts after that one."""
    run = _pipeline(store, session, SMALL[:3], jobs=2)
    run.run()
    states = _shown(run).states
    first_end = min(states.index(("convert-a", "finished")), states.index(("train", "finished")))
    assert {states.index(("convert-a", "started")), states.index(("train", "started"))} == {0, 1}
    assert first_end >= 2
    assert states.index(("convert-b", "started")) > states.index(("train", "finished"))


def test_a_failure_ends_the_run(store: LocalStore, session: Session, misbehave: Any, said: Said) -> None:
    """The stage's own message, place, remedy and exit code; nothing after it starts; what was done stays done."""
    misbehave("train", "fail")
    run = _pipeline(store, session)
    with said.raised(StageFailed, where="model.safetensors") as caught:
        run.run()
    assert caught.value.exit_code == 2
    assert run.computed == ["convert-a"]
    assert [stage for stage, state in _shown(run).states if state == "started"] == ["convert-a", "train"]
    misbehave("train", "")
    again = _pipeline(store, session, SMALL[:2])
    again.run()
    assert (again.reused, again.computed) == (["convert-a"], ["train"])


def test_a_failure_stops_the_others(store: LocalStore, session: Session, misbehave: Any, said: Said) -> None:
    """A stage beside the one that failed is asked to stop and waited for; the first failure is the one told."""
    misbehave("convert-a", "slow")
    misbehave("train", "fail")
    run = _pipeline(store, session, SMALL[:2], jobs=2)
    with said.raised(StageFailed, where="model.safetensors"):
        run.run()
    assert ("convert-a", "interrupted") in _shown(run).states
    assert _children() == []


@pytest.mark.parametrize(
    ("how", "exit_code"),
    [("kill", 1), ("defect", 1), ("exit", 7), ("sigterm", 75)],
    ids=["kill", "defect", "exit", "sigterm"],
)
def test_other_ends(store: LocalStore, session: Session, misbehave: Any, how: str, exit_code: int, said: Said) -> None:
    """However a stage's process ends, one message says how, with what to do."""
    misbehave("train", how)
    with pytest.raises(StageFailed) as caught:
        _pipeline(store, session, SMALL[1:2]).run()
    said(caught.value.what)
    assert caught.value.exit_code == exit_code
    assert caught.value.remedy


def test_asked_to_stop(store: LocalStore, session: Session, misbehave: Any) -> None:
    """A signal to the run is passed on; the stages end in their own way, and the run with 75."""
    misbehave("train", "slow")
    run = _pipeline(store, session)
    markers = StageMarkers(store, session.session_id, "train")

    def ask() -> None:
        until(lambda: (p := markers.progress()) and p.message == "slow", "the slow stage")
        run.stop.ask()

    asker = threading.Thread(target=ask)
    asker.start()
    with pytest.raises(Interrupted) as caught:
        run.run()
    asker.join()
    assert caught.value.exit_code == 75
    assert ("train", "interrupted") in _shown(run).states
    assert markers.failed() is None
    assert _children() == []


class _Stumbling(PipelineRun):
    """Meets an error once its first stage is at work."""

    trouble: Callable[[], None]

    def _start(self, stage: Stage, key: Key) -> None:
        super()._start(stage, key)
        markers = StageMarkers(self.store, self.session.session_id, stage.name)
        until(lambda: (p := markers.progress()) and p.message == "slow", "the stage's work")
        self.trouble()


def _stumble(store: LocalStore, session: Session, trouble: Callable[[StopSignal], None]) -> _Stumbling:
    plain = _pipeline(store, session, SMALL[:2], jobs=2)
    run = _Stumbling(store, session, plain.stages, plain.listeners, plain.stop, jobs=2)
    run.trouble = lambda: trouble(run.stop)
    return run


def _raise(error: Exception) -> None:
    raise error


def _stop(stop: StopSignal) -> None:
    """A signal, noticed while the store does not answer."""
    stop.ask()
    stop.check()


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (lambda stop: _raise(InputError("The data set does not exist.")), InputError),
        (lambda stop: _raise(ZeroDivisionError("a defect")), ZeroDivisionError),
        (_stop, Interrupted),
    ],
    ids=["error", "defect", "signal"],
)
def test_an_error_of_our_own_waits_for_the_others(
    store: LocalStore, session: Session, misbehave: Any, trouble: Callable[[StopSignal], None], kind: type[Exception]
) -> None:
    """When the run itself stumbles, it does not end before a stage beside it has saved its checkpoint."""
    misbehave("convert-a", "saving")
    run = _stumble(store, session, trouble)
    with pytest.raises(kind):
        run.run()
    assert _children() == []
    manifests = [key for key in store.list("artifacts") if key.endswith("/manifest.json")]
    assert [key.split("/")[-3:] for key in manifests] == [["checkpoints", "step-1", "manifest.json"]]
    record = StageMarkers(store, session.session_id, "convert-a").progress()
    assert record is not None
    assert record.state == "interrupted"


def test_a_stage_that_cannot_be_looked_at(store: LocalStore, session: Session, misbehave: Any, said: Said) -> None:
    """A missing input of one stage stops the one beside it, whose end is shown; the message is that of the input."""
    misbehave("convert-a", "slow")
    rows = Path(store.location).parent / "rows.jsonl"
    rows.unlink()
    run = _pipeline(store, session, SMALL[:2], jobs=2)
    with said.raised(InputError, where=f"dataset.paths[0] = {rows}"):
        run.run()
    assert _shown(run).states[-1] == ("convert-a", "interrupted")
    assert _children() == []


def test_damage_is_repaired_without_repeating_the_rest(store: LocalStore, session: Session) -> None:
    """A damaged artifact alone is made anew, loudly; what follows it is reused, since its content is the same."""
    _pipeline(store, session, SMALL[:3]).run()
    [path] = Path(store.location).glob("artifacts/train/*/attempts/*/output/merged/x")
    spoil(path, lambda data: data + b"!")
    run = _pipeline(store, session, SMALL[:3])
    run.run()
    assert (run.computed, run.reused) == (["train"], ["convert-a", "convert-b"])
    assert [stage for stage, message in _shown(run).messages if "damaged" in message] == ["train"]


def test_an_old_failure_does_not_stand_in_the_way(store: LocalStore, session: Session) -> None:
    """A new run begins by forgetting the failures of the one before."""
    markers = StageMarkers(store, session.session_id, "convert-a")
    markers.fail(InputError("of before"), 1)
    _pipeline(store, session, SMALL[:1]).run()
    assert markers.failed() is None


def test_selection(store: LocalStore, session: Session, said: Said) -> None:
    """Starting in the middle needs what was left out to be complete; the message names it."""
    with said.raised(UpstreamError, where=f"session {session.session_id}"):
        check_selection(SMALL[2:], store, session)
    _pipeline(store, session, SMALL[:2]).run()
    check_selection(SMALL[2:3], store, session)
    check_selection(SMALL, store, session)
    run = _pipeline(store, session, SMALL[2:3])
    run.run()
    assert run.computed == ["convert-b"]


def test_a_configuration_edited_during_the_run(store: LocalStore, session: Session) -> None:
    """A run keeps the configuration it began with, whatever becomes of the file."""
    Path(store.location).parent.joinpath("config.yaml").write_text("training: {seed: 7}\n")
    run = _pipeline(store, session, SMALL[1:2])
    run.run()
    [made] = Path(store.location).glob("artifacts/train/*/attempts/*/output/merged/x")
    assert (run.computed, made.read_text()) == (["train"], f"train {session.config.training.seed}")


def test_an_input_edited_while_its_stage_waits(store: LocalStore, session: Session) -> None:
    """The artifact is recorded for the bytes that the stage read, not for those of the run's beginning."""

    class Editor(Listener):
        def hear(self, event: Event) -> None:
            if (event.stage, event.kind) == ("convert-a", "finished"):
                Path(session.config.dataset.paths[0]).write_text("")

    def expected() -> str:
        return fingerprint(stage_key(SMALL[1], session.config, {}, DigestCache(store.local_root / "digests.sqlite")))

    before = expected()
    run = _pipeline(store, session, SMALL[:2])
    run.listeners.add(Editor())
    run.run()
    [made] = {key.split("/")[2] for key in store.list("artifacts/train")}
    assert before != expected() == made

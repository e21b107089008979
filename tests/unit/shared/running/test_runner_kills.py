"""A stage that is stopped or killed anywhere, and run again."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from tests.unit.shared.material import (
    FIRST,
    make_config,
    run_stage,
    stage_run,
    write,
)
from tests.unit.shared.processes import exit_code, kill, kill_self, running, start, until
from tests.unit.shared.running.works import (
    STEPS,
    checkpoints_of,
    counting,
    first,
    reopened,
    run_again,
)

from so8t_shared.errors import Interrupted
from so8t_shared.interruption import StopSignal
from so8t_shared.running.context import StageContext
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Fault, FaultyStore


def test_a_signal_keeps_the_work(store: LocalStore, session: Session) -> None:
    """Asked to stop, the stage ends with Interrupted, keeps its checkpoints, and leaves no scratch."""
    stop = StopSignal()

    def asked(ctx: StageContext) -> None:
        ctx.checkpoints.save("one", write(ctx.scratch_dir / "s", {"x": b"1"}))
        stop.ask()
        assert ctx.stop_requested
        ctx.check_interrupted()

    with pytest.raises(Interrupted):
        stage_run(FIRST, session, store, stop=stop).run(lambda: asked)
    assert checkpoints_of(store) == ["one"]
    assert list((store.local_root / "scratch").iterdir()) == []
    seen = []

    def resumed(ctx: StageContext) -> None:
        seen.extend(ctx.checkpoints.names())
        first(ctx)

    run_stage(FIRST, session, store, resumed)
    assert seen == ["one"]
    assert checkpoints_of(store) == []


def test_stop_right_before_the_commit(store: LocalStore, session: Session) -> None:
    """A signal that comes when the function has returned still ends the stage without a commit."""
    stop = StopSignal()

    def asked(ctx: StageContext) -> None:
        first(ctx)
        stop.ask()

    with pytest.raises(Interrupted):
        stage_run(FIRST, session, store, stop=stop).run(lambda: asked)
    assert not [key for key in store.list("artifacts") if key.endswith("manifest.json")]


def test_stop_during_the_commit(store: LocalStore, session: Session) -> None:
    """A signal that comes while the files are sent is seen before the next one; the next run commits the same."""
    stop = StopSignal()
    sent = Fault("put_file", lambda _: stop.ask(), at="after")
    with pytest.raises(Interrupted):
        stage_run(FIRST, session, FaultyStore(store, [sent]), stop=stop).run(lambda: first)
    assert sent.met == 1
    assert not [key for key in store.list("artifacts") if key.endswith("manifest.json")]
    assert not run_stage(FIRST, session, store, first).reused


def test_downloads_of_what_is_gone_are_removed(store: LocalStore, session: Session) -> None:
    """A stage that begins to work frees the disk of them."""
    folder = write(store.local_root / "downloads", {"0123456789abcdef/model.gguf": b"x"}) / "0123456789abcdef"
    note = folder.with_suffix(".of")
    note.write_bytes(b"artifacts/convert-a/gone/manifest.json")
    os.utime(note, (0, 0))
    stage_run(FIRST, session, store).run(lambda: first)
    assert not folder.exists()
    assert not note.exists()


def test_scratch_of_other_work_is_removed(store: LocalStore, session: Session, tmp_path: Path) -> None:
    """What a killed attempt left goes with the next one, also when the configuration was changed since."""

    def killed(ctx: StageContext) -> None:
        write(ctx.output_dir, {"model": b"x" * 1000})
        kill_self()

    assert exit_code(start(lambda: run_stage(FIRST, *reopened(session, store), killed))) == -9
    assert len(list((store.local_root / "scratch").iterdir())) == 1
    changed = open_session(store, make_config(tmp_path, training={"seed": 5}))
    assert not run_stage(FIRST, changed, store, first).reused
    assert list((store.local_root / "scratch").iterdir()) == []


def test_sigkill_again_and_again(store: LocalStore, session: Session, tmp_path: Path) -> None:
    """Killed at whatever moment, as often as it takes: the result is the uninterrupted one, no step is lost twice."""
    untouched = LocalStore(tmp_path / "untouched")
    expected = run_stage(FIRST, open_session(untouched, session.config), untouched, counting)
    progress = [0]
    for _ in range(4):
        with running(lambda: run_again(session, store)) as process:
            until(lambda: len(_steps(store)) >= progress[-1] + 3, "three more checkpoints")
            kill(process)
        progress.append(len(_steps(store)))
    assert progress == sorted(progress)
    outcome = run_again(session, store)
    assert outcome.manifest.content_digest() == expected.manifest.content_digest()
    assert outcome.fingerprint == expected.fingerprint
    assert _without_numbers(store) == _without_numbers(untouched)
    assert list((store.local_root / "scratch").iterdir()) == []


def _without_numbers(store: LocalStore) -> list[str]:
    """All keys of artifacts, whichever attempt wrote them."""
    return sorted(re.sub(r"/attempts/\d+/", "/attempts/n/", key) for key in store.list("artifacts"))


def _steps(store: LocalStore) -> list[str]:
    return sorted(set(checkpoints_of(store)))


def test_sigterm_ends_with_75(store: LocalStore, session: Session) -> None:
    """SIGTERM to the process: the stage ends at its next safe point with exit code 75, and resumes later."""

    def work() -> None:
        mine, stop = reopened(session, store), StopSignal()
        stop.install()
        try:
            stage_run(FIRST, *mine, stop=stop).run(lambda: counting)
        except Interrupted as error:
            os._exit(error.exit_code)

    process = start(work)
    until(lambda: len(_steps(store)) >= 2, "two checkpoints")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    assert exit_code(process) == 75
    kept = len(_steps(store))
    assert 2 <= kept < STEPS
    assert not run_again(session, store).reused


AROUND_THE_COMMIT = {
    "before the manifest": Fault("put_if_absent", kill_self, key="*/manifest.json"),
    "after the manifest": Fault("put_if_absent", kill_self, key="*/manifest.json", at="after"),
    "before the marker": Fault("put_bytes", kill_self, key="*/completed.json"),
    "after the marker": Fault("put_bytes", kill_self, key="*/completed.json", at="after"),
}


@pytest.mark.parametrize("point", AROUND_THE_COMMIT)
def test_killed_around_the_commit(store: LocalStore, session: Session, tmp_path: Path, point: str) -> None:
    """At each point a rerun ends with artifact and marker as after an uninterrupted run, and no leftovers."""

    def work() -> None:
        dying = FaultyStore(store, [AROUND_THE_COMMIT[point]])
        run_stage(FIRST, open_session(dying, session.config), dying, counting)

    assert exit_code(start(work)) == -9
    outcome = run_again(session, store)
    assert outcome.reused == (point != "before the manifest")
    untouched = LocalStore(tmp_path / "untouched")
    expected = run_stage(FIRST, open_session(untouched, session.config), untouched, counting)
    assert outcome.manifest.content_digest() == expected.manifest.content_digest()
    assert _without_numbers(store) == _without_numbers(untouched)
    assert StageMarkers(store, session.session_id, "first").completed() is not None

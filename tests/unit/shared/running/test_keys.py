"""A stage's key: computed once, handed on, and true to the bytes that the stage reads."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.shared.material import FIRST, SECOND, Events, run_stage, stage_run, write
from tests.unit.shared.processes import until
from tests.unit.shared.running.works import first, second

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.artifacts.fingerprints import Key, fingerprint, stage_key
from so8t_shared.leases.lease import acquire
from so8t_shared.running import runner
from so8t_shared.running.context import StageContext, StageFunction
from so8t_shared.sessions.session import Session
from so8t_shared.stage_inputs import DataInput
from so8t_shared.store.local import LocalStore

READS = replace(FIRST, inputs=lambda config: [DataInput("rows", config.dataset.paths[0])])


@pytest.fixture
def rows(session: Session) -> Path:
    path = Path(session.config.dataset.paths[0])
    path.write_text("old")
    return path


def test_a_key_that_was_handed_on(store: LocalStore, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage does not compute the key that it was given."""
    key = _key(store, session)
    monkeypatch.setattr(runner, "stage_key", _refuse)
    outcome = stage_run(FIRST, session, store, key=key).run(lambda: first)
    assert outcome.fingerprint == fingerprint(key)


def test_a_key_of_an_older_upstream(store: LocalStore, session: Session) -> None:
    """A key that was computed before an upstream was made again is not used."""
    run_stage(FIRST, session, store, first)
    before = run_stage(SECOND, session, store, second)
    run_stage(replace(FIRST, version=2), session, store, _other)
    after = stage_run(SECOND, session, store, key=before.manifest.key).run(lambda: second)
    assert after.fingerprint != before.fingerprint
    assert store.get_bytes(f"artifacts/second/{after.fingerprint}/attempts/0001/output/y") == b"77"


def test_an_input_edited_while_libraries_are_imported(store: LocalStore, session: Session, rows: Path) -> None:
    """The artifact is recorded for the bytes that the stage read; nothing stands under the old key."""
    old = _key(store, session)

    def load() -> StageFunction:
        rows.write_text("edited")
        return _copy

    outcome = stage_run(READS, session, store, key=old).run(load)
    _check(outcome.fingerprint, store, session, old)


def test_an_input_edited_while_another_process_works(store: LocalStore, session: Session, rows: Path) -> None:
    """A process that waited for the lease in vain computes the key of today's bytes."""
    old = _key(store, session)
    lease = acquire(store, Artifact(store, "first", fingerprint(old)).lease_key)
    done: list[str] = []
    events = Events()
    run = stage_run(READS, session, store, listeners=events)
    thread = threading.Thread(target=lambda: done.append(run.run(lambda: _copy).fingerprint))
    thread.start()
    until(lambda: any(kind == "waiting" for kind, *_ in events.states), "the wait for the lease")
    rows.write_text("edited")
    lease.stop()
    thread.join(60)
    _check(done[0], store, session, old)


def _check(made: str, store: LocalStore, session: Session, old: Key) -> None:
    assert made == fingerprint(_key(store, session)) != fingerprint(old)
    assert store.get_bytes(f"artifacts/first/{made}/attempts/0001/output/data/x") == b"edited"
    left = [key for key in store.list(f"artifacts/first/{fingerprint(old)}") if not key.endswith("/lease.json")]
    assert left == []


def _key(store: LocalStore, session: Session) -> Key:
    stage = READS if Path(session.config.dataset.paths[0]).exists() else FIRST
    return stage_key(stage, session.config, {}, DigestCache(store.local_root / "digests.sqlite"))


def _copy(ctx: StageContext) -> None:
    write(ctx.output_dir, {"data/x": Path(ctx.config.dataset.paths[0]).read_bytes()})


def _other(ctx: StageContext) -> None:
    write(ctx.output_dir, {"data/x": b"7"})


def _refuse(*arguments: object) -> Key:
    raise AssertionError("the key was computed again")

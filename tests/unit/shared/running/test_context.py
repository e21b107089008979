"""What a stage function is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.shared.material import FIRST, SECOND, Events, run_stage, stage_run, write

from so8t_shared.errors import InputError
from so8t_shared.running.context import StageContext
from so8t_shared.sessions.session import Session
from so8t_shared.store.local import LocalStore

SHELF = "f" * 64


def _first(ctx: StageContext) -> None:
    write(ctx.output_dir, {"data/x": b"x", "notes": b"n"})


def test_the_context(store: LocalStore, session: Session) -> None:
    """Configuration, session, fingerprint, an empty output and a private scratch folder."""
    seen = []

    def function(ctx: StageContext) -> None:
        assert ctx.config == session.config
        assert ctx.session_id == session.session_id
        assert len(ctx.fingerprint) == 64
        assert list(ctx.output_dir.iterdir()) == []
        assert list(ctx.scratch_dir.iterdir()) == []
        assert not ctx.stop_requested
        ctx.check_interrupted()
        (ctx.scratch_dir / "private").write_text("x")
        write(ctx.output_dir, {"a": b""})
        seen.extend([ctx.output_dir, ctx.scratch_dir])

    outcome = run_stage(FIRST, session, store, function)
    assert [f.path for f in outcome.manifest.files] == ["a"]
    assert not any(folder.exists() for folder in seen)


def test_input_dir(store: LocalStore, session: Session) -> None:
    """Files of an upstream that the stage declares to need; an undeclared stage is a defect."""
    run_stage(FIRST, session, store, _first)
    read = []

    def function(ctx: StageContext) -> None:
        read.append((ctx.input_dir("first") / "data/x").read_bytes())
        with pytest.raises(KeyError):
            ctx.input_dir("convert-a")
        write(ctx.output_dir, {"y": b""})

    run_stage(SECOND, session, store, function)
    assert read == [b"x"]


def test_inputs_cannot_be_overwritten_by_accident(store: LocalStore, session: Session) -> None:
    """Files of an upstream are read-only."""
    run_stage(FIRST, session, store, _first)
    modes = []

    def function(ctx: StageContext) -> None:
        modes.append((ctx.input_dir("first") / "data/x").stat().st_mode & 0o222)
        write(ctx.output_dir, {"y": b""})

    run_stage(SECOND, session, store, function)
    assert modes == [0]


def test_cache_outlives_the_artifact(store: LocalStore, session: Session) -> None:
    """Records put by one stage are found by a later run, under their namespace alone."""

    def function(ctx: StageContext) -> None:
        ctx.cache("answers").shelf(SHELF).put("c" * 64, {"x": 1})
        assert ctx.cache("other").shelf(SHELF).get("c" * 64) is None
        _first(ctx)

    run_stage(FIRST, session, store, function)
    found = []

    def later(ctx: StageContext) -> None:
        found.append(ctx.cache("answers").shelf(SHELF).get("c" * 64))
        write(ctx.output_dir, {"y": b""})

    run_stage(SECOND, session, store, later)
    assert found == [{"x": 1}]


def test_odd_namespaces_are_refused(store: LocalStore, session: Session) -> None:
    """A cache cannot lie outside its folder."""

    def function(ctx: StageContext) -> None:
        ctx.cache("../sessions")

    with pytest.raises(InputError):
        run_stage(FIRST, session, store, function)


def test_progress_reaches_the_sink_and_the_store(store: LocalStore, session: Session) -> None:
    """The last step is always told, to whoever started the stage and to other hosts."""

    def function(ctx: StageContext) -> None:
        for step in range(1, 101):
            ctx.progress(step, 100, "counting")
        _first(ctx)

    run = stage_run(FIRST, session, store, listeners=(events := Events(every_s=0.2)))
    run.run(lambda: function)
    assert ("progress", 100, 100, "counting") in events.states
    assert len(events.states) < 20
    record = run.markers.progress()
    assert record is not None
    assert (record.state, record.done, record.total) == ("done", 100, 100)


def test_link_or_copy_of_an_input(store: LocalStore, session: Session) -> None:
    """A stage may pass an input on by hard link; the upstream's artifact stays whole."""
    from so8t_shared.files import link_or_copy

    made = run_stage(FIRST, session, store, _first)

    def function(ctx: StageContext) -> None:
        link_or_copy(ctx.input_dir("first") / "data/x", ctx.output_dir / "same")

    outcome = run_stage(SECOND, session, store, function)
    for stage, fingerprint, path in (
        ("first", made.fingerprint, "data/x"),
        ("second", outcome.fingerprint, "same"),
    ):
        assert Path(store.location, "artifacts", stage, fingerprint, "attempts/0001/output", path).read_bytes() == b"x"
    assert run_stage(FIRST, session, store, _first).reused
    assert run_stage(SECOND, session, store, function).reused

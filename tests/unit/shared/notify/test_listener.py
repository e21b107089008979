"""Who is told what by a run and by a stage of its own, each event once; and no trouble for the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.servers.receivers import Received, http_receiver
from tests.unit.shared.processes import exit_code, start
from tests.unit.shared.small_service import NAMES, ROOT, WORK, small_stage

from so8t_shared.config.load import load_config
from so8t_shared.errors import ServerError
from so8t_shared.host import host_name
from so8t_shared.interruption import StopSignal
from so8t_shared.notify.listener import open_notifier
from so8t_shared.running.events import Event, Listeners, Scene, Work
from so8t_shared.running.pipeline import PipelineRun, StageFailed
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import open_session
from so8t_shared.stages import STAGES
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Fault, FaultyStore
from so8t_shared.tables.listeners import Kind

SMALL = [replace(stage, work=WORK) for stage in STAGES]
ALL = "[stage_done, stage_failed, run_done, gate_refused]"
Runs = Callable[..., PipelineRun]


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    """A receiver whose address is in the environment."""
    with http_receiver() as receiver:
        monkeypatch.setenv("SO8T_NOTIFY", f"json://127.0.0.1:{receiver.port}/hook-1234-secret")
        yield receiver


@pytest.fixture
def run(config_file: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Run the small stages to their end, with notifications as `--set` gives them."""
    monkeypatch.chdir(ROOT)

    def call(*overrides: str, stages: list[Any] = SMALL) -> PipelineRun:
        session = open_session(store, load_config(config_file, overrides))
        with Listeners("run") as listeners:
            pipeline = PipelineRun(store, session, stages, listeners, StopSignal())
            pipeline.run()
        return pipeline

    return call


def _titles(web: Received) -> list[str]:
    """The titles without session and models, sorted: messages overtake each other."""
    return sorted(post["title"].partition(": ")[2].partition(" (")[0] for post in web.posts)


def test_every_end_is_told_once(run: Runs, web: Received, said: Said) -> None:
    """Each stage by the run alone, not by its child; the last stage's end is the run's. A second run is no news."""
    names = list(NAMES[:3])
    assert run(f"notify.on={ALL}", stages=SMALL[:3]).computed == names
    assert _titles(web) == sorted(["all stages are done", *(f"{name} is done" for name in names[:-1])])
    [first] = [post for post in web.posts if "convert-a is done" in post["title"]]
    said(first["title"])
    assert "convert-a took" in first["message"]
    del web.posts[:]
    assert run(f"notify.on={ALL}", stages=SMALL[:3]).reused == names
    assert web.posts == []


def test_the_default_tells_ends_of_runs_and_failures(
    run: Runs, web: Received, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    """Where a stage failed, and what to do; after it is mended, the same session's run is done."""
    monkeypatch.setenv("SMALL_TRAIN", "fail")
    with pytest.raises(StageFailed):
        run(stages=SMALL[:2])
    [post] = web.posts
    assert (_titles(web), post["type"]) == (["train failed"], "failure")
    said(post["message"], host=host_name())
    monkeypatch.delenv("SMALL_TRAIN")
    run(stages=SMALL[:2])
    assert _titles(web) == ["all stages are done", "train failed"]


def test_a_killed_stage(run: Runs, web: Received, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    """It left no message of its own."""
    monkeypatch.setenv("SMALL_TRAIN", "kill")
    with pytest.raises(StageFailed):
        run(stages=SMALL[:2])
    [post] = web.posts
    said(post["message"])


def test_an_outage_of_the_store(
    web: Received, config_file: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    """A run that cannot read its store tells so, without it."""
    monkeypatch.chdir(ROOT)
    session = open_session(store, load_config(config_file))
    down = ServerError("The bucket does not answer.")
    with Listeners("run") as listeners:
        broken = FaultyStore(store, fail_on=[Fault("get_bytes", down), Fault("stat", down)])
        with pytest.raises(ServerError):
            PipelineRun(broken, session, SMALL[:2], listeners, StopSignal()).run()
    [post] = web.posts
    said(post["message"])


def test_a_part_of_the_run(run: Runs, web: Received) -> None:
    """A run of two stages is done with them, one stage is only a stage; what is not wanted is not told."""
    run(stages=SMALL[:2])
    assert _titles(web) == ["all stages are done"]
    run(stages=SMALL[2:3])
    assert _titles(web) == ["all stages are done"]
    run("notify.on=stage_done", stages=SMALL[3:4])
    assert _titles(web) == ["all stages are done", "import is done"]


def test_receivers_change_no_session(store: LocalStore, config_file: Path) -> None:
    """Who is told belongs to the host: the session stays, and its record holds no address."""
    plain = open_session(store, load_config(config_file))
    told = open_session(store, load_config(config_file, ["notify.sound=true", "notify.on=run_done"]))
    assert plain.session_id == told.session_id


def test_a_hanging_receiver_fails_nothing(
    run: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: Said
) -> None:
    """All stages run on meanwhile; at the end the run waits for the time limit once, and complains once."""
    with http_receiver("hang") as silent:
        monkeypatch.setenv("SO8T_NOTIFY", f"json://127.0.0.1:{silent.port}/hook-1234-secret?rto=60")
        began = time.monotonic()
        done = run(f"notify.on={ALL}", "notify.timeout_s=2", stages=SMALL[:3])
        took = time.monotonic() - began
    assert done.computed == list(NAMES[:3])
    assert took < 15
    said(capsys.readouterr().err)


@pytest.mark.parametrize("settings", ["notify.urls_file=/no/such/file", "notify.sound=true"])
def test_bad_settings_fail_nothing(
    run: Runs, settings: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not there, a sound that cannot be played: one warning, and the run is done."""
    monkeypatch.setenv("SO8T_SOUND_BACKEND", "wasapi")
    assert run(settings, f"notify.on={ALL}", stages=SMALL[:2]).computed == list(NAMES[:2])
    assert capsys.readouterr().err.count("warning: notifications:") == 1


def test_stages_of_their_own(web: Received, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in containers: the stage that failed tells it, those that wait for it do not; a retry that works tells so."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("SO8T__NOTIFY__ON", ALL)
    arguments = ("-c", str(config_file))
    assert exit_code(start(small_stage("train", *arguments, SMALL_TRAIN="fail"))) == 2
    assert exit_code(start(small_stage("convert-b", *arguments))) == 3
    assert _titles(web) == ["train failed"]
    assert exit_code(start(small_stage("train", *arguments))) == 0
    assert exit_code(start(small_stage("train", *arguments))) == 0
    assert _titles(web) == ["train failed", "train is done"]


@pytest.mark.parametrize(("kind", "told"), [("finished", ["all stages are done"]), ("reused", [])])
def test_the_last_stage_of_its_own(
    web: Received, config_file: Path, store: LocalStore, kind: Kind, told: list[str]
) -> None:
    """As in a container: its end is the run's; one that only finds the report in the store tells nothing."""
    session = open_session(store, load_config(config_file))
    notifier = open_notifier(Scene(STAGES[-1:], work=Work(session, store, store)))
    assert notifier
    notifier.hear(Event("report", "started"))
    notifier.hear(Event("report", kind))
    notifier.close()
    assert _titles(web) == told


def test_a_container_that_is_started_again(
    web: Received,
    config_file: Path,
    store: LocalStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A repeated failure is reported once; addresses come from a file, as a secret does, and reach no output."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("SO8T_NOTIFY", "")
    secret = tmp_path / "notify_urls"
    secret.write_text(f"# mine\njson://127.0.0.1:{web.port}/hook-5678-secret\n")
    monkeypatch.setenv("SO8T__NOTIFY__URLS_FILE", str(secret))
    arguments = ("-c", str(config_file))
    for _ in range(2):
        assert exit_code(start(small_stage("train", *arguments, SMALL_TRAIN="fail"))) == 2
    said = capfd.readouterr()
    assert "The model is cut" in said.err
    assert "hook-5678-secret" not in said.out + said.err
    assert _titles(web) == ["train failed"]
    session = open_session(store, load_config(config_file))
    markers = StageMarkers(store, session.session_id, "train")
    failed = markers.failed()
    assert failed
    earlier = failed.model_copy(update={"time": "2026-01-01T00:00:00+00:00"})
    store.put_bytes(f"{markers.prefix}/failed.json", earlier.to_bytes())
    assert exit_code(start(small_stage("train", *arguments, SMALL_TRAIN="fail"))) == 2
    assert _titles(web) == ["train failed", "train failed"]
    assert set(web.paths) == {"/hook-5678-secret"}


def test_the_store_holds_no_address(config_file: Path, web: Received, run: Runs) -> None:
    """No file in the store holds the address."""
    run("notify.on=stage_done", stages=SMALL[:2])
    assert set(web.paths) == {"/hook-1234-secret"}
    held = [path for path in (config_file.parent / "store").rglob("*") if path.is_file()]
    assert held
    assert not [path for path in held if b"hook-1234-secret" in path.read_bytes()]

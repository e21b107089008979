"""`so8t-ab watch`, in a process and on a terminal of its own."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.messages import Said
from tests.servers.minio_server import MinioServer
from tests.servers.minio_server import minio as minio
from tests.servers.receivers import http_receiver
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.material import progress_of
from tests.unit.shared.notify.test_message import Reported
from tests.unit.shared.notify.test_message import reported as reported
from tests.unit.shared.processes import until
from tests.unit.shared.store.buckets import bucket_store

from so8t_shared.config.load import load_config
from so8t_shared.errors import InputError, UpstreamError
from so8t_shared.host import host_name
from so8t_shared.results.gate import Decision
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.stages import STAGES
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.local import LocalStore


@pytest.fixture
def session(config_file: Path, store: LocalStore) -> Session:
    return open_session(store, load_config(config_file))


class Watching:
    """A process that watches, and what it says."""

    def __init__(self, config_file: Path, said: Path, *arguments: str, terminal: int | None = None) -> None:
        self._said = said
        command = [sys.executable, "-m", "so8t_shared.cli", "watch", "-c", str(config_file), *arguments]
        environ = {**os.environ, "SO8T_SOUND_BACKEND": "null", "TERM": "xterm", "COLUMNS": "120"}
        with said.open("wb") as file:
            error = file if terminal is None else terminal
            self._process = subprocess.Popen(command, stdout=file, stderr=error, env=environ)

    def said(self) -> str:
        return self._said.read_text()

    def end(self) -> int:
        return self._process.wait(60)

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)


@pytest.fixture
def end_of(tmp_path: Path) -> Iterator[list[Watching]]:
    """Processes to be killed if the test fails."""
    started: list[Watching] = []
    yield started
    for each in started:
        each._process.kill()
        each._process.wait()


def _complete(store: ArtifactStore, session: Session, *stages: str) -> None:
    for name in stages:
        markers = StageMarkers(store, session.session_id, name)
        markers.complete("f" * 64, "c" * 64, reused=False, started="")


def test_follows_to_the_end(
    config_file: Path, store: LocalStore, session: Session, tmp_path: Path, end_of: list[Watching]
) -> None:
    """Each change is a line, also progress that a stage reports when it begins; done is 0."""
    _complete(store, session, "convert-a")
    watching = Watching(config_file, tmp_path / "said")
    end_of.append(watching)
    until(lambda: "convert-a  done" in watching.said(), "the first look")
    progress_of(store, session.session_id, "train").update(3, 9, "loss 1.0")
    until(lambda: "train      running 3/9 loss 1.0" in watching.said(), "the progress")
    _complete(store, session, *(stage.name for stage in STAGES))
    assert watching.end() == 0
    assert f"session {session.session_id} is done" in watching.said()
    assert watching.said().count("convert-a") == 1


def test_a_failure(
    config_file: Path, store: LocalStore, session: Session, tmp_path: Path, end_of: list[Watching], said: Said
) -> None:
    """It ends with the code and words of the stage that failed, not of one that waited for it, once it stands."""
    watching = Watching(config_file, tmp_path / "said", "--no-sound")
    end_of.append(watching)
    until(lambda: "report" in watching.said(), "the first look")
    StageMarkers(store, session.session_id, "train").fail(InputError("It is cut.", remedy="fetch it"), 1)
    StageMarkers(store, session.session_id, "convert-b").fail(UpstreamError("train failed"), 1)
    assert watching.end() == 2
    said(watching.said(), host=host_name(), time=StageMarkers(store, session.session_id, "train").failed().time)  # type: ignore[union-attr]


def test_a_retry_in_time(
    config_file: Path, store: LocalStore, session: Session, tmp_path: Path, end_of: list[Watching]
) -> None:
    """A stage that is started again, as a container is, is followed on."""
    train = StageMarkers(store, session.session_id, "train")
    train.fail(InputError("It is cut.", remedy="fetch it"), 1)
    watching = Watching(config_file, tmp_path / "said", "--no-sound")
    end_of.append(watching)
    until(lambda: "train      failed" in watching.said(), "the failure")
    train.clear_failure()
    progress_of(store, session.session_id, "train").update(1, 9, "again")
    until(lambda: "train      running" in watching.said(), "the retry")
    _complete(store, session, *(stage.name for stage in STAGES))
    assert watching.end() == 0


def test_rings_on_a_terminal(
    config_file: Path, store: LocalStore, session: Session, tmp_path: Path, end_of: list[Watching]
) -> None:
    """The bell rings and a sound is played when a stage ends, and once for the end; the table is that of status."""
    ours, theirs = pty.openpty()
    watching = Watching(config_file, tmp_path / "said", terminal=theirs)
    end_of.append(watching)
    os.close(theirs)
    shown = _until_seen(ours, b"", "convert-b")
    assert b"\a" not in shown
    _complete(store, session, "convert-a")
    shown = _until_seen(ours, shown, "\a")
    _complete(store, session, *(stage.name for stage in STAGES))
    rest = _until_seen(ours, b"", "\a")
    while b"warning" not in rest and (more := _read(ours)):
        rest += more
    assert watching.end() == 0
    assert rest.count(b"\a") == 1
    assert b"warning" not in shown + rest
    assert b"since" in shown


def _until_seen(terminal: int, seen: bytes, text: str) -> bytes:
    while text.encode() not in seen:
        more = _read(terminal)
        assert more, seen
        seen += more
    return seen


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


def test_ctrl_c(config_file: Path, session: Session, tmp_path: Path, end_of: list[Watching], said: Said) -> None:
    """It ends with 75 and without a traceback."""
    watching = Watching(config_file, tmp_path / "said")
    end_of.append(watching)
    until(lambda: "report" in watching.said(), "the first look")
    watching.interrupt()
    assert watching.end() == 75
    said(watching.said())


def test_over_a_bucket(minio: MinioServer, config_file: Path, tmp_path: Path, end_of: list[Watching]) -> None:
    """Another host's session is followed by its name through the bucket."""
    bucket = minio.new_bucket()
    raw = {**yaml.safe_load(config_file.read_text()), "store": minio.section(bucket)}
    raw["checkpoint_dir"] = str(tmp_path / "here")
    config_file.write_text(yaml.safe_dump(raw))
    store = bucket_store(minio, bucket, tmp_path / "there")
    session = open_session(store, load_config(config_file, ["training.seed=99"]))
    watching = Watching(config_file, tmp_path / "said", session.session_id)
    end_of.append(watching)
    until(lambda: "report" in watching.said(), "the first look")
    _complete(store, session, *(stage.name for stage in STAGES))
    assert watching.end() == 0


def test_the_result(cli: Cli, config_file: Path, reported: Reported, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdict and figures from the report in the store. --gate decides as in run; --notify sends what is wanted."""
    reported(Decision.FAIL)
    with http_receiver() as web:
        monkeypatch.setenv("SO8T_NOTIFY", f"json://127.0.0.1:{web.port}")
        done = cli("watch", "-c", config_file, "--no-sound")
        assert done.code == 0
        assert "Harmful requests allowed: A 34 of 158" in done.out
        assert "Gate: refused" in done.out
        assert cli("watch", "-c", config_file, "--no-sound", "--gate").code == 10
        assert web.posts == []
        assert cli("watch", "-c", config_file, "--no-sound", "--notify").code == 0
    assert ["the gate refuses B" in post["title"] for post in web.posts] == [True]


def test_without_a_session(cli: Cli, config_file: Path) -> None:
    """Exit code 2, as of status; also for a name that is none."""
    assert cli("watch", "-c", config_file).code == 2
    assert cli("watch", "-c", config_file, "no-such").code == 2

"""A stage as a process: exit codes, one message, markers; the function is loaded last."""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.processes import exit_code, running, start, until
from tests.unit.shared.small_service import small_stage

from so8t_shared.config.load import load_config
from so8t_shared.errors import StorageError
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import open_session
from so8t_shared.store.local import LocalStore


def _exit(*arguments: str, **given: str) -> int:
    return exit_code(start(small_stage(*arguments, **given)))


def _session_id(config_file: Path) -> str:
    return open_session(LocalStore(config_file.parent / "store"), load_config(config_file)).session_id


def _markers(config_file: Path, stage: str) -> StageMarkers:
    return StageMarkers(LocalStore(config_file.parent / "store"), _session_id(config_file), stage)


def _message(capfd: pytest.CaptureFixture[str]) -> str:
    """Standard error without the log, whose lines differ in their times; what the log calls an error stays."""
    lines = capfd.readouterr().err.splitlines()
    return "\n".join(line for line in lines if not re.match(r"[\w-]+  +(?! |error:)", line))


def test_a_stage(config_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """0, the marker, the log on standard error; a second time it is reused, and one line says so."""
    assert _exit("convert-a", "-c", str(config_file)) == 0
    assert "making convert-a" in capfd.readouterr().err
    marker = _markers(config_file, "convert-a").completed()
    assert marker is not None
    assert not marker.reused
    assert _exit("convert-a", "-c", str(config_file)) == 0
    out, err = capfd.readouterr()
    assert out.startswith("convert-a: reused, nothing to do (session ")
    assert (out.count("\n"), err) == (1, "")


def test_options_of_the_environment(config_file: Path) -> None:
    """A container is configured by its environment alone."""
    assert _exit("convert-a", SO8T_CONFIG=str(config_file), SO8T_WAIT_S="0", SO8T_SESSION="") == 0


def test_overrides(config_file: Path) -> None:
    """--set reaches the stage's configuration."""
    assert _exit("train", "-c", str(config_file), "--set", "training.seed=7") == 0
    [made] = (config_file.parent / "store" / "artifacts" / "train").glob("*/attempts/*/output/merged/x")
    assert made.read_text() == "train 7"


def test_a_given_session(config_file: Path, capfd: pytest.CaptureFixture[str], said: Said) -> None:
    """--session puts the markers there; an unknown one is refused with those that are known."""
    store = LocalStore(config_file.parent / "store")
    first = open_session(store, load_config(config_file)).session_id
    open_session(store, load_config(config_file), new=True)
    assert _exit("convert-a", "-c", str(config_file), "--session", first) == 0
    assert StageMarkers(store, first, "convert-a").completed() is not None
    assert _markers(config_file, "convert-a").completed() is None
    assert _exit("convert-a", "-c", str(config_file), "--session", "nope") == 2
    message = _message(capfd)
    assert first in message
    said(message)


def test_a_given_session_of_another_configuration(
    config_file: Path, capfd: pytest.CaptureFixture[str], said: Said
) -> None:
    """2, naming the keys that differ: the session keeps its result; other places are the same session."""
    given = ["train", "-c", str(config_file), "--session", _session_id(config_file)]
    assert _exit(*given) == 0
    marker = _markers(config_file, "train").completed()
    assert _exit(*given, "--set", "training.seed=999") == 2
    said(_message(capfd))
    assert _exit("train", "-c", str(config_file), "--set", "training.seed=7", SO8T_SESSION=given[-1]) == 2
    assert (_markers(config_file, "train").completed(), _markers(config_file, "train").failed()) == (marker, None)
    assert _exit(*given, "--set", "output_base_dir=/tmp/x", "--set", "ollama.host=http://127.0.0.1:1") == 0


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (["nonsense", "-c", "x"], {}),
        (["convert-a", "-c", "/no/such.yaml"], {}),
        (["convert-a"], {"SO8T_CONFIG": "/no/such.yaml"}),
        (["convert-a"], {}),
        (["convert-a", "-c", "x", "--wait-s", "long"], {}),
        (["convert-a", "-c", "x"], {"SO8T_WAIT_S": "long"}),
        (["convert-a", "-c", "x", "--unknown"], {}),
    ],
    ids=["stage", "file", "file of the environment", "none", "wait", "wait of the environment", "option"],
)
def test_wrong_arguments(
    arguments: list[str], environ: dict[str, str], capfd: pytest.CaptureFixture[str], said: Said
) -> None:
    """Exit code 2 and one message, no traceback."""
    assert _exit(*arguments, **environ) == 2
    said(_message(capfd))


def test_bad_input(config_file: Path, capfd: pytest.CaptureFixture[str], said: Said) -> None:
    """An error of the user's input: its exit code, its message once, failed.json for those who wait."""
    assert _exit("convert-a", "-c", str(config_file), SMALL_CONVERT_A="fail") == 2
    said(_message(capfd))
    failed = _markers(config_file, "convert-a").failed()
    assert failed is not None
    assert (failed.exit_code, failed.retryable, failed.attempt) == (2, False, 1)
    assert _exit("convert-a", "-c", str(config_file)) == 0
    assert _markers(config_file, "convert-a").failed() is None


def test_a_missing_model(config_file: Path, capfd: pytest.CaptureFixture[str], said: Said) -> None:
    """What is found wrong before the work is recorded like what is found in it."""
    assert _exit("convert-a", "-c", str(config_file), "--set", "model_a.base_model=/no/model") == 2
    said(_message(capfd))


def test_a_defect(config_file: Path, capfd: pytest.CaptureFixture[str], said: Said) -> None:
    """An error of the program: exit code 1, no traceback unless asked for."""
    assert _exit("convert-a", "-c", str(config_file), SMALL_CONVERT_A="defect") == 1
    said(_message(capfd))
    assert _exit("convert-a", "-c", str(config_file), "--debug", SMALL_CONVERT_A="defect") == 1
    assert "Traceback" in capfd.readouterr().err


def test_a_secret_in_an_error(config_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A credential that a library put into its message is neither printed, also with --debug, nor kept."""
    given = {"SMALL_CONVERT_A": "leak", "HF_TOKEN": "hf_a-secret-value"}
    assert _exit("convert-a", "-c", str(config_file), **given) == 1
    assert "ValueError: refused: ***" in capfd.readouterr().err
    assert _exit("convert-a", "-c", str(config_file), "--debug", **given) == 1
    assert "a-secret" not in capfd.readouterr().err
    stored = [p for p in (config_file.parent / "store").rglob("*") if p.is_file()]
    assert not [p for p in stored if b"a-secret" in p.read_bytes()]
    failed = _markers(config_file, "convert-a").failed()
    assert failed is not None
    assert failed.what == "ValueError: refused: ***"


def test_a_missing_upstream(config_file: Path, capfd: pytest.CaptureFixture[str], said: Said) -> None:
    """Exit code 3 when a stage before it never ran; its own module is not imported for that."""
    assert _exit("convert-b", "-c", str(config_file), function="no_such_module:function") == 3
    said(_message(capfd))


def test_the_function_is_loaded_last(config_file: Path) -> None:
    """Neither waiting nor reusing imports a stage's module."""
    assert _exit("convert-a", "-c", str(config_file)) == 0
    assert _exit("convert-a", "-c", str(config_file), function="no_such_module:function") == 0
    assert _exit("train", "-c", str(config_file), function="no_such_module:function") == 1


def test_waiting_for_an_upstream(config_file: Path) -> None:
    """Started in the wrong order with --wait-s, both stages end well."""
    with running(small_stage("convert-b", "-c", str(config_file), "--wait-s", "60")) as waiter:
        markers = _markers(config_file, "convert-b")
        until(lambda: (p := markers.progress()) and p.state == "waiting", "the waiting stage")
        assert _exit("train", "-c", str(config_file)) == 0
        assert exit_code(waiter) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal(config_file: Path, number: signal.Signals, capfd: pytest.CaptureFixture[str], said: Said) -> None:
    """75, the progress says 'interrupted', and there is no failure to end those who wait."""
    process = start(small_stage("convert-a", "-c", str(config_file), SMALL_CONVERT_A="slow"))
    markers = _markers(config_file, "convert-a")
    until(lambda: (p := markers.progress()) and p.message == "slow", "the slow stage")
    assert process.pid is not None
    os.kill(process.pid, number)
    assert exit_code(process) == 75
    progress = markers.progress()
    assert progress is not None
    assert progress.state == "interrupted"
    assert markers.failed() is None
    said(_message(capfd))


def test_a_signal_before_the_store_answers(config_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A stage that is started while the server is away waits for it, says so, and ends with 75 when asked to stop."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        keys = config_file.parent / "keys.json"
        keys.write_text('{"accessKey": "a", "secretKey": "b"}')
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        options = {"SO8T__STORE__ENDPOINT": endpoint, "SO8T__STORE__CREDENTIALS_FILE": str(keys)}
        process = start(small_stage("convert-a", "-c", str(config_file), **options))
        heard = ""

        def waits() -> bool:
            nonlocal heard
            heard += capfd.readouterr().err
            return "retrying for up to 300 s" in heard

        until(waits, "the message")
        assert process.pid is not None
        os.kill(process.pid, signal.SIGTERM)
        assert exit_code(process) == 75


def test_a_store_that_cannot_be_opened(config_file: Path, capfd: pytest.CaptureFixture[str], said: Said) -> None:
    """A file where the store should be: exit code 2 and its path."""
    (config_file.parent / "store").write_text("a file")
    assert _exit("convert-a", "-c", str(config_file)) == 2
    said(_message(capfd))


def test_a_failure_that_cannot_be_recorded(config_file: Path, capfd: pytest.CaptureFixture[str], said: Said) -> None:
    """When the store fails as well, the stage still ends with the first error's code and both messages."""
    original = LocalStore.put_bytes

    def work() -> None:
        def refusing(self: LocalStore, key: str, data: bytes) -> object:
            if key.endswith("failed.json"):
                raise StorageError("The disk is full.")
            return original(self, key, data)

        LocalStore.put_bytes = refusing  # type: ignore[assignment,method-assign]
        small_stage("convert-a", "-c", str(config_file), SMALL_CONVERT_A="fail")()

    assert exit_code(start(work)) == 2
    said(_message(capfd))

"""Metrics in real trackers, read back with their own readers."""

from __future__ import annotations

import json
import logging
import struct
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.unit.trainer.test_course import points

from so8t_shared.errors import ConfigError, Interrupted
from so8t_shared.results.training import TENSORBOARD
from so8t_shared.tables.trackers import TRACKERS
from so8t_trainer import tracking
from so8t_trainer.tracking import Tracking, check_trackers, figures, flattened

LOG = logging.getLogger("test")
SETTINGS = {"learning_rate": 0.1, "lora": {"r": 8, "target_modules": ["q_proj", "v_proj"]}, "max_steps": None}


def _send(folder: Path, *names: str, settings: dict[str, object] = SETTINGS) -> None:
    with Tracking(names, "20261129", folder, settings, LOG) as found:
        for point in points(None, 0.5, None):
            found.log(point)


def _stop(folder: Path) -> None:
    with Tracking(["mlflow"], "20261129", folder, SETTINGS, LOG):
        raise Interrupted("stopped by the test")


def test_tensorboard_reads_what_was_sent(tmp_path: Path) -> None:
    """Every figure of every step, in one run directly below the folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _send(tmp_path, "tensorboard")
    [file] = [path for path in (tmp_path / TENSORBOARD).rglob("*") if path.is_file()]
    assert file.parent == tmp_path / TENSORBOARD
    events = EventAccumulator(str(tmp_path / TENSORBOARD)).Reload()
    expected = [figures(point) for point in points(None, 0.5, None)]
    assert set(events.Tags()["scalars"]) == set(expected[1])
    losses = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert losses == [(1, 1.0), (2, 1.0), (3, 1.0)]
    assert [(event.step, event.value) for event in events.Scalars("validation/decision_loss")] == [(2, 0.5)]


def test_mlflow_has_the_run_with_settings_and_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the store that MLFLOW_TRACKING_URI names: one experiment, one finished run with the session's name."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path / 'mlruns'}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient

    _send(tmp_path / "scratch", "mlflow")
    client = MlflowClient(f"file:{tmp_path / 'mlruns'}")
    experiment = client.get_experiment_by_name("so8t-ab")
    assert experiment is not None
    [run] = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("20261129", "FINISHED")
    assert run.data.params == {k: str(v) for k, v in flattened(SETTINGS).items()}
    losses = [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, "train/loss")]
    assert losses == [(1, 1.0), (2, 1.0), (3, 1.0)]


def test_trackio_has_the_run_with_settings_and_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own database on this host: one run with the session's name."""
    _needed("trackio")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # is read at the first import
    from trackio import Api
    from trackio.sqlite_storage import SQLiteStorage

    _send(tmp_path, "trackio")
    [run] = Api().runs("so8t-ab")
    sent = flattened(SETTINGS)
    assert (run.name, {name: run.config[name] for name in sent}) == ("20261129", sent)
    logs = SQLiteStorage.get_logs("so8t-ab", "20261129")
    assert [(log["step"], log["train/loss"]) for log in logs] == [(1, 1.0), (2, 1.0), (3, 1.0)]
    assert [log.get("validation/decision_loss") for log in logs] == [None, 0.5, None]


def test_wandb_has_the_run_with_settings_and_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network, in the file that `wandb sync` would send: one finished run with the session's name."""
    _needed("wandb")
    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, value)
    _send(tmp_path / "scratch", "wandb")
    [file] = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    records = _wandb_records(file.read_bytes())
    [run] = [record.run for record in records if record.HasField("run")]
    assert (run.project, run.display_name) == ("so8t-ab", "20261129")
    parts = [part for record in records for part in (record.run.config, record.config)]
    config = {item.key: json.loads(item.value_json) for part in parts for item in part.update}
    sent = flattened(SETTINGS)
    assert {name: config[name] for name in sent} == sent
    steps = [
        {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
        for record in records
        if record.HasField("history")
    ]
    assert [(int(step["_step"]), float(step["train/loss"])) for step in steps] == [(1, 1.0), (2, 1.0), (3, 1.0)]
    assert any(record.HasField("exit") for record in records)


def _needed(package: str) -> None:
    """Skip without the package: wandb has 62 MB, trackio needs an older Pillow than requirements.lock has."""
    if find_spec(package) is None:
        pytest.skip(f"CANNOT BE TESTED HERE: {package} is not installed (pip install {package})")


def _wandb_records(data: bytes) -> list[Any]:
    """The records of a file of LevelDB's log format: blocks of 32 KiB, each record in one or several pieces."""
    from wandb.proto.wandb_internal_pb2 import Record

    found, place, text = list[Any](), 7, b""
    while place + 7 <= len(data):
        if (left := -place % 32_768) and left < 7:
            place += left
            continue
        _, size, kind = struct.unpack_from("<IHB", data, place)
        text += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in {1, 4}:  # whole, or its last piece
            found.append(Record.FromString(text))
            text = b""
    return found


def test_a_failing_tracker_is_told_once_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that refuses, a disk that is full: the other trackers and the training go on."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret-token-value")
    _send(tmp_path, "mlflow", "tensorboard")
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING and record.name == "test"]
    assert "mlflow" in warning.getMessage()
    assert "secret-token-value" not in caplog.text
    assert list((tmp_path / TENSORBOARD).iterdir())


def test_a_tracker_that_hangs_delays_only_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Sending returns at once; leaving waits for a limited time and says what is missing."""
    import socket

    monkeypatch.setattr(tracking, "_PATIENCE_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts, never answers
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        started = time.monotonic()
        _send(tmp_path, "mlflow")
        monkeypatch.setattr(tracking, "_PATIENCE_S", 1000)
        with pytest.raises(Interrupted):  # a stop is obeyed sooner
            _stop(tmp_path)
        assert time.monotonic() - started < 20
    assert any("mlflow" in record.getMessage() for record in caplog.records if record.name == "test")


def test_a_missing_package_is_told_before_training(monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    """With the command that installs it."""
    absent = {"wandb", "trackio"}  # also where they are installed
    monkeypatch.setattr(tracking, "find_spec", lambda name: None if name in absent else find_spec(name))
    check_trackers(["tensorboard", "mlflow"])
    with said.raised(ConfigError, where="training.report_to"):
        check_trackers(["tensorboard", "wandb", "trackio"])


def test_every_tracker_of_the_table_exists() -> None:
    """Class and parameters are those of the installed accelerate."""
    import inspect

    from accelerate import tracking as known

    for row in TRACKERS:
        accepted = inspect.signature(getattr(known, row.class_name).__init__).parameters
        takes_more = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values())
        assert getattr(known, row.class_name).name == row.name
        assert takes_more or set(row.parameters) <= set(accepted)


def test_plain_settings() -> None:
    """Nested ones have dotted names, and lists are texts."""
    assert flattened(SETTINGS) == {
        "learning_rate": 0.1,
        "lora.r": 8,
        "lora.target_modules": "['q_proj', 'v_proj']",
        "max_steps": "None",
    }

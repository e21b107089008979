"""Metrics in real trackers, read back with their own readers."""

from __future__ import annotations

import logging
import time
from pathlib import Path

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


def test_a_missing_package_is_told_before_training(said: Said) -> None:
    """With the command that installs it."""
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

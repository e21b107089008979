"""Two steps that measure a training and keep nothing."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.material import listing, make_config, make_inputs

from so8t_shared.errors import ConfigError
from so8t_shared.results.trial import Trial
from so8t_trainer.planned import planned_memory
from so8t_trainer.trial import try_training

ROWS = "".join(
    f'{{"text": "Request {i}: {what}", "label": "{label}"}}\n'
    for i in range(6)
    for what, label in [("a", "ALLOW"), ("b", "ESCALATION"), ("c", "DENY"), ("d", "REFUSE")]
)


def test_a_trial_measures_and_keeps_nothing(llama: Path, tmp_path: Path) -> None:
    """Steps of the whole training, time and tokens of one, memory measured and predicted."""
    root = make_inputs(tmp_path)
    (root / "rows.jsonl").write_text(ROWS)
    config = make_config(
        root,
        model_a={"base_model": str(llama)},
        training={"max_steps": 50, "batch_size": 4, "dtype": "float32"},
        device="cpu",
    )
    before = listing(tmp_path)
    found = try_training(config, logging.getLogger("test"))
    assert listing(tmp_path) == before
    assert found.steps == 50
    assert found.seconds_per_step > 0
    assert found.tokens_per_step > 4
    assert 1e8 < found.predicted_bytes < found.free_bytes
    assert found.peak_bytes > 1e8

    planned = planned_memory(config)
    assert planned is not None
    assert planned.startswith("training needs about ")
    assert "longest row" in planned
    assert planned_memory(make_config(root, model_a={"base_model": "/no/such"})) is None


def test_a_trial_reads_the_rows_as_the_training_does(
    llama: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It says which rows are too long, and refuses what the training would refuse."""
    root = make_inputs(tmp_path)
    long = json.dumps({"text": "Request 7: " + "a long one " * 90, "label": "DENY", "split": "train"}) + "\n"
    (root / "rows.jsonl").write_text(ROWS + long)
    training = {"max_steps": 3, "max_length": 200, "dtype": "float32"}
    config = make_config(root, model_a={"base_model": str(llama)}, training=training, device="cpu")
    with caplog.at_level(logging.WARNING, logger="test"):
        try_training(config, logging.getLogger("test"))
    assert any("longer than training.max_length = 200" in record.getMessage() for record in caplog.records)

    chosen = make_config(root, model_a={"base_model": str(llama)}, training={**training, "keep_best": True})
    with pytest.raises(ConfigError) as caught:
        try_training(chosen, logging.getLogger("test"))
    assert caught.value.where == "training.keep_best"


def test_its_sentences(said: Said) -> None:
    """Seconds per step, the end, and the memory."""
    trial = Trial(
        steps=430,
        seconds_per_step=3.1,
        tokens_per_step=4100,
        peak_bytes=9_100_000_000,
        predicted_bytes=9_800_000_000,
        free_bytes=11_600_000_000,
        device="cuda (a card)",
        chosen=["gradient checkpointing on"],
    )
    said("\n".join(trial.sentences(datetime(2026, 1, 31, 23, 50, tzinfo=UTC))))

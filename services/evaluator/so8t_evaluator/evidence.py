"""Computes an evaluation again from the answers in an unpacked evidence bundle, by the code of the stages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from so8t_evaluator.alternatives.evidence import compared_otherwise
from so8t_evaluator.answer_faults import classes, same_rows
from so8t_evaluator.asking_until import Until, in_random_order
from so8t_evaluator.baseline import predicted_by_words
from so8t_evaluator.conclude import conclude_from_files
from so8t_evaluator.paired import Setting, by_setting
from so8t_evaluator.rows import select
from so8t_evaluator.speed import make_speed
from so8t_evaluator.until_decided import decider
from so8t_shared.bundles.contents import WORDS_FILE, config_of, document
from so8t_shared.bundles.recomputed import Recomputed, differences, values_in
from so8t_shared.config.model import Config
from so8t_shared.config.retention import SHIPPED, Retention
from so8t_shared.errors import IntegrityError
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import CONTROL_FILE, SAMPLES_FILE, VALIDATION_FILE, Sample
from so8t_shared.results.asking import ASKING_FILE, Asking
from so8t_shared.results.bundle import BundleFault
from so8t_shared.results.evaluation import EVALUATION_FILE, Speed
from so8t_shared.results.policy import POLICY_FILE, Policy
from so8t_shared.results.registry import REGISTRY_FILE, Registry
from so8t_shared.results.retention import RETENTION_FILE, ScoredReference
from so8t_shared.results.sides import SIDES
from so8t_shared.results.training import LabeledRow
from so8t_shared.retention.items import read_items
from so8t_shared.tables.scorings import freely_written, scored

_SAMPLES, _CONTROL, _ASKING = (f"evaluate/{name}" for name in (SAMPLES_FILE, CONTROL_FILE, ASKING_FILE))
_VALIDATION, _POLICY, _REGISTRY = f"evaluate/{VALIDATION_FILE}", f"conclude/{POLICY_FILE}", f"import/{REGISTRY_FILE}"
_RETENTION = f"evaluate/{RETENTION_FILE}"
_EVALUATION, _TEST = f"conclude/{EVALUATION_FILE}", "train/splits/test.jsonl"
_NOT_FROM_ANSWERS = frozenset({"peak_memory_bytes", "gpu_memory_bytes", "interleaved", "file_size_bytes"})
"""What was measured beside the answers."""
_MOST_RESAMPLES = 1_000_000
"""A bundle from anywhere must not keep a computer busy for hours."""


def recompute(folder: Path, configuration: dict[str, Any], *, texts: bool) -> Recomputed:
    """Compare evaluation.json with what the answers give, and the answers with the rows that were to be asked.

    Raises:
        IntegrityError: a file is damaged.
    """
    config = config_of(configuration)
    settings = config.ab_test
    if settings.bootstrap_resamples > _MOST_RESAMPLES:
        raise IntegrityError("It asks for more resamples than any test needs.", where="configuration.json: ab_test")
    recorded = document((folder / _EVALUATION).read_bytes(), _EVALUATION)
    asking, samples = Asking.read(folder / _ASKING), Sample.read_lines(folder / _SAMPLES)
    available = select(LabeledRow.read_lines(folder / _TEST), settings.max_samples)
    groups = in_random_order(available, settings.seed)
    order = list(chain.from_iterable(groups)) if settings.until_decided else available
    rows = order[: asking.stopped.rows] if asking.stopped else order
    faults = [*_rows(folder, asking, samples, config, rows), *classes(samples, _SAMPLES, texts=texts)]
    faults += _validated(folder, asking) if settings.policy else []
    faults += _retained(folder, asking, settings.retention) if settings.retention else []
    faults += compared_otherwise(folder, config)
    faults = faults or [*_speed(asking, samples, rows[: settings.speed_samples])]
    counted = None if texts or faults else _counted(folder, samples)
    if settings.until_decided and not faults:
        decided = decider(config, groups, folder / "train/splits", counted)
        faults = [*_ending(asking, samples, Until(groups, decided, settings.speed_samples))]
    if faults:
        return Recomputed(faults)
    found = conclude_from_files(folder / "evaluate", folder / "train/splits", settings, counted=counted)
    computed = json.loads(found.model_dump_json())
    faults = [*differences(recorded, computed, _EVALUATION)]
    if found.policy:
        served = Policy.read(folder / _POLICY).model_dump(mode="json")
        faults += differences(served, found.policy.served().model_dump(mode="json"), _POLICY)
    return Recomputed(faults, values_in(computed), str(found.gate.result))


def count_words(train: bytes, test: bytes, samples: bytes) -> dict[str, str]:
    """The class that counting words gives each tested row; all three are lines of files."""
    rows = {row.id: row for row in _lines(LabeledRow, test)}
    asked = dict.fromkeys(json.loads(line)["row_id"] for line in samples.splitlines())
    tested = [rows[row_id] for row_id in asked]
    predicted = predicted_by_words(_lines(LabeledRow, train), tested)
    return {} if predicted is None else dict(zip(asked, predicted, strict=True))


def _lines(kind: type[LabeledRow], data: bytes) -> list[LabeledRow]:
    return [kind.from_bytes(line, "rows") for line in data.splitlines() if line.strip()]


def _rows(
    folder: Path, asking: Asking, samples: Sequence[Sample], config: Config, to_ask: Sequence[LabeledRow]
) -> Iterator[BundleFault]:
    """Rows that were to be asked and were not, or were not as they are in the split; A and B in each setting."""
    rows, settings = {row.id: row for row in to_ask}, config.ab_test
    answers = by_setting(samples)
    grid: list[Setting] = [(side, q, s) for side in SIDES for q in asking.quantizations for s in asking.scorings]
    asked_for = (config.gguf.quantizations, config.gguf.primary_quantization, settings.scoring)
    if (asking.quantizations, asking.primary_quantization, asking.scorings) != asked_for:
        yield BundleFault(where=_ASKING, what="it names other quantizations or scorings than the configuration")
        return
    if (asking.stopped is None) == settings.until_decided:
        yield BundleFault(where=f"{_ASKING}: stopped", what="it does not fit the configuration's ab_test.until_decided")
        return
    if set(answers) != set(grid) or not rows:
        yield BundleFault(where=_SAMPLES, what="the answers are not to the models and scorings that were to be asked")
        return
    again = Sample.read_lines(folder / _CONTROL)
    asked = {" ".join(setting): answers[setting] for setting in grid}
    yield from chain.from_iterable(same_rows(rows, found, _SAMPLES, name) for name, found in asked.items())
    if settings.control:
        yield from same_rows(rows, again, _CONTROL, "a again")
    elif again:
        yield BundleFault(where=_CONTROL, what="there are answers of a control that was not to be made")
    order = list(rows) if asking.stopped else [s.row_id for s in answers[grid[0]]]
    for name, found in [*asked.items(), *([("a again", again)] if again else [])]:
        if [s.row_id for s in found] != order and not set(order) ^ {s.row_id for s in found}:
            yield BundleFault(where=_SAMPLES, what=f"{name}: the rows are in another order")


def _validated(folder: Path, asking: Asking) -> Iterator[BundleFault]:
    """Validation rows that were to be asked and were not, or were not as they are in the split."""
    models = Registry.read(folder / _REGISTRY).models
    known, named = ([(m.model, m.quantization, m.sha256) for m in found] for found in (models, asking.files or []))
    if known != named:
        yield BundleFault(where=f"{_ASKING}: files", what="these are not the files that were imported")
        return
    rows = {row.id: row for row in LabeledRow.read_lines(folder / "train/splits/validation.jsonl")}
    samples = Sample.read_lines(folder / _VALIDATION)
    answers, scoring = by_setting(samples), scored(asking.scorings)[0]
    grid: list[Setting] = [(side, q, scoring) for side in SIDES for q in asking.quantizations]
    if set(answers) != set(grid):
        yield BundleFault(where=_VALIDATION, what="the answers are not to the models that were to be asked")
        return
    yield from chain.from_iterable(same_rows(rows, answers[s], _VALIDATION, " ".join(s)) for s in grid)
    yield from classes(samples, _VALIDATION, texts=True)


def _retained(folder: Path, asking: Asking, retention: Retention) -> Iterator[BundleFault]:
    """Neutral prompts that were to be scored and were not; the shipped ones are known."""
    found = ScoredReference.read_lines(folder / _RETENTION)
    shipped = len(read_items(SHIPPED)) if retention.rows == SHIPPED else 0
    count = shipped or len(found) // len(asking.quantizations)
    scored_ones = [(each.quantization, each.item) for each in found]
    if scored_ones != [(name, item) for name in asking.quantizations for item in range(1, count + 1)]:
        yield BundleFault(where=_RETENTION, what="these are not the items that were to be scored, each once")


def _ending(asking: Asking, samples: Sequence[Sample], until: Until) -> Iterator[BundleFault]:
    """Where the answers do not end the asking where it ended."""
    primary = [sample for sample in samples if sample.quantization == asking.primary_quantization]
    found, recorded = until.ended_at(primary).model_dump(), asking.stopped.model_dump() if asking.stopped else None
    yield from differences({"stopped": recorded}, {"stopped": found}, _ASKING)


def _speed(asking: Asking, samples: Sequence[Sample], rows: Sequence[LabeledRow]) -> Iterator[BundleFault]:
    """Figures of speed that the times of the answers to these rows do not give."""
    timed = {row.id for row in rows}
    scoring = [*freely_written(asking.scorings), *asking.scorings][0]
    answers = by_setting(samples)
    for number, speed in enumerate(asking.speed):
        found = [s for s in answers.get((speed.model, speed.quantization, scoring), ()) if s.row_id in timed]
        if not found:
            yield BundleFault(where=f"{_ASKING}: speed[{number}]", what="no answer was timed there")
            continue
        computed = make_speed(found, peak_memory_bytes=None, file_size_bytes=0)
        yield from differences(_times(speed), _times(computed), f"{_ASKING}: speed[{number}]")


def _times(speed: Speed) -> dict[str, Any]:
    return speed.model_dump(mode="json", exclude=set(_NOT_FROM_ANSWERS))


def _counted(folder: Path, samples: Sequence[Sample]) -> dict[str, str]:
    """What counting words gave each tested row.

    Raises:
        IntegrityError: it is not a class for each of them.
    """
    counted = document((folder / WORDS_FILE).read_bytes(), WORDS_FILE)
    fits = set(counted) == {s.row_id for s in samples} and all(word in LABELS for word in counted.values())
    if counted and not fits:
        raise IntegrityError("It does not hold a class for each row that was asked.", where=WORDS_FILE)
    return counted

"""The rows that a training needs: read, split, encoded, and what the evaluator must know of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from logging import Logger
from pathlib import Path

from so8t_shared.config.model import AbTest, Config
from so8t_shared.config.training import Training
from so8t_shared.config.validation_rows import demand_validation_rows
from so8t_shared.errors import ConfigError, InputError, IntegrityError, NewerFormat
from so8t_shared.models.hf_folder import read_json
from so8t_shared.models.room import demand_room
from so8t_shared.progress import Progress
from so8t_shared.results.training import Targets
from so8t_trainer.data.prepare import PreparedData, prepare_data
from so8t_trainer.encode import ChatEncoder, EncodedRow, encode_rows, load_encoder
from so8t_trainer.validation import ValidationRow, validation_rows
from so8t_trainer.weights import weighted


@dataclass(frozen=True)
class LoadedRows:
    """Encoded rows, and the data that they come from."""

    rows: list[EncodedRow]
    validation: list[ValidationRow]
    """May be empty."""
    data: PreparedData
    targets: Targets


def load_rows(config: Config, base: Path, log: Logger, progress: Progress, prepared: Path | None = None) -> LoadedRows:
    """Read and encode the rows for the model in `base`.

    `prepared` is a folder with the rows as an earlier training of the same base, data and settings wrote them.

    Raises:
        InputError: the data is unusable, no row fits, the rows need a longer context than the model has, or
            something that needs validation rows has none.
        ConfigError: ab_test.num_ctx has no room for a row that will be tested, or a step shall be chosen by validation
            without rows for that.
        Exception: anything that `progress` raises to stop.
    """
    data = _earlier(prepared, log) or prepare_data(config.dataset, config.test_data, log, progress)
    demand_validation_rows(config, len(data.validation))
    encoder = load_encoder(base)
    encoded = _fitting(data, encoder, config.training.max_length, log)
    tested = [len(prompt) for prompt in encoder.prompts(data.test)]
    demand_room(config.ab_test, max(tested, default=0))
    targets = _targets(encoded, data, encoder, tested)
    demand_context(base, config.ab_test, targets, log)
    log.info("%d training rows, %d tokens", len(encoded), sum(row.length for row in encoded))
    validation = validation_rows(data.validation, encoder, config.training)
    if not validation:
        _demand_no_choice(config.training)
    return LoadedRows(weighted(encoded, config.training.loss_weights), validation, data, targets)


def _earlier(prepared: Path | None, log: Logger) -> PreparedData | None:
    if prepared is None:
        return None
    try:
        data = PreparedData.read(prepared)
    except (IntegrityError, NewerFormat) as error:  # removed or damaged meanwhile
        log.warning("the rows are prepared anew: %s", error)
        return None
    log.info("the rows are as an earlier training prepared them")
    return data


def _fitting(data: PreparedData, encoder: ChatEncoder, max_length: int, log: Logger) -> list[EncodedRow]:
    """Encode the training rows, leave out the ones that are too long, and log the longest length."""
    every = encode_rows(data.train, encoder, sys.maxsize)
    encoded = [row for row in every if row.length <= max_length]
    fitting = {row.id for row in encoded}
    longest = max(row.length for row in every)
    data.keep_train([row for row in data.train if row.id in fitting], f"longer than {max_length} tokens")
    if not encoded:
        raise InputError(
            f"Every training row is longer than training.max_length = {max_length} tokens.",
            where="training.max_length",
            remedy=f"raise it: the shortest row has {min(row.length for row in every)} tokens, the longest {longest}",
        )
    if len(encoded) < len(every):
        told = (len(every) - len(encoded), len(every), max_length, longest)
        log.warning("%d of %d rows are left out: longer than training.max_length = %d; the longest has %d", *told)
    return encoded


def _targets(encoded: list[EncodedRow], data: PreparedData, encoder: ChatEncoder, tested: list[int]) -> Targets:
    prompts = [*tested, *(len(row.prompt) for row in encoded)]
    prompts += [len(prompt) for prompt in encoder.prompts(data.validation)]
    return Targets(
        longest_tokens=max(len(row.completion) for row in encoded),
        longest_prompt_tokens=max(prompts),
        thinking=any(row.thinking for row in data.train),
    )


def _demand_no_choice(settings: Training) -> None:
    if settings.keeps_best:
        key = "early_stopping" if settings.early_stopping else "keep_best"
        raise ConfigError(
            "There are no rows to validate on, so no step is the best one.",
            where=f"training.{key}",
            remedy="raise dataset.validation_fraction, add rows, or take the key out",
        )


def demand_context(base: Path, settings: AbTest, targets: Targets, log: Logger) -> None:
    """Check that the model's context has room for the longest prompt and the longest answer.

    Raises:
        InputError: it has not.
    """
    needed = targets.longest_prompt_tokens + targets.longest_tokens
    what = f"{needed} tokens (prompt {targets.longest_prompt_tokens}, answer {targets.longest_tokens})"
    positions = read_json(base / "config.json").get("max_position_embeddings")
    if isinstance(positions, int) and needed > positions:
        raise InputError(
            f"The rows need a context of {what}, but the model has {positions}.",
            where=f"{base / 'config.json'}, key max_position_embeddings",
            remedy="shorten or remove the longest rows, or take a model with a longer context",
        )
    if settings.num_ctx is not None and needed > settings.num_ctx:
        log.warning("the rows need a context of %s, but ab_test.num_ctx is %d", what, settings.num_ctx)

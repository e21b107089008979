"""Validation while training: loss, decision loss and the class by `logprob`, on rows that are not trained on.

The four labels of a row are scored in one pass: they share its prompt, which is computed once. As in the evaluator's
scoring, the likeliest label over all its tokens is the decision. A row with thinking is scored after its own thinking:
a model that writes its own may decide otherwise.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from so8t_shared.config.training import Training
from so8t_shared.f1 import macro_f1
from so8t_shared.labels import LABELS
from so8t_shared.results.training import LabeledRow, Validation
from so8t_trainer.distributed.group import ALONE, Group
from so8t_trainer.encode import ChatEncoder, EncodedRow, differing
from so8t_trainer.model import Trainee
from so8t_trainer.packing import PackedRows, pack

DEFAULT_COUNT = 10
"""Most validations per training, unless training.validate_every_steps is given."""
_TRAINED_PER_VALIDATED = 8
"""Rows trained on for each row validated, by default. A validated row costs about 1.3 trained ones on a small model,
because its system prompt is not shared with other rows."""


@dataclass(frozen=True)
class ValidationRow:
    """Token IDs of a prompt and of its completion with each of the LABELS."""

    id: str
    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    gold: int
    """Index of the right one."""


@dataclass(frozen=True)
class _Scored:
    """One row's figures, in nats."""

    loss: float
    """Summed over the tokens of the right answer."""
    tokens: int
    label_losses: tuple[float, ...]
    """Of each label, summed over the tokens by which the answers differ."""
    gold: int

    @property
    def figures(self) -> list[float]:
        """All but the right one, as _FIGURES numbers."""
        return [self.loss, self.tokens, *self.label_losses]


_FIGURES = 2 + len(LABELS)


def validation_rows(rows: Iterable[LabeledRow], encoder: ChatEncoder, settings: Training) -> list[ValidationRow]:
    """Encode rows and choose `training.validation_rows` of them, in an order that depends only on the seed.

    Rows longer than `training.max_length` tokens are left out.
    """
    encoded = [
        ValidationRow(row.id, prompt, answers, LABELS.index(row.label))
        for row, prompt, answers in encoder.encode_answers(rows)
        if len(prompt) + max(map(len, answers)) <= settings.max_length
    ]
    random.Random(f"validation/{settings.seed}").shuffle(encoded)
    return encoded[: settings.validation_rows]


def is_due(step: int, steps: int, rows: int, settings: Training) -> bool:
    """Whether to validate on `rows` rows after optimizer step `step` (from 1) of `steps`; always after the last one."""
    every = settings.validate_every_steps or max(
        1,
        math.ceil(steps / DEFAULT_COUNT),
        math.ceil(rows * _TRAINED_PER_VALIDATED / settings.rows_per_step),
    )
    return step % every == 0 or step == steps


def validate(
    trainee: Trainee, rows: Sequence[ValidationRow], stop: Callable[[], bool] = lambda: False, group: Group = ALONE
) -> Validation | None:
    """Measure the model on `rows` (at least one); changes neither its state nor any random state.

    None if `stop`, asked before each row, ended it. The processes of `group` score a row each at a time.
    """
    started, found = time.perf_counter(), [[0.0] * _FIGURES for _ in rows]
    with _evaluating(trainee):
        for first in range(0, len(rows), group.size):
            if group.any(stop()):
                return None
            place = first + group.rank
            if place < len(rows):
                found[place] = _score(trainee, rows[place]).figures
            elif group.sharded:  # it keeps step with the others, whose weights it shares
                _score(trainee, rows[first])
    told = np.reshape(group.totals(np.ravel(found).tolist()), (-1, _FIGURES))
    scored = [
        _Scored(loss, int(tokens), tuple(losses), row.gold)
        for (loss, tokens, *losses), row in zip(told.tolist(), rows, strict=True)
    ]
    said = [int(np.argmin(row.label_losses)) for row in scored]
    confusion = np.zeros((len(LABELS), len(LABELS)), dtype=np.int64)
    np.add.at(confusion, ([row.gold for row in scored], said), 1)
    return Validation(
        rows=len(scored),
        loss=sum(row.loss for row in scored) / sum(row.tokens for row in scored),
        decision_loss=sum(row.label_losses[row.gold] for row in scored) / len(scored),
        accuracy=float(np.trace(confusion)) / len(scored),
        macro_f1=float(macro_f1(confusion)),
        seconds=time.perf_counter() - started,
    )


@contextmanager
def _evaluating(trainee: Trainee) -> Iterator[None]:
    """No dropout, no gradients, and the gates as the last step left them."""
    trainee.causal_lm.eval()
    try:
        with torch.no_grad():
            if trainee.gates is not None:
                trainee.gates.refresh()
            yield
    finally:
        trainee.causal_lm.train()


def _score(trainee: Trainee, row: ValidationRow) -> _Scored:
    """Score all answers in one pass: what they begin with as part of the prompt, then only what the row needs."""
    start, end = differing(row.answers)
    lengths = [len(answer) - start - end for answer in row.answers]
    tails = [
        answer[start:] if i == row.gold else answer[start : len(answer) - end] for i, answer in enumerate(row.answers)
    ]
    given = row.answers[0][:start]
    rows = [EncodedRow(row.id, row.prompt + given, tail) for tail in tails]
    packed = pack(rows, attention_dtype=trainee.attention_dtype).to(trainee.device)
    return trainee.run(_score_packed, trainee, row, packed, tails, given, lengths)  # type: ignore[no-any-return]


def _score_packed(
    trainee: Trainee,
    row: ValidationRow,
    packed: PackedRows,
    tails: list[tuple[int, ...]],
    given: tuple[int, ...],
    lengths: list[int],
) -> _Scored:
    start = len(given)
    states = trainee.hidden_states(input_ids=packed.input_ids, position_ids=packed.position_ids, rows=packed)[0]
    before = torch.arange(len(row.prompt) - 1, len(row.prompt) - 1 + start, device=trainee.device)
    targets = torch.cat([torch.tensor(given, dtype=torch.long, device=trainee.device), packed.targets])
    logits = trainee.logits(states.index_select(0, torch.cat([before, packed.predicting])))
    losses = cross_entropy(logits, targets, reduction="none")
    begin, *by_answer = losses.double().cpu().split([start, *map(len, tails)])
    return _Scored(
        loss=float(begin.sum() + by_answer[row.gold].sum()),
        tokens=len(row.answers[row.gold]),
        label_losses=tuple(_sum(part[:length]) for part, length in zip(by_answer, lengths, strict=True)),
        gold=row.gold,
    )


def _sum(values: Tensor) -> float:
    return float(values.sum())

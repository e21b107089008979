"""Validation: the figures of a plain computation, and no trace of it in the training."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest
import torch
from sklearn.metrics import f1_score
from tests.unit.trainer.material import FakeControl, disturb, encoded_rows, some_rows, trainee, training
from torch.nn.functional import log_softmax

from so8t_shared.errors import Interrupted
from so8t_shared.labels import LABELS
from so8t_shared.results.training import LabeledRow
from so8t_trainer.encode import ChatEncoder, differing, load_encoder
from so8t_trainer.loop import run_training
from so8t_trainer.model import Trainee
from so8t_trainer.validation import ValidationRow, is_due, validate, validation_rows

THINKING = LabeledRow(
    id="thinks", text="Who may read the ledger?", label="DENY", thinking={"task": "a question", "policy": "clerks only"}
)


def _rows(model: Path) -> list[ValidationRow]:
    return validation_rows([*some_rows(), THINKING], load_encoder(model), training())


def _token_losses(subject: Trainee, prompt: tuple[int, ...], answer: tuple[int, ...]) -> torch.Tensor:
    """One sequence through transformers' own attention."""
    subject.causal_lm.set_attn_implementation("sdpa")
    with torch.no_grad():
        logits = subject.causal_lm(input_ids=torch.tensor([prompt + answer]), use_cache=False).logits[0]
    found = log_softmax(logits.float(), dim=-1)[len(prompt) - 1 : -1]
    return -found[torch.arange(len(answer)), torch.tensor(answer)]


def test_the_figures_are_those_of_separate_sequences(any_model: Path) -> None:
    """Loss per token, decision loss, accuracy and macro-F1, for rows with and without thinking."""
    packed, plain = (trainee(any_model) for _ in range(2))
    for subject in (packed, plain):
        disturb(subject)
        subject.causal_lm.eval()
    rows = _rows(any_model)
    found = validate(packed, rows)

    losses, scores = [], []
    for row in rows:
        start, end = differing(row.answers)
        each = [_token_losses(plain, row.prompt, answer) for answer in row.answers]
        losses.append(each[row.gold])
        scores.append([float(one[start : len(one) - end].sum()) for one in each])
    gold = [row.gold for row in rows]
    said = [min(range(4), key=score.__getitem__) for score in scores]
    assert found.rows == 7
    assert found.loss == pytest.approx(float(torch.cat(losses).mean()), rel=1e-5)
    assert found.decision_loss == pytest.approx(
        sum(score[right] for score, right in zip(scores, gold, strict=True)) / 7, rel=1e-5
    )
    assert found.accuracy == pytest.approx(sum(map(int.__eq__, said, gold)) / 7)
    assert found.macro_f1 == pytest.approx(f1_score(gold, said, average="macro", labels=sorted({*gold, *said})))


def test_validation_leaves_no_trace_in_the_training(llama: Path, tmp_path: Path) -> None:
    """With dropout, a training that validates after every step ends with the bits of one that never does."""
    values = {"max_steps": 4, "lora": {"dropout": 0.3}, "validate_every_steps": 1}
    ends = []
    for name, rows in (("with", _rows(llama)), ("without", [])):
        subject = trainee(llama, **values)
        control = FakeControl(tmp_path / name)
        points = run_training(subject, encoded_rows(llama), training(**values), control, rows)
        assert [point.validation is not None for point in points] == [bool(rows)] * 4
        ends.append((points, subject.trainable(), torch.get_rng_state()))
    (points, weights, state), (plain_points, plain_weights, plain_state) = ends
    without = {"seconds", "validation"}
    assert [p.model_dump(exclude=without) for p in points] == [p.model_dump(exclude=without) for p in plain_points]
    assert torch.equal(state, plain_state)
    for name, weight in weights.items():
        assert torch.equal(weight, plain_weights[name]), name
        assert weight.grad is None


@dataclass
class _StoppedWhileValidating(FakeControl):
    """Asks to stop at the `stop_at`-th question."""

    stop_at: int = 0
    asked: int = 0

    @property
    def stop_requested(self) -> bool:
        self.asked += 1
        return self.asked >= self.stop_at > 0


@pytest.mark.parametrize("stop_at", [1, 3, 12, 20])
def test_a_stop_while_validating_is_obeyed_and_made_up_for(llama: Path, tmp_path: Path, stop_at: int) -> None:
    """The step is saved at once; the resumed training validates first, and has the same figures and best step."""
    values = {"max_steps": 3, "validate_every_steps": 1, "keep_best": True}
    rows, found = _rows(llama), []
    for stop in (0, stop_at):
        control = _StoppedWhileValidating(tmp_path / str(stop), stop_at=stop)
        subject = trainee(llama, **values)
        if stop:
            with pytest.raises(Interrupted):
                run_training(subject, encoded_rows(llama), training(**values), control, rows)
            assert control.asked <= stop_at + 2
            control, subject = FakeControl(tmp_path / str(stop)), trainee(llama, **values)
        points = run_training(subject, encoded_rows(llama), training(**values), control, rows)
        figures = [point.validation.model_dump(exclude={"seconds"}) for point in points if point.validation]
        found.append((figures, {name: p.detach() for name, p in subject.trainable().items()}))
    assert len(found[0][0]) == 3
    assert found[0][0] == found[1][0]
    for name, weight in found[0][1].items():
        assert torch.equal(weight, found[1][1][name]), name


def test_it_sees_what_training_learned(llama: Path, tmp_path: Path) -> None:
    """On the very rows that are trained on, the decision loss falls below chance and every class is right."""
    values = {"max_steps": 20, "batch_size": 6, "learning_rate": 1e-2, "pet": {"lambdas": (0, 0, 0)}}
    values |= {"validate_every_steps": 2}
    rows = validation_rows(some_rows(), load_encoder(llama), training())
    points = run_training(trainee(llama), encoded_rows(llama), training(**values), FakeControl(tmp_path), rows)
    validations = [point.validation for point in points if point.validation]
    assert [point.step for point in points if point.validation] == list(range(2, 21, 2))
    assert validations[-1].macro_f1 == validations[-1].accuracy == 1
    assert validations[-1].decision_loss < 0.3 < validations[0].decision_loss
    assert points[-1].decision_loss == pytest.approx(validations[-1].decision_loss, abs=0.1)


@pytest.mark.parametrize(
    ("steps", "every", "rows", "expected"),
    [
        (1000, None, 30, list(range(100, 1001, 100))),
        (950, None, 30, [*range(95, 951, 95)]),
        (955, None, 30, [*range(96, 955, 96), 955]),
        (100, None, 15, [40, 80, 100]),  # 15 rows for each 120 that are trained on, 3 a step
        (5, 2, 99, [2, 4, 5]),
    ],
)
def test_when_it_is_due(steps: int, every: int | None, rows: int, expected: list[int]) -> None:
    """At most ten times by default, cheap beside the training, and always after the last step."""
    settings = training(validate_every_steps=every)
    assert [step for step in range(1, steps + 1) if is_due(step, steps, rows, settings)] == expected


def test_the_rows_are_few_and_always_the_same(llama: Path) -> None:
    """At most validation_rows, none too long, in an order that the seed decides."""
    encoder = load_encoder(llama)
    long = LabeledRow(id="long", text="please " * 900, label="ALLOW")
    chosen = [
        [row.id for row in validation_rows([*some_rows(), long], encoder, training(validation_rows=4, seed=seed))]
        for seed in (1, 1, 2)
    ]
    assert chosen[0] == chosen[1] != chosen[2]
    assert len(set(chosen[0])) == 4
    assert "long" not in chain(*chosen)


def test_label_tokens_are_the_label(any_model: Path) -> None:
    """What decides in an answer is its label, whatever thinking precedes it, and nothing of the form around it."""
    encoder: ChatEncoder = load_encoder(any_model)
    for label in LABELS:
        row = encoder.encode(THINKING.model_copy(update={"label": label}))
        decisive = {row.completion[place] for place in row.label_tokens}
        others = [encoder.encode(THINKING.model_copy(update={"label": other})) for other in LABELS if other != label]
        assert decisive
        assert all(other.completion[: row.label_tokens[0]] == row.completion[: row.label_tokens[0]] for other in others)
        after = len(row.completion) - row.label_tokens[-1] - 1
        assert all(other.completion[-after:] == row.completion[-after:] for other in others)
        assert len({one.completion[row.label_tokens[0]] for one in [row, *others]}) > 1


@pytest.mark.parametrize(
    ("answers", "shared"),
    [
        ([(1, 2, 3), (1, 4, 3)], (1, 1)),
        ([(1, 2), (1, 2, 2)], (1, 0)),
        ([(1,), (2,)], (0, 0)),
        ([(7, 7), (7, 7)], (1, 0)),
    ],
)
def test_what_answers_share(answers: list[tuple[int, ...]], shared: tuple[int, int]) -> None:
    """First and last tokens, of which each answer keeps at least one."""
    assert differing(answers) == shared

"""Weights of tokens in the loss."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from tests.unit.trainer.material import encoded_rows, trainee
from torch.nn.functional import cross_entropy

from so8t_shared.config.training import LossWeights
from so8t_shared.results.training import LabeledRow
from so8t_trainer.encode import EncodedRow, load_encoder
from so8t_trainer.loop import objective, weighted_sum
from so8t_trainer.packing import pack
from so8t_trainer.weights import class_weights, weighted

ROW = EncodedRow("a", (1, 2), (3, 4, 5, 6, 7, 8), label="DENY", thinking_tokens=2, label_tokens=(3, 4))


def test_a_token_weighs_what_its_kind_and_class_do() -> None:
    """Thinking, label, and 1 for tags and the end; times the weight of the row's class."""
    [row] = weighted([ROW], LossWeights(thinking=0.5, label=4, classes={"DENY": 3}))
    assert row.weights == (1.5, 1.5, 3, 12, 12, 3)
    [row] = weighted([ROW], LossWeights(thinking=0))
    assert row.weights == (0, 0, 1, 1, 1, 1)
    assert weighted([ROW], LossWeights()) == [ROW]


def test_balanced_is_scikit_learns() -> None:
    """The mean weight of a row is 1."""
    labels = ["ALLOW"] * 7 + ["DENY"] * 2 + ["REFUSE"]
    found = class_weights(Counter(labels), LossWeights(classes="balanced"))
    expected = compute_class_weight("balanced", classes=np.unique(labels), y=labels)
    assert list(found.values()) == pytest.approx(list(expected))


def test_the_tokens_of_thinking_and_label(any_model: Path) -> None:
    """Found by their places in the text, with the tokens of the whole answer unchanged."""
    encoder = load_encoder(any_model)
    for thinking in ({}, {"task": "依頼は DENY か", "<think>": "x"}):
        row = encoder.encode(LabeledRow(id="x", text="Send it", label="ESCALATION", thinking=thinking))
        _, spans = encoder.locate(answer := _answer(thinking) + encoder.chat.end_of_turn)
        texts = [answer[start:end] for start, end in spans]
        inside = "".join(texts[at] for at in row.label_tokens)
        assert "ESCALATION" in inside
        assert len(inside) <= len(">ESCALATION<")
        assert list(row.label_tokens) == list(range(row.label_tokens[0], row.label_tokens[-1] + 1))
        before = answer[: spans[row.thinking_tokens][0]]
        assert before.startswith(answer[: answer.rindex("<final>")]) or not thinking
        assert (row.thinking_tokens > 0) == bool(thinking)


def _answer(thinking: dict[str, str]) -> str:
    tags = {"task": "think-task", "<think>": "think"}
    parts = [f"<{tags[role]}>{text}</{tags[role]}>" for role, text in thinking.items()]
    return "".join([*parts, "<final>ESCALATION</final>"])


def test_the_loss_is_the_weighted_one(llama: Path) -> None:
    """The sum over the tokens, each times its weight; weights of 1 change no bit."""
    rows, subject = encoded_rows(llama)[:3], trainee(llama)
    plain = objective(subject, pack(rows))[0]
    assert torch.equal(weighted_sum(plain, pack(rows)), plain.sum())
    settings = LossWeights(label=5, classes={"ALLOW": 0.5})
    batch = pack(weighted(rows, settings))
    found = weighted_sum(objective(subject, batch)[0], batch)
    states = subject.hidden_states(input_ids=batch.input_ids, position_ids=batch.position_ids, rows=batch)[0]
    each = cross_entropy(subject.logits(states[batch.predicting]), batch.targets, reduction="none")
    weights = torch.tensor([weight for row in weighted(rows, settings) for weight in row.weights])
    torch.testing.assert_close(found, (each * weights).sum())
    assert batch.total_weight == pytest.approx(float(weights.sum()))
    assert pack(rows).total_weight == len(batch.targets)

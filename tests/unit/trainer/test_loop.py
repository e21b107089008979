"""The training loop: it learns, it averages over the whole step, and it resumes to the same bits."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.messages import Said
from tests.unit.trainer.loops import short_training, validation_of, weights_of
from tests.unit.trainer.material import FakeControl, encoded_rows, trainee, training

from so8t_shared.errors import ConfigError, Interrupted
from so8t_trainer.loop import objective, run_training
from so8t_trainer.packing import pack
from so8t_trainer.shortage import explained_shortage, fit_rows


@pytest.mark.parametrize(
    "method",
    [{}, {"use_qlora": True}, {"base_bits": 4}, {"use_full_finetuning": True}],
    ids=["lora", "qlora", "nf4", "full"],
)
def test_the_loss_falls(llama: Path, tmp_path: Path, method: dict[str, object]) -> None:
    """Each method learns the six rows, and the gates take part."""
    values = {"max_steps": 12, "batch_size": 6, "learning_rate": 5e-3, "pet": {"lambdas": (0, 0, 0)}, **method}
    subject, points = short_training(llama, FakeControl(tmp_path), **values)
    assert [point.step for point in points] == list(range(1, 13))
    assert points[-1].loss < points[0].loss / 2
    assert all(parameter.any() for parameter in subject.gates.parameters.values())


@pytest.mark.parametrize(
    "split", [{"batch_size": 2, "gradient_accumulation_steps": 3}, {"batch_size": 6, "max_tokens_per_pass": 150}]
)
def test_accumulation_changes_nothing(llama: Path, tmp_path: Path, split: dict[str, int]) -> None:
    """Six rows in one pass, or in several, are the same step: means are over the step's tokens."""
    found = []
    for name, parts in (("one", {"batch_size": 6}), ("three", split)):
        values = {"max_steps": 2, **parts}
        found.append(short_training(llama, FakeControl(tmp_path / name), **values))
    (one, one_points), (three, three_points) = found
    for single, split in zip(one_points, three_points, strict=True):
        assert split.loss == pytest.approx(single.loss, rel=1e-5)
        assert split.pet == pytest.approx(single.pet, rel=1e-4)
        assert split.grad_norm == pytest.approx(single.grad_norm, rel=1e-3)
    for name, weight in weights_of(one).items():
        torch.testing.assert_close(weight, three.trainable()[name], rtol=0, atol=2e-4, msg=name)


def test_pet_smooths_the_hidden_states(llama: Path, tmp_path: Path) -> None:
    """With a large weight its penalty falls; without one it is only reported."""
    ends = []
    for weight in (0.0, 5.0):
        control = FakeControl(tmp_path / str(weight))
        _, points = short_training(llama, control, max_steps=10, batch_size=6, pet={"lambdas": (weight,) * 3})
        assert {point.pet_lambda for point in points} == {weight}
        ends.append(points[-1].pet)
    assert ends[1] < ends[0] * 0.9


def test_gates_have_their_own_rate_and_no_weight_decay(llama: Path, tmp_path: Path) -> None:
    """A huge weight decay shrinks the adapter, never a gate; the gates' rate is theirs alone."""
    still = {"max_steps": 1, "warmup_ratio": 0, "learning_rate": 1e-12}
    subject, _ = short_training(llama, FakeControl(tmp_path / "a"), **still, gate_learning_rate=1e-2)
    gates = torch.cat(list(subject.gates.parameters.values())).abs()
    assert gates.max().item() == pytest.approx(1e-2, rel=0.05)
    decayed = trainee(llama)
    with torch.no_grad():
        for parameter in decayed.gates.parameters.values():
            parameter.fill_(0.5)
    values = {**still, "learning_rate": 1e-3, "weight_decay": 500.0, "gate_learning_rate": 1e-12}
    before = {name: p.detach().clone() for name, p in decayed.trainable().items()}
    run_training(decayed, encoded_rows(llama), training(**values), FakeControl(tmp_path / "b"))
    for name, parameter in decayed.trainable().items():
        if "lora_A" in name:
            assert parameter.norm() < 0.6 * before[name].norm()
        elif "so8t_gate" in name:
            torch.testing.assert_close(parameter.detach(), before[name])


@pytest.mark.parametrize("validates", [True, False])
def test_divergence_is_told_with_its_rows_and_not_saved(
    llama: Path, tmp_path: Path, said: Said, validates: bool
) -> None:
    """A learning rate of 1e30: the error names step, rows and the last checkpoint before it, which is sound."""
    values = {"max_steps": 6, "lr_scheduler": "constant", "warmup_ratio": 0, "checkpoint_every_steps": 1}
    values |= {"validate_every_steps": 1}
    control = FakeControl(tmp_path, stop_after=2)
    with pytest.raises(Interrupted):
        short_training(llama, control, **values)
    subject, settings = trainee(llama), training(**values, learning_rate=1e30)
    rows = validation_of(llama) if validates else []
    control = FakeControl(tmp_path)
    with said.raised(ConfigError, where="training.learning_rate") as error:
        run_training(subject, encoded_rows(llama), settings, control, rows)
    assert "step-000002" in error.value.what
    good = load_file(control.checkpoints.load("step-000002") / "weights.safetensors")
    assert max(float(tensor.abs().max()) for tensor in good.values()) < 10


def test_a_pass_that_breaks_is_named(llama: Path, tmp_path: Path) -> None:
    """Of a step with several passes, only the rows of those whose loss is not finite."""
    subject = trainee(llama)
    rows = encoded_rows(llama)
    others = [token for row in rows if row is not rows[2] for token in row.prompt + row.completion]
    token = min(set(rows[2].prompt) - set(others))
    subject.causal_lm.model.embed_tokens.register_forward_hook(
        lambda _, inputs, output: output.masked_fill((inputs[0] == token).unsqueeze(-1), float("nan"))
    )
    with pytest.raises(ConfigError) as error:
        run_training(
            subject, rows, training(batch_size=1, gradient_accumulation_steps=6, max_steps=1), FakeControl(tmp_path)
        )
    assert "row2" in error.value.what
    assert "row1" not in error.value.what


def test_early_stopping_ends_the_training(llama: Path, tmp_path: Path) -> None:
    """After `patience` validations without an improvement; called again, it stays ended."""
    values = {"max_steps": 30, "learning_rate": 1e-12, "early_stopping": {"patience": 2, "min_delta": 0.5}}
    values |= {"validate_every_steps": 1}
    for steps in ([1, 2, 3], []):
        control = FakeControl(tmp_path)
        subject = trainee(llama, **values)
        points = run_training(subject, encoded_rows(llama), training(**values), control, validation_of(llama))
        assert control.steps == steps
        assert len(points) == 3
        assert control.checkpoints.names() == ["step-000003"]


def test_the_decision_loss_is_that_of_the_label(llama: Path, tmp_path: Path) -> None:
    """Nats per row over the label's tokens alone, however the step is split into passes."""
    rows, found = encoded_rows(llama), []
    losses, _ = objective(trainee(llama), pack(rows))
    parts = losses.detach().split([len(row.completion) for row in rows])
    expected = sum(float(part[list(row.label_tokens)].sum()) for part, row in zip(parts, rows, strict=True)) / len(rows)
    for size in (6, 2):
        values = {"max_steps": 1, "batch_size": size, "gradient_accumulation_steps": 6 // size}
        found += short_training(llama, FakeControl(tmp_path / str(size)), **values)[1]
    assert [point.decision_loss for point in found] == pytest.approx([expected] * 2, rel=1e-5)
    assert 0 < expected < found[0].loss * max(map(len, parts))


def test_every_point_is_observed_once(llama: Path, tmp_path: Path) -> None:
    """Restored ones first, so that what a killed attempt showed is shown again."""
    seen: list[int] = []
    for stop in (2, None):
        control, settings = FakeControl(tmp_path, stop_after=stop), training(max_steps=4)
        with pytest.raises(Interrupted) if stop else nullcontext():
            run_training(
                trainee(llama), encoded_rows(llama), settings, control, observe=lambda point: seen.append(point.step)
            )
    assert seen == [1, 2, 1, 2, 3, 4]


def test_no_steps_leave_everything_as_it_is(llama: Path, tmp_path: Path) -> None:
    """max_steps 0 is the A/A control."""
    subject, points = short_training(llama, FakeControl(tmp_path), max_steps=0)
    assert points == []
    assert not any(p.any() for name, p in subject.trainable().items() if "lora_B" in name or "gate" in name[-9:])


def test_another_error_is_no_shortage(llama: Path, tmp_path: Path) -> None:
    """Only memory is explained."""
    cpu, checkpoints = torch.device("cpu"), FakeControl(tmp_path).checkpoints
    fit = fit_rows(llama, encoded_rows(llama), training(), cpu, torch.float32)
    with pytest.raises(RuntimeError, match="other"), explained_shortage(fit, cpu, checkpoints):
        raise RuntimeError("other")

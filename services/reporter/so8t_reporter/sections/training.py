"""How model B was made."""

from __future__ import annotations

from so8t_reporter.document import Block, Code, Facts, Paragraph, PictureBlock, Section
from so8t_reporter.inputs import ReportInputs
from so8t_shared import formatting as fmt
from so8t_shared.labels import CHANCE_NATS
from so8t_shared.results.training import ROTATION_BUDGET, TrainingResult, Validation

_METHODS = {"lora": "LoRA adapter", "qlora": "LoRA adapter on a base in {bits} bits", "full": "all weights"}


def training_section(inputs: ReportInputs) -> Section:
    """Method, size, time and loss; the gates; the curve."""
    training = inputs.training
    if training is None:
        return Section("training", "Training", [Paragraph("Model B is external: it was tested as it is.")])
    blocks: list[Block] = []
    if training.steps == 0:
        blocks.append(Paragraph("No optimizer step was taken: model B is its unchanged base.", "bad"))
    blocks += [Paragraph(text, "bad") for text in _over_budget(training)]
    blocks.append(PictureBlock("training_curve"))
    blocks.append(Facts([*_facts(training), *_validation_facts(training), *_gate_facts(training)]))
    blocks.append(Code("Resolved training configuration", inputs.training_config, folded=True))
    return Section("training", "Training", blocks)


def _facts(training: TrainingResult) -> list[tuple[str, str]]:
    share = training.trainable_parameters / training.total_parameters if training.total_parameters else None
    return [
        ("Method", _METHODS[training.method].format(bits=training.base_bits or 8)),
        ("Optimizer steps", fmt.count(training.steps)),
        ("Rows", f"{fmt.count(training.rows)} in the set, {fmt.count(training.rows_seen)} seen, counting repetitions"),
        (
            "Parameters trained",
            f"{fmt.count(training.trainable_parameters)} of {fmt.count(training.total_parameters)}"
            f" ({fmt.percent(share)})",
        ),
        ("Loss, first and last step", f"{_number(training.first_loss)}, {_number(training.final_loss)}"),
        ("Time in optimizer steps", f"{fmt.duration(training.seconds)} on {training.host}"),
        ("Compute", f"{training.dtype} on {training.device}"),
        (
            "Peak memory",
            f"{fmt.size(training.peak_memory_bytes)}, {fmt.size(training.predicted_memory_bytes)} predicted",
        ),
    ]


def _validation_facts(training: TrainingResult) -> list[tuple[str, str]]:
    best, last = training.best_validation, training.last_validation
    if best is None or last is None:
        return [("Validation", "none")]
    facts = [
        ("Validation", f"{fmt.count(training.validation_rows)} rows, neither trained on nor tested"),
        (f"Best, after step {fmt.count(training.best_step)}", _validated(best)),
        ("Last", _validated(last)),
    ]
    if training.stopped_early:
        facts.append(("Ended early", "validation no longer improved (training.early_stopping)"))
    if training.weights_step != training.steps:
        facts.append(("Weights of B", f"those after step {fmt.count(training.weights_step)}, the best"))
    return facts


def _validated(found: Validation) -> str:
    return (
        f"loss {_number(found.loss)}, decision loss {_number(found.decision_loss)} (chance: {CHANCE_NATS:.3g}),"
        f" macro-F1 {fmt.share(found.macro_f1)}, accuracy {fmt.percent(found.accuracy)}"
    )


def _gate_facts(training: TrainingResult) -> list[tuple[str, str]]:
    if training.gates == 0:
        return [("SO8T gates", "none")]
    low, high = _number(training.determinant_min, 8), _number(training.determinant_max, 8)
    limit = f"at most {ROTATION_BUDGET} is allowed"
    return [
        ("SO8T gates", f"{training.gates:,} attention layers{_which(training)}"),
        (
            "Orthogonality error",
            f"{_number(training.orthogonality_error)} (largest deviation of R^T R from I; {limit})",
        ),
        ("Determinant of R", f"{low} to {high} (deviation from 1: {limit})"),
        ("Largest rotation", f"{_number(training.rotation_angle_max)} rad"),
    ]


def _over_budget(training: TrainingResult) -> list[str]:
    """Return a sentence for each figure that shows that the gates are no rotations."""
    error, low, high = training.orthogonality_error, training.determinant_min, training.determinant_max
    found = []
    if error is not None and not error <= ROTATION_BUDGET:
        found.append(
            f"The gates are not orthogonal: R^T R differs from I by {_number(error)}, more than {ROTATION_BUDGET}."
        )
    if low is not None and high is not None and not 1 - ROTATION_BUDGET <= low <= high <= 1 + ROTATION_BUDGET:
        found.append(f"The gates are no rotations: determinants reach from {_number(low, 8)} to {_number(high, 8)}.")
    return found


def _which(training: TrainingResult) -> str:
    return f" ({training.gate_layers})" if training.gate_layers else ""


def _number(value: float | None, digits: int = 3) -> str:
    return fmt.UNDEFINED if value is None else f"{value:.{digits}g}"

"""The course of an original training: schedule, phases of the penalty, validation, trackers."""

from __future__ import annotations

from typing import Any

from so8t_shared.config.original.row import NoEffectError, OriginalFile
from so8t_shared.config.original.values import flag, number, words

_NEVER_CLIPS = 1e9


_PHASE_SHARES = ("exploration", 0.2), ("transition", 0.4), ("stabilization", 0.4)


def scheduler(file: OriginalFile, key: str) -> Any:
    """The schedule's name; the warm-up of constant_with_warmup is a key of its own."""
    value = str(file.values[key]).lower()
    return "constant" if value == "constant_with_warmup" else value


def warmup_ratio(file: OriginalFile, key: str) -> Any:
    """The share of steps; the schedule `constant` has no warm-up, and warmup_steps comes before warmup_ratio."""
    if str(file.get("training.lr_scheduler_type")) == "constant":
        return 0.0
    steps, ratio = file.get("training.warmup_steps", 0), file.get("training.warmup_ratio", 0)
    if 0 < number(steps) < 1:
        ratio, steps = steps, 0
    if number(steps) > 0:
        total = number(file.get("training.max_steps", 0))
        if key == "training.warmup_ratio":
            raise NoEffectError("warmup_steps is given")
        if total <= 0:
            raise ValueError("the number of steps is not known yet; give warmup_ratio, the share of steps, instead")
        return min(0.99, number(steps) / total)
    if key == "training.warmup_steps" and file.get("training.warmup_ratio") is not None:
        raise NoEffectError("warmup_ratio is given")
    return ratio


def gradient_norm(file: OriginalFile, key: str) -> Any:
    """The largest norm; 0, which turns clipping off, is a norm that no step reaches."""
    return file.values[key] if number(file.values[key]) > 0 else _NEVER_CLIPS


def pet_lambdas(file: OriginalFile, key: str) -> list[Any]:
    """The weights of the three phases; all 0 if the penalty is off."""
    if not flag(file.get("pet.enabled", True)):
        return [0.0, 0.0, 0.0]
    if key == "pet.enabled":
        raise NoEffectError("the penalty is on unless its lambdas are 0")
    phases = ("exploration", 0.01), ("transition", 0.05), ("stabilization", 0.1)
    return [file.get(f"pet.lambda_{phase}", default) for phase, default in phases]


def pet_boundaries(file: OriginalFile, _key: str) -> list[float]:
    """The ends of the first two phases, from the shares of all three."""
    shares = [number(file.get(f"pet.{phase}_ratio", default)) for phase, default in _PHASE_SHARES]
    if abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"the three phases' shares of the steps add up to {sum(shares):g}, not to 1")
    return [shares[0], round(shares[0] + shares[1], 9)]


def validation(file: OriginalFile, _key: str) -> float:
    """No validation rows if evaluation is off."""
    if _strategy(file) != "no":
        raise NoEffectError(
            "eval_steps says how often" if _strategy(file) == "steps" else "ten validations are the default"
        )
    return 0.0


def validation_steps(file: OriginalFile, key: str) -> Any:
    """Steps between validations; a share of all steps has no counterpart."""
    if _strategy(file) != "steps":
        raise NoEffectError("evaluation_strategy is not steps")
    if 0 < number(file.values[key]) < 1:
        raise NoEffectError("a share of the steps; ten validations are the default")
    return file.values[key]


def _strategy(file: OriginalFile) -> str:
    given = file.get("training.eval_strategy", file.get("training.evaluation_strategy", "steps"))
    return "no" if given is False else str(given).lower()  # YAML reads an unquoted no as false


def trackers(file: OriginalFile, key: str) -> list[str]:
    """The names of the trackers; none, or an empty list, is none."""
    names = words(file.values[key])
    if names == ["all"]:
        raise NoEffectError("training.report_to names each tracker")
    return [] if names == ["none"] else names

"""Keys that an original file leaves out: they get this program's defaults, which may differ from its libraries'."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from so8t_shared.config.model import Config
from so8t_shared.config.original.form import Translation
from so8t_shared.config.original.keys import ROWS
from so8t_shared.config.original.values_data import VALIDATION_KEYS
from so8t_shared.config.section import Section

NO_VALUE_HERE = object()
"""A default that no value of the present key says."""


@dataclass(frozen=True)
class Default:
    """What a library does where a file does not say anything."""

    key: str
    """The present key."""
    value: Any
    """The library's default, as a value of the present key."""
    said: str = ""
    """The default in words, where no value of the key, or not the value alone, says it."""
    library: str = "transformers"
    also: tuple[str, ...] = ()
    """Further original keys that also decide it."""


DEFAULTS: tuple[Default, ...] = (
    Default("training.epochs", 3.0, also=("training.max_steps",)),
    Default("training.max_steps", None),
    Default("training.batch_size", 8),
    Default("training.gradient_accumulation_steps", 1),
    Default("training.learning_rate", 5e-5),
    Default("training.lr_scheduler", "linear"),
    Default("training.warmup_ratio", 0.0),
    Default("training.weight_decay", 0.0),
    Default("training.max_grad_norm", 1.0),
    Default("training.optimizer", "adamw"),
    Default("training.adam_beta1", 0.9),
    Default("training.adam_beta2", 0.999),
    Default("training.adam_epsilon", 1e-8),
    Default("training.dtype", "float32"),
    Default("training.gradient_checkpointing", False),
    Default("training.seed", 42),
    Default("training.checkpoint_every_steps", 500),
    Default("training.checkpoints_kept", NO_VALUE_HERE, "all"),
    Default("training.report_to", [], "none since version 5, before it all that are installed"),
    Default("dataset.validation_fraction", 0.0, "no validation", also=("training.eval_steps", *VALIDATION_KEYS)),
    Default("training.lora.r", 8, library="peft"),
    Default("training.lora.alpha", 8, library="peft"),
    Default("training.lora.dropout", 0.0, library="peft"),
    Default("training.lora.target_modules", NO_VALUE_HERE, "a choice by architecture", library="peft"),
)
"""One row per present key that a field of TrainingArguments or LoraConfig becomes, and that changes the training."""


def left_out(translation: Translation, config: Config) -> list[str]:
    """Return 'key value (library: value)' of each key that the file leaves out and whose defaults differ."""
    found = [(row, *_place(config, row.key)) for row in _silent(translation, config)]
    return [
        f"{row.key} {_shown(ours)} ({row.library}: {row.said or _shown(row.value)})"
        for row, section, name in found
        if (ours := getattr(section, name)) != row.value
    ]


def _silent(translation: Translation, config: Config) -> Iterator[Default]:
    """The rows about which neither the file nor what wins over it says anything."""
    said = {line.key for line in translation.lines if line.value is not None}
    for row in DEFAULTS:
        names = {known.key for known in ROWS if known.becomes == row.key} | set(row.also)
        section, name = _place(config, row.key)
        adapter_of_none = row.library == "peft" and config.training.use_full_finetuning
        if names.isdisjoint(said) and name not in section.model_fields_set and not adapter_of_none:
            yield row


def _place(config: Config, dotted: str) -> tuple[Section, str]:
    """The section of a key, and its name there."""
    *outer, name = dotted.split(".")
    section: Section = config
    for part in outer:
        section = getattr(section, part)
    return section, name


def _shown(value: Any) -> str:
    """A value as YAML would have it, in words where it is empty."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if value is None:
        return "not set"
    return f"{value:g}" if isinstance(value, float) else str(value).lower()

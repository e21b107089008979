"""Fits a training to its device: bits of the base, gradient checkpointing, tokens per pass. Imports nothing heavy.

What `auto` leaves open is chosen in this order, since each step costs more than the one before: rows in several
passes, recomputed activations, a base in 8 bits. The bits depend on the device's total memory alone, because they
change the result; the rest depends on what is free now.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from so8t_shared.config.training import BaseMemory, Training
from so8t_shared.errors import ConfigError
from so8t_shared.formatting import size
from so8t_shared.models.hf_folder import read_json
from so8t_shared.processor import has_bf16_instructions
from so8t_shared.tables.architectures import Architecture, Sizes, architecture_of, sizes_of
from so8t_trainer.encode import LEAST_SHARED, EncodedRow, shared_prefix
from so8t_trainer.memory import Device, Footprint, MemoryModel, Pass

USABLE = 0.97
"""Share of the free memory that a prediction may fill."""
_FEWER: dict[BaseMemory, tuple[BaseMemory, ...]] = {"16": ("8", "4"), "8": ("4",), "4": ()}
_GOOD_PASS = 1024
"""Tokens of a pass below which a GPU idles; checkpointing is cheaper than smaller passes."""


@dataclass(frozen=True)
class Room:
    """The memory of the device that trains."""

    device: Device
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Subject:
    """What is trained: a model's sizes, and the lengths of the rows."""

    architecture: Architecture
    sizes: Sizes
    longest: int
    """Tokens of the longest row."""
    prefix: int
    """Tokens that all prompts begin with."""
    lengths: Mapping[tuple[int, int], int]
    """Number of rows by (tokens, completion tokens)."""

    @classmethod
    def of(cls, base: Path, rows: Sequence[EncodedRow]) -> Subject:
        """Return the subject for a checkpoint folder and its encoded rows."""
        lengths = Counter((row.length, len(row.completion)) for row in rows)
        return cls(*_model(base), max(lengths)[0], shared_prefix(rows), lengths)

    @classmethod
    def supposed(cls, base: Path, settings: Training) -> Subject:
        """Return the subject before rows are read: all of training.max_length, half of it completion."""
        longest = settings.max_length
        return cls(*_model(base), longest, 0, {(longest, longest // 2): settings.rows_per_step})

    @classmethod
    def least(cls, base: Path) -> Subject:
        """Return the subject with the shortest rows that there can be."""
        return cls(*_model(base), 1, 0, {(1, 1): 1})

    def totals(self, settings: Training) -> list[int]:
        """Return the most tokens that 1, 2, ... rows of a pass can have, up to all of a batch."""
        return list(accumulate(self._largest(settings, lambda tokens, _: tokens)))

    def largest_pass(self, settings: Training, limit: int) -> Pass:
        """Return a pass as large as any of at most `limit` tokens, the rows' lengths added up (or one row)."""
        attended = [min(total, max(self.longest, limit)) for total in self.totals(settings)]
        shares = settings.shares_prefixes and self.prefix >= LEAST_SHARED * self.longest
        prefix = self.prefix if shares else 0
        completions = self._largest(settings, lambda _, completion: completion)
        share = max(completion / tokens for tokens, completion in self.lengths)
        predicted = max(completions[0], min(sum(completions), math.ceil(share * attended[-1])))
        computed = max(tokens - others * prefix for others, tokens in enumerate(attended))
        return Pass(computed, attended[-1], predicted, prefix)

    def _largest(self, settings: Training, measure: Callable[[int, int], int]) -> list[int]:
        """Return the rows of a batch that have the most of something; a step may see a row once in each epoch."""
        rows, total = settings.rows_per_step, sum(self.lengths.values())
        epochs = 1 + math.ceil(rows / total)
        counts = sorted(((measure(*row), count) for row, count in self.lengths.items()), reverse=True)
        each = (size for size, count in counts for _ in range(count * epochs))
        return list(islice(each, settings.batch_size))


def _model(base: Path) -> tuple[Architecture, Sizes]:
    path = base / "config.json"
    config = read_json(path)
    return architecture_of(config, path, done="trained"), sizes_of(config, path)


@dataclass(frozen=True)
class Needs:
    """What a training needs, by what may be chosen."""

    subject: Subject
    settings: Training
    device: Device
    compute_bytes: int

    def __call__(self, bits: BaseMemory, checkpointing: bool, limit: int, **changes: Any) -> Footprint:
        """Return the prediction for passes of `limit` tokens, with `changes` to the settings."""
        changed = self.settings.model_copy(update=changes) if changes else self.settings
        subject = self.subject
        model = MemoryModel(
            subject.architecture, subject.sizes, changed, bits, checkpointing, self.compute_bytes, self.device
        )
        return model.footprint(subject.largest_pass(changed, limit))

    @property
    def whole(self) -> int:
        """The most tokens of a pass with all rows of a batch."""
        return self.subject.totals(self.settings)[-1]


@dataclass(frozen=True)
class Fit:
    """A training that fits."""

    settings: Training
    """Without `auto` for what is chosen here."""
    needed: Footprint
    room: Room
    why: list[str]
    """What was chosen, and why."""
    needs: Needs
    """What other choices would need."""

    def sentence(self) -> str:
        """Return how much is needed and how much there is."""
        need = self.needed
        parts = f"weights {size(round(need.weights))}, largest pass {size(round(need.pass_))}"
        where = "the GPU" if self.room.device == "cuda" else "this host"
        return f"needs about {size(need.total)} ({parts}); {size(self.room.free_bytes)} free on {where}"


def compute_bytes(settings: Training, device: Device) -> int:
    """Return the bytes of the compute type that `hardware.choose_dtype` will choose, as far as known without torch."""
    if settings.dtype != "auto":
        return 4 if settings.dtype == "float32" else 2
    return 2 if device == "cuda" or has_bf16_instructions() else 4


def fit_training(subject: Subject, settings: Training, room: Room, bytes_: int) -> Fit:
    """Choose what `auto` leaves open so that the training fits.

    Raises:
        ConfigError: it fits in no way; the error says what to lower.
    """
    need = Needs(subject, settings, room.device, bytes_)
    bits_found = _bits(settings, room, lambda bits: need(bits, _last(settings), subject.longest))
    first: Footprint | None = None
    for checkpointing, limit in _choices(settings, subject):
        found = need(bits_found, checkpointing, limit)
        first = first or found
        if found.total <= room.free_bytes * USABLE:
            chosen = _resolved(settings, bits_found, checkpointing, limit if limit < need.whole else None)
            return Fit(chosen, found, room, _reasons(settings, chosen, first, room), need)
    least = need(bits_found, _last(settings), _least(settings, subject))
    raise _too_little(settings, subject, room, bits_found, least, need)


def _bits(settings: Training, room: Room, least: Callable[[BaseMemory], Footprint]) -> BaseMemory:
    """Return the base's bits: as configured, or 8 on a GPU where 16 never fit."""
    if settings.base_memory != "auto":
        return settings.base_memory
    fits = room.device == "cpu" or least("16").total <= room.total_bytes * USABLE
    return "16" if fits else "8"


def _last(settings: Training) -> bool:
    """Return whether activations are recomputed where memory is scarcest."""
    return settings.gradient_checkpointing is not False


def _least(settings: Training, subject: Subject) -> int:
    return settings.max_tokens_per_pass or subject.longest


def _choices(settings: Training, subject: Subject) -> Iterator[tuple[bool, int]]:
    """Yield (checkpointing, tokens per pass), the fastest first."""
    set_to = settings.gradient_checkpointing
    options = [False, True] if set_to == "auto" else [set_to]
    limit = settings.max_tokens_per_pass
    if limit:
        yield from ((option, limit) for option in options)
        return
    limits = subject.totals(settings)[::-1]
    good = [limit for limit in limits if limit >= min(_GOOD_PASS, limits[0])]
    yield from ((option, limit) for option in options for limit in good)
    yield from ((option, limit) for option in options for limit in limits if limit not in good)


def _resolved(settings: Training, bits: BaseMemory, checkpointing: bool, limit: int | None) -> Training:
    values: dict[str, Any] = {"gradient_checkpointing": checkpointing}
    if bits != "full":
        values["base_bits"] = int(bits)
    if settings.max_tokens_per_pass is None:
        values["max_tokens_per_pass"] = limit
    return settings.model_copy(update=values)


def _reasons(asked: Training, chosen: Training, first: Footprint, room: Room) -> list[str]:
    needs = f"without that it needs {size(first.total)}"
    why = []
    if asked.base_memory == "auto":
        large = " because the GPU has no room for 16" if chosen.base_bits == 8 else ""
        why.append(f"base in {chosen.base_bits} bits{large}")
    if asked.gradient_checkpointing == "auto":
        why.append(
            f"gradient checkpointing on ({needs})" if chosen.gradient_checkpointing else "gradient checkpointing off"
        )
    if chosen.max_tokens_per_pass is not None:
        given = "" if asked.max_tokens_per_pass else f" ({needs})"
        why.append(f"passes of at most {chosen.max_tokens_per_pass:,} tokens{given}")
    if chosen.optimizer.startswith("paged") and room.device == "cpu":
        why.append("the optimizer is not paged on a CPU")
    return why


def _too_little(
    settings: Training, subject: Subject, room: Room, bits: BaseMemory, least: Footprint, need: Needs
) -> ConfigError:
    """Return the error with the need of every change that helps; those that suffice come first."""
    limit, recompute = _least(settings, subject), _last(settings)
    options = {
        "training.gradient_checkpointing: true": need(bits, True, limit),
        f"training.max_tokens_per_pass: {subject.longest}": need(bits, recompute, subject.longest),
        **fewer_bits(need, bits, recompute, limit),
    }
    told = sufficient(need, [options], room.free_bytes)
    where = "GPU memory" if room.device == "cuda" else "memory"
    return ConfigError(
        f"Training needs about {size(least.total)} of {where}, but {size(room.free_bytes)} is free.",
        where=f"largest pass: a row of {subject.longest:,} tokens; base: {bits if bits == 'full' else bits + ' bits'}",
        remedy=f"close other programs, or set {'; or '.join(told)}",
    )


def fewer_bits(need: Needs, bits: BaseMemory, checkpointing: bool, limit: int) -> dict[str, Footprint]:
    """Return what each change that alters results would need."""
    options = {"training.optimizer: adamw_8bit": need(bits, checkpointing, limit, optimizer="adamw_8bit")}
    if bits == "full":
        return options | {"training.use_full_finetuning: false": need("16", checkpointing, limit)}
    return options | {f"training.base_bits: {fewer}": need(fewer, checkpointing, limit) for fewer in _FEWER[bits]}


def sufficient(need: Needs, options: Sequence[dict[str, Footprint]], room_bytes: float, factor: float = 1) -> list[str]:
    """Return the changes of the first group in which one suffices, each with its need; else all together.

    `factor` multiplies predictions that were found too low.
    """
    longest = need.subject.longest
    all_of = "gradient_checkpointing: true, base_bits: 4 and optimizer: adamw_8bit"
    if need.settings.use_full_finetuning:
        all_of = f"use_full_finetuning: false, {all_of}"
    everything = {all_of: need("4", True, longest, optimizer="adamw_8bit")}
    for ways in (*options, everything):
        if enough := {name: found for name, found in ways.items() if found.total * factor <= room_bytes * USABLE}:
            return [f"{name} (needs {size(round(found.total * factor))})" for name, found in enough.items()]
    least = size(round(everything[all_of].total * factor))
    return [f"{all_of} (needs {least})", f"training.max_length below {longest} as well"]

"""Measures the rungs of torch. All computes in fp32, so that merging explains nothing but float noise."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file

from so8t_shared.config.training import Training
from so8t_shared.labels import LABELS
from so8t_shared.ladders.orders import RungOrder, rounding_name
from so8t_shared.models.chat import read_chat
from so8t_shared.progress import Progress
from so8t_shared.results.ladder import RungRecord
from so8t_shared.tables.rungs import ROUNDINGS
from so8t_trainer.encode import load_encoder
from so8t_trainer.hardware import choose_device, peak_bytes
from so8t_trainer.ladder.measuring import measure
from so8t_trainer.ladder.rounding import Rounded
from so8t_trainer.ladder.tree import Asked, asked
from so8t_trainer.model import load_base, load_trainee
from so8t_trainer.trained import SETTINGS

ROUNDED_ROWS = 24
"""Of the rows, at most, on which roundings are measured."""

_IMPLEMENTATION = "sdpa"


def measure_trained(order: RungOrder, progress: Progress) -> None:
    """Measure base, adapter and gates as the trainer computes them.

    Raises:
        InputError: the base cannot be loaded.
    """
    started = time.perf_counter()
    device = choose_device(order.device)
    model = _trained(order, device)
    _measure_all(order, model, device, progress, started)


def measure_checkpoint(order: RungOrder, progress: Progress) -> None:
    """Measure a checkpoint in plain transformers, and what roundings do to it.

    Raises:
        InputError: it cannot be loaded.
    """
    started = time.perf_counter()
    device = choose_device(order.device)
    model = load_base(Path(order.model), "full", device, torch.float32)
    model.set_attn_implementation(_IMPLEMENTATION)
    model.eval()
    _measure_all(order, model, device, progress, started)


def _trained(order: RungOrder, device: torch.device) -> Any:
    from peft import set_peft_model_state_dict

    folder = Path(order.trained)
    stored = Training.model_validate(yaml.safe_load((folder / SETTINGS).read_text(encoding="utf-8")))
    settings = stored.model_copy(
        update={"use_qlora": False, "base_bits": 16, "gradient_checkpointing": False, "dtype": "float32"}
    )
    trainee = load_trainee(Path(order.model), settings, device, torch.float32)
    if trainee.adapter is not None:
        set_peft_model_state_dict(trainee.adapter, load_file(folder / "adapter" / "adapter_model.safetensors"))
    with torch.no_grad():
        if trainee.gates is not None:
            kept = load_file(folder / "gates.safetensors")
            for name, parameter in trainee.gates.named_parameters().items():
                parameter.copy_(kept[name])
            trainee.gates.refresh()
    trainee.causal_lm.set_attn_implementation(_IMPLEMENTATION)
    trainee.causal_lm.eval()
    return trainee.causal_lm


def _measure_all(order: RungOrder, model: Any, device: torch.device, progress: Progress, started: float) -> None:
    folder = Path(order.model)
    rows, encoder = order.labeled_rows(), load_encoder(folder)
    questions = asked(encoder, rows, [LABELS.index(row.label) for row in rows])
    about = _About(
        program=f"torch {metadata.version('torch')}, transformers {metadata.version('transformers')}",
        prompts=read_chat(folder).prompts([(row.text, row.before) for row in rows]),
        ends_turn=_ends(model, encoder.tokenize(order.end_of_turn)),
        load_seconds=time.perf_counter() - started,
        device=device,
    )
    roundings = [rounding for rounding in ROUNDINGS if rounding_name(rounding) in order.keys]
    few = questions[:ROUNDED_ROWS]
    total = len(questions) * (order.rung in order.keys) + len(few) * len(roundings)
    done = 0
    if order.rung in order.keys:
        _write(order, order.rung, model, questions, about, partial(_advance, progress, done, total))
        done = len(questions)
    rounded = Rounded(model)
    for rounding in roundings:
        rounded.to(rounding)
        _write(order, rounding_name(rounding), model, few, about, partial(_advance, progress, done, total))
        done += len(few)


def _advance(progress: Progress, before: int, total: int, count: int) -> None:
    progress(before + count, total, "")


@dataclass(frozen=True)
class _About:
    program: str
    prompts: list[str]
    ends_turn: bool
    load_seconds: float
    device: torch.device


def _write(
    order: RungOrder, name: str, model: Any, rows: Sequence[Asked], about: _About, advance: Callable[[int], None]
) -> None:
    started = time.perf_counter()
    measured = measure(model, rows, advance)
    record = RungRecord(
        rung=name,
        key=order.keys[name],
        arrays_sha256="",
        program=about.program,
        rows=[row.id for row in rows],
        prompts=about.prompts[: len(rows)],
        ends_turn=about.ends_turn,
        longest_tokens=max(row.length for row in rows),
        load_seconds=about.load_seconds,
        seconds=time.perf_counter() - started,
        peak_memory_bytes=peak_bytes(about.device),
    )
    measured.save(Path(order.folder), record)


def _ends(model: Any, end_of_turn: Sequence[int]) -> bool:
    """Whether `generate` stops at the last token of the text that ends a turn."""
    stops = model.generation_config.eos_token_id
    return bool(end_of_turn) and end_of_turn[-1] in (stops if isinstance(stops, list) else [stops])

"""The peers of bench/train.py: transformers.Trainer and TRL's SFTTrainer on the same rows, model and adapter."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = tuple[tuple[int, ...], tuple[int, ...]]
"""Prompt and completion."""
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True)
class Job:
    """A training, the same for all sides."""

    rows: list[Row]
    size: int
    """Rows of a pass."""
    passes: int
    """Passes of a step."""
    steps: int
    dtype: str
    """float32 or bfloat16."""
    rank: int
    load: Callable[[], Any]
    """Returns the model, in `dtype`."""


@dataclass(frozen=True)
class Spent:
    """What a training took, from before its first step until after its last."""

    cpu_s: float
    wall_s: float
    first_loss: float


def trainer(job: Job) -> Spent:
    """Train with Trainer: rows padded to the longest of a batch, and grouped by length over the whole epoch."""
    from peft import get_peft_model
    from transformers import Trainer, TrainingArguments

    rows = [
        {"input_ids": [*prompt, *answer], "labels": [*[-100] * len(prompt), *answer]} for prompt, answer in job.rows
    ]
    model = get_peft_model(job.load(), _adapter(job))
    with tempfile.TemporaryDirectory() as folder:
        options = _options(job, folder) | {"train_sampling_strategy": "group_by_length"}
        return _timed(Trainer(model, TrainingArguments(**options), data_collator=_padded, train_dataset=rows))


def trl(job: Job, *, tuned: bool) -> Spent:
    """Train with SFTTrainer on completions: as it is by default, or without checkpointing and padding."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = [
        {"input_ids": [*prompt, *answer], "completion_mask": [0] * len(prompt) + [1] * len(answer)}
        for prompt, answer in job.rows
    ]
    with tempfile.TemporaryDirectory() as folder:
        options = _options(job, folder) | {"max_length": None, "completion_only_loss": True}
        if tuned:
            options |= {"gradient_checkpointing": False, "padding_free": True}
        made = SFTTrainer(
            job.load(),
            SFTConfig(**options),
            train_dataset=Dataset.from_list(rows),
            peft_config=_adapter(job),
            processing_class=_tokenizer(),
        )
        return _timed(made)


def _adapter(job: Job) -> Any:
    from peft import LoraConfig

    settings: dict[str, Any] = {"target_modules": TARGETS, "bias": "none", "task_type": "CAUSAL_LM"}
    return LoraConfig(r=job.rank, lora_alpha=2 * job.rank, **settings)


def _options(job: Job, folder: str) -> dict[str, Any]:
    return {
        **{"output_dir": folder, "per_device_train_batch_size": job.size, "gradient_accumulation_steps": job.passes},
        **{"max_steps": job.steps, "learning_rate": 2e-4, "use_cpu": True, "bf16": job.dtype == "bfloat16"},
        **{"save_strategy": "no", "report_to": [], "logging_steps": 1, "disable_tqdm": True},
    }


def _timed(made: Any) -> Spent:
    from transformers import TrainerCallback

    clocks = []

    class Clock(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            clocks.append((time.process_time(), time.perf_counter()))

        def on_train_end(self, *_: Any, **__: Any) -> None:
            clocks.append((time.process_time(), time.perf_counter()))

    made.add_callback(Clock())
    made.train()
    (cpu, wall), (cpu_after, wall_after) = clocks
    return Spent(cpu_after - cpu, wall_after - wall, made.state.log_history[0]["loss"])


def _tokenizer() -> Any:
    """Return a tokenizer, which SFTTrainer asks for the token that pads."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({"<pad>": 0}, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<pad>")


def _padded(rows: list[dict[str, list[int]]]) -> dict[str, Any]:
    """Return a batch padded at its end."""
    import torch

    longest = max(len(row["input_ids"]) for row in rows)
    fillers = {"input_ids": 0, "labels": -100}
    batch = {
        key: torch.tensor([[*row[key], *[filler] * (longest - len(row[key]))] for row in rows])
        for key, filler in fillers.items()
    }
    seen = [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows]
    return batch | {"attention_mask": torch.tensor(seen)}
